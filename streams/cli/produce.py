"""`millrace produce features|labels|events`: the rows of a file as records on Kafka."""

from typing import Annotated

import typer

from streams.cli.option_lists import spread
from streams.cli.produce_run import Given, Sending

app = typer.Typer(
    no_args_is_help=True,
    help="Send a file's rows as events, labels or both. CSV, JSON Lines and Parquet, `-` for standard input.",
)

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="`.csv`, `.jsonl` or `.parquet`; `-`: standard input.")
]
LabelOption = Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="Labels. Default: `label`.")]
DelayOption = Annotated[
    str, typer.Option("--label-delay", metavar="DELAY", help='"500 rows" or "30s" after the event.')
]


@app.command(
    epilog="Examples:  millrace produce features events.csv   |   millrace produce features events.csv --rate 1000"
)
@spread
def features(file: FileArgument, given: Given) -> None:
    """Send rows as events: what is seen before anybody knows the answer."""
    Sending("features", file, given).go()


@app.command(
    epilog="Examples:  millrace produce labels labels.csv --label fraud   |   millrace produce labels late.jsonl"
)
@spread
def labels(file: FileArgument, *, label: LabelOption = None, given: Given) -> None:
    """Send rows as labels: the answers, under the ids and keys of their events."""
    Sending("labels", file, given).go(label)


@app.command(
    epilog='Examples:  millrace produce events events.csv --label fraud --label-delay "500 rows"   |   '
    "millrace produce events week.parquet --label-delay 30s --rate 200"
)
@spread
def events(file: FileArgument, *, label: LabelOption = None, label_delay: DelayOption = "0", given: Given) -> None:
    """Send both sides of each row from one file: the event, and its label now or later."""
    Sending("events", file, given).go(label, label_delay)
