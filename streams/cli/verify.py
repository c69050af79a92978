"""`millrace verify`: whether the pipeline keeps its promises, recomputed from its topics and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import interactive, json_out, note, progress, say, table
from streams.cli.wording import one_line, plural

if TYPE_CHECKING:
    from streams.verify.findings import Findings, Promise

app = typer.Typer(no_args_is_help=False)
_HOLDS = {True: "kept", False: "BROKEN", None: "not judged"}


@app.command(epilog="Examples:  millrace verify   |   millrace verify --json | jq '.promises[] | select(.broken > 0)'")
def verify(
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    override: SetOption = None,
) -> None:
    """Recompute every promise from the topics and checkpoints, and say which holds, with its figures.

    Works beside a running pipeline and changes nothing: all is judged up to the newest durable checkpoints. It reads
    every topic that is held once, and shares no code with what it judges. Where retention has removed records it says
    what cannot be checked any more. Exit code 1 when a promise does not hold, with the places where it does not.
    """
    from streams.cli.logs import set_up_logs
    from streams.kafka.verifying import gathered
    from streams.verify.audit import audit

    set_up_logs(level="warning")
    loaded, began = load_config(config, override), time.monotonic()
    with progress("reading") as update:

        def told(done: int, total: int) -> None:
            update(min(1.0, done / total) if total else None, f"{done:,} records")

        with gathered(loaded, told) as evidence:
            findings = audit(evidence)
    logs: Any = evidence.logs
    read = {"records": logs.records, "bytes": logs.bytes, "seconds": round(time.monotonic() - began, 3)}
    upto = {
        state.name: dict(state.offsets)
        for state in (*evidence.tasks.values(), *evidence.shards.values(), evidence.monitor)
        if state is not None
    }
    holds = not findings.broken
    if as_json:
        promises = findings.tree()
        json_out({"pipeline": loaded.name, "holds": holds, "read": read, "up_to": upto, "promises": promises})
    else:
        _draw(findings)
        _read(loaded.name, read, len(upto))
    raise typer.Exit(0 if holds else 1)


def _draw(findings: Findings) -> None:
    from streams.verify.findings import WORDS

    rows = [
        (promise.name.replace("_", " "), _HOLDS[promise.holds], _figures(promise), WORDS[promise.name])
        for promise in findings.promises.values()
    ]
    table(("promise", "holds", "figures", "says"), rows)
    between = "  " if interactive() else "\t"
    for promise in findings.broken:
        for offence in promise.offences:
            say(between.join(("BROKEN", promise.name, offence.at, one_line(offence.what))))
        if promise.broken > len(promise.offences):
            more = promise.broken - len(promise.offences)
            say(between.join(("BROKEN", promise.name, "…", f"and {more:,} more places")))
    for promise in findings.promises.values():
        for words in promise.unchecked:
            note(f"{promise.name}: {one_line(words)}")


def _figures(promise: Promise) -> str:
    shown = {word: number for word, number in promise.figures.items() if number}
    return ", ".join(f"{number:,} {word.replace('_', ' ')}" for word, number in shown.items()) or "-"


def _read(name: str, read: Mapping[str, Any], states: int) -> None:
    rate = read["records"] / read["seconds"] if read["seconds"] else 0
    size = f"{read['bytes'] / 1e6:,.1f} MB"
    note(
        f"{one_line(name)}: read {plural(read['records'], 'record')} ({size}) and {plural(states, 'checkpoint')} "
        f"in {read['seconds']:.1f} s, {rate:,.0f} a second"
    )
