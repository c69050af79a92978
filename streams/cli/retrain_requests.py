"""`millrace retrain-requests`: which model the monitor wants fitted anew, why, and on which examples."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.subject_lines import block, subject_line, subject_text
from streams.cli.subscription import Wanted, show_records
from streams.cli.wording import iso_time, local_time, one_line, plural, span

if TYPE_CHECKING:
    from streams.kafka.subscribing import Record
    from streams.messages import RetrainRequest

app = typer.Typer(no_args_is_help=False)

_BASES = {"since_change": "all since the change", "latest": "the latest: too few or too many since the change"}


@app.command(
    epilog="Examples:  millrace retrain-requests   |   millrace retrain-requests --follow --json | ./my-trainer"
)
@spread
def retrain_requests(wanted: Wanted, config: ConfigOption = CONFIG, override: SetOption = None) -> None:
    """Show requests to fit a model anew: the reason, and the offset ranges of `examples` to fit it on.

    In a pipe each is one line, tab-separated: time, id, model, reason, since, ranges, examples, basis, evidence, cut.
    """
    from streams.messages import RetrainRequest

    loaded = load_config(config, override)
    show_records(loaded, "retrain", RetrainRequest, wanted, request_block, request_line)


def request_line(request: RetrainRequest, record: Record) -> str:
    """One request for a pipe."""
    columns = [
        iso_time(record.timestamp),
        request.id,
        f"{request.model}@{request.version}",
        request.reason,
        f"since {iso_time(request.since_ms)}",
        "; ".join(f"{place} [{start}, {stop})" for place, (start, stop) in sorted(request.ranges.items())),
        f"{request.examples} examples",
        request.basis,
        "; ".join(map(subject_line, request.evidence)),
        f"cut {request.cut.id}",
    ]
    return "\t".join(one_line(column) for column in columns)


def request_block(request: RetrainRequest, record: Record) -> Any:  # noqa: ANN401 - rich's
    """One request for a terminal."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(("↻ retrain", "bold magenta"), " ", (one_line(request.model), "bold magenta"), "  ")
    head.append(one_line(request.reason), style="bold")
    width = max(map(len, request.ranges), default=0)
    ranges = "\n".join(
        f"{one_line(place).ljust(width)}  offsets {start:,} to {stop - 1:,}"
        for place, (start, stop) in sorted(request.ranges.items())
    )
    lines: list[tuple[str, Text | str]] = [
        ("told", f"{local_time(record.timestamp)}, {span(time.time() * 1000 - record.timestamp)} ago"),
        ("since", local_time(request.since_ms)),
        ("changed", subject_text(request.evidence)),
        ("fit on", f"{plural(request.examples, 'example')}, {_BASES[request.basis]}\n{ranges}"),
        ("model", f"{one_line(request.model)}, version {request.version:,} served then"),
        ("incident", f"{one_line(request.incident)}, cut {one_line(request.cut.id)}"),
    ]
    return Group(head, block(lines))
