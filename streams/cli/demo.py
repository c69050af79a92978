"""`millrace demo`: real data through a real Kafka, with changes at known points, and what came of them."""

import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.main import stop_on_sigterm
from streams.cli.terminal import console, interactive, note, say, write_out
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group, RenderableType

    from streams.config import Config
    from streams.demo.changes import Changes
    from streams.demo.data import DemoData
    from streams.demo.run import Progress
    from streams.demo.story import Story
    from streams.demo.watching import Watching

app = typer.Typer()

FOLDER = Path(".millrace/demo")


@app.command(
    epilog="Examples:  millrace demo   |   millrace demo --data events.csv --label fraud   |   "
    "millrace demo --inject none --json result.json"
)
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="CSV, JSON Lines or Parquet; default: Shuttle.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="What is predicted.")] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="binary, multiclass or regression; default: as the labels look.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1_000, help="Only the first so many rows.")] = None,
    inject: Annotated[str, typer.Option("--inject", help="both, covariate, concept or none.")] = "both",
    rate: Annotated[float, typer.Option("--rate", help="Events for each second; 0: as fast as they go.")] = 3_000,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Also write the result as JSON; - for stdout.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Made anew for each run.")] = FOLDER,
) -> None:
    """Send real data through a real Kafka, learn online, watch for drift, and hold the alerts against the truth.

    A covariate change is put in at 40 % of the rows and a concept change at 75 %. Labels come 500 events late.
    """
    from streams.demo.run import Demo

    stop_on_sigterm()
    found, changes = _prepare(data, label, task, rows, inject)
    if folder.exists() and not (folder / "millrace.toml").exists() and any(folder.iterdir()):
        raise ConfigError("--folder", f"must be an earlier demo's folder or a new one, got {folder} with other files")
    note(f"{found.about} {len(found.rows):,} rows.")
    for change in changes.told:
        note(f"From event {change.at:,} on ({change.kind} change): {change.what}.")
    run = Demo(found, changes, folder, rate or None)
    with _shown() as show:
        story = run.run(show, _kept(keep, folder, run.progress))
    if out is not None:
        from streams.demo.story import as_json

        text = json.dumps(as_json(story), indent=2)
        if str(out) == "-":
            print(text)
        else:
            write_out(out, text + "\n")
    if str(out) != "-":
        _tell(story)


def _prepare(
    data: Path | None, label: str | None, task: str | None, rows: int | None, inject: str
) -> "tuple[DemoData, Changes]":
    from streams.demo.changes import Changes
    from streams.demo.data import from_file, shuttle

    if inject not in {"both", "covariate", "concept", "none"}:
        raise ConfigError("--inject", f"must be both, covariate, concept or none, got {inject!r}")
    if data is not None and label is None:
        raise ConfigError("--label", f"must name the column of {data} that is predicted")
    found: DemoData = shuttle(rows) if data is None else from_file(data, str(label), task, rows)
    count = len(found.rows)
    changes = Changes(
        found.rows[: count // 4],
        found.kinds,
        found.target,
        covariate_at=int(count * 0.4) if inject in {"both", "covariate"} else None,
        concept_at=int(count * 0.75) if inject in {"both", "concept"} else None,
    )
    return found, changes


def _kept(keep: bool, folder: Path, progress: "Progress") -> "Callable[[Config], None]":
    def after(_config: "Config") -> None:
        if not keep:
            return
        page = f" The live page: {progress.page}" if progress.page else ""
        note(
            f"Still running. In another terminal: millrace status -c {folder / 'millrace.toml'}.{page} Ctrl-C stops it."
        )
        import signal

        try:
            signal.pause()
        except KeyboardInterrupt:
            note("stopping")

    return after


@contextmanager
def _shown() -> "Iterator[Callable[[Progress, Watching], None]]":
    """A panel that is drawn anew on a terminal; a line every few seconds elsewhere."""
    if not interactive(sys.stderr):
        yield _Lines()
        return
    from rich.live import Live

    with Live(console=console(stderr=True), refresh_per_second=8, transient=True) as live:
        yield lambda progress, watching: live.update(_panel(progress, watching))


class _Lines:
    def __init__(self) -> None:
        self.last = ""
        self.alerts = 0
        self.sent = 0
        self.page = ""

    def __call__(self, progress: "Progress", watching: "Watching") -> None:
        if progress.page != self.page:
            self.page = progress.page
            note(f"live page while this runs (--keep leaves it open): {progress.page}")
        for alert in watching.alerts[self.alerts :]:
            note(f"  alert {alert.phase} ({alert.severity}): {alert.title}")
        self.alerts = len(watching.alerts)
        if progress.stage != self.last or progress.sent - self.sent >= progress.total // 5:
            self.last, self.sent = progress.stage, progress.sent
            note(
                f"{progress.stage}: {progress.sent:,} of {progress.total:,} sent, {progress.predicted:,} predicted, "
                f"{progress.joined:,} labels joined"
            )


def _panel(progress: "Progress", watching: "Watching") -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from streams.demo.story import newest_scores

    grid = Table.grid(padding=(0, 2))
    for name, value in (("sent", progress.sent), ("predicted", progress.predicted), ("labels joined", progress.joined)):
        bar = ProgressBar(total=max(progress.total, 1), completed=value, width=40)
        grid.add_row(Text(name), bar, Text(f"{value:,}"))
    lines: list[RenderableType] = [Text(progress.stage, style="bold"), grid]
    if progress.page:
        lines.append(Text(f"live page while this runs (--keep leaves it open): {progress.page}"))
    scores = newest_scores(watching.versions)
    if scores:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("", "last 1,000", "all"):
            table.add_column(column, justify="right" if column else "left")
        for name, score in scores.items():
            table.add_row(name, *(_number(next(iter(score[part].values()), None)) for part in ("window", "total")))
        lines.append(table)
    lines.extend(Text(f"alert {a.phase}: {a.title}", style=_STYLE[a.severity]) for a in watching.alerts[-4:])
    return Group(*lines)


_STYLE = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "-"


def _named(broken: list[str]) -> str:
    return f", BROKEN: {', '.join(broken)} (millrace verify says where)" if broken else " (millrace verify)"


def _tell(story: "Story") -> None:
    from streams.cli.terminal import table

    say()
    say(
        f"{story.events:,} events predicted, {story.examples:,} labels joined and learnt, {story.windows:,} windows "
        f"compared, in {story.seconds:.0f} s"
    )
    say()
    table(
        (f"{story.metric}", "all", "last 1,000"),
        [
            (name, _number(scores["total"].get(story.metric)), _number(scores["window"].get(story.metric)))
            for name, scores in story.scores.items()
        ],
    )
    say()
    for change in story.changes:
        seen = story.seen(change)
        how = (
            f"told {seen.after:,} events later ({seen.alert.phase}, {seen.alert.severity}): {seen.alert.title}"
            if seen
            else "NOT SEEN"
        )
        say(f"{change.kind} change at event {change.at:,}: {how}")
    before = "before the first change" if story.changes else "(no change was put in; the data's own count too)"
    say(f"false alarms {before}: {story.false_alarms}")
    say()
    table(
        ("alert", "at event", "severity", "what"),
        [(told.alert.phase, f"{told.events:,}", told.alert.severity, told.alert.title) for told in story.alerts],
    )
    for request in story.requests:
        ranges = ", ".join(f"{place} [{start}, {stop})" for place, (start, stop) in request.ranges.items())
        say(f"retrain request for {request.model}: {request.examples:,} examples, {ranges}")
    for report in story.reports:
        say(f"report: {report}")
    broken = [name for name, holds in story.promises.items() if holds is False]
    kept = sum(holds is True for holds in story.promises.values())
    say(f"verified from the logs: {kept} of {len(story.promises)} promises kept" + _named(broken))
    for text in story.notes:
        say(f"note: {text}")
