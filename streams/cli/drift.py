"""`millrace drift rebase`: what is here to stay becomes the reference."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.incidents import ByOption, NoteOption
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import interactive, note

app = typer.Typer(no_args_is_help=True, help="What drift is judged against.")


@app.callback()
def drift() -> None:
    """What drift is judged against."""


@app.command(epilog="Examples:  millrace drift rebase --note 'new price list'   |   millrace drift rebase --yes")
def rebase(
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    by: ByOption = None,
    why: NoteOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take what comes from now on as the new normal: a new reference is collected, an open incident ends.

    Until the reference is complete nothing can raise an alarm.
    """
    from streams.kafka.asking import ask

    loaded = load_config(config, override)
    rows = loaded.drift.reference.rows
    if not yes and interactive():
        typer.confirm(f"Forget the reference and collect {rows:,} new rows, without alarms meanwhile?", abort=True)
    said = ask(loaded, "rebase", by, why)
    note(f"asked as {said.by}; the monitor does it as soon as it reads {loaded.topic('control')}")
