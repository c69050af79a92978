"""`millrace drift rebase`: what is here to stay becomes the reference."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.asking import Asking
from streams.cli.option_lists import spread
from streams.cli.terminal import interactive

app = typer.Typer(no_args_is_help=True, help="What drift is judged against.")


@app.callback()
def drift() -> None:
    """What drift is judged against."""


@app.command(epilog="Examples:  millrace drift rebase --note 'new price list'   |   millrace drift rebase --yes")
@spread
def rebase(
    asking: Asking,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take what comes from now on as the new normal: a new reference is collected, an open incident ends.

    Until the reference is complete nothing can raise an alarm.
    """
    loaded = asking.load()
    rows = loaded.drift.reference.rows
    if not yes and interactive():
        typer.confirm(f"Forget the reference and collect {rows:,} new rows, without alarms meanwhile?", abort=True)
    asking.ask(loaded, "rebase")
