"""`millrace report`: a page of the window as it is now, or the page of an incident."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.browser import browse
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import note, progress, say, table
from streams.cli.wording import local_time, one_line
from streams.errors import ConfigError, MillraceError, StateError

if TYPE_CHECKING:
    from streams.config import Config
    from streams.stored_reports import StoredReport

app = typer.Typer(no_args_is_help=False)


@app.command(
    epilog="Examples:  millrace report --open   |   millrace report --list   |   millrace report --incident 2b0a"
)
def report(
    config: ConfigOption = CONFIG,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser, if there is one here.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write the page to this file.")] = None,
    incident: Annotated[
        str | None,
        typer.Option(
            "--incident", metavar="ID", help="Of this incident, or any name of --list; its beginning is enough."
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the reports there are, oldest first.")] = False,
    override: SetOption = None,
) -> None:
    """Compare the last window with the reference, as an HTML page by Evidently; print its path.

    The window is the one of the monitor's newest checkpoint, whether or not a monitor runs. A page that is there
    already is not rendered again.
    """
    if listed and (open_ or out or incident):
        raise ConfigError("--list", "must be alone, got it with another option")
    loaded = load_config(config, override)
    if listed:
        _list(loaded)
        return
    page = _of_incident(loaded, incident) if incident is not None else _of_window(loaded)
    if out is not None:
        try:
            shutil.copyfile(page, out)
        except OSError as error:
            raise MillraceError(f"could not write {out}: {error.strerror or error}") from error
        page = out
    say(str(page.resolve()))
    if open_ and not browse(page.resolve().as_uri()):
        note("there is no browser here (ssh, or no display): open this file in yours")


def _list(config: Config) -> None:
    from streams.stored_reports import stored_reports

    found = stored_reports(config.path(config.reports.folder))
    if not found:
        note(f"no reports in {config.path(config.reports.folder)} yet: `millrace report` makes one of the last window")
        return
    table(
        ("name", "window", "severity", "to", "page", "title"),
        [
            (each.name, each.window, each.severity, local_time(each.to_ms), each.state, one_line(each.title, 80))
            for each in found
        ],
    )


def _of_incident(config: Config, prefix: str) -> Path:
    from streams.stored_reports import find_report

    found = find_report(config.path(config.reports.folder), prefix)
    return found.page if found.state == "rendered" else _render(config, found)


def _of_window(config: Config) -> Path:
    """The window of the monitor's newest checkpoint.

    Raises:
        StateError: there is no checkpoint, no reference or no row yet; the message says which.
    """
    from streams.state.from_config import open_store
    from streams.stored_reports import find_report

    folder = config.path(config.reports.folder)
    local = "://" not in config.state.store
    if local and not (config.path(Path(config.state.store)) / "checkpoints").is_dir():
        raise StateError("could not find a checkpoint of the monitor: `millrace monitor` writes it")
    with progress("reading the window") as update:
        update(None, "")
        from drift.report_job import write_job
        from streams.stages.report_frames import report_job, report_name
        from streams.stages.watch_state import load_watch
        from streams.state.claims import newest_on_lineage

        store = open_store(config, create=False)
        loaded = newest_on_lineage(store, "monitor")
        if loaded is None:
            raise StateError("could not find a checkpoint of the monitor: `millrace monitor` writes it")
        watch = load_watch(config, store, loaded.payload).watch
        due = watch.report()
        if due is None:
            rows = len(watch.collecting) if watch.collecting is not None else 0
            lacking = (
                f"it has {rows:,} of the {config.drift.reference.rows:,} rows of its reference"
                if watch.reference is None
                else "it has a reference and no row after it"
            )
            raise StateError(f"could not make a report: the monitor has no window yet, {lacking}")
        name = report_name(due)
        if not (folder / name / "job.json").is_file():
            write_job(folder / name, report_job(config, due))
    found = find_report(folder, name)
    return found.page if found.state == "rendered" else _render(config, found)


def _render(config: Config, stored: StoredReport) -> Path:
    from streams.stored_reports import render

    with progress("rendering the report") as update:
        update(None, "about ten seconds")
        return render(stored, config.reports.timeout_ms / 1000)
