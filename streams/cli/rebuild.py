"""`millrace rebuild`: begin state anew from the logs, or go on where part of a log is gone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import interactive, note, say, table, warn
from streams.cli.wording import one_line
from streams.errors import ConfigError, StateError

if TYPE_CHECKING:
    from streams.rebuild import Part, Plan

app = typer.Typer(no_args_is_help=False)

_GROUPS = {"tasks": "worker", "shards": "worker", "monitor": "monitor"}


@app.command(epilog="Examples:  millrace rebuild   |   millrace rebuild --monitor   |   millrace rebuild --accept-gap")
def rebuild(
    config: ConfigOption = CONFIG,
    tasks: Annotated[bool, typer.Option("--tasks", help="Fold features and labels anew.")] = False,
    shards: Annotated[bool, typer.Option("--shards", help="Learn the models anew from all examples held.")] = False,
    monitor: Annotated[bool, typer.Option("--monitor", help="Begin a new history of windows and incidents.")] = False,
    accept_gap: Annotated[
        bool,
        typer.Option(
            "--accept-gap", help="Go on without what fell off retention; alone: keep all state, move positions."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even while a worker or monitor is alive.")] = False,
    override: SetOption = None,
) -> None:
    """Delete checkpoints and write first ones, from which worker and monitor fold the logs anew when they start.

    Without options: tasks, shards and monitor. Logged predictions are used as they stand and nothing is learnt twice;
    the models are then what the examples teach. The monitor keeps nothing: it takes a new reference from what comes
    next, and an incident that is open ends without a word. A gap is recorded in the state's ledger, in the log, and
    for ever below objects/gaps of the store: `millrace status` shows it.
    """
    from streams.cli.logs import set_up_logs
    from streams.kafka.admin import Admin
    from streams.kafka.rebuild_survey import groups_alive, survey
    from streams.kafka.rebuilding import perform
    from streams.rebuild import PARTS, plan
    from streams.state.from_config import open_store

    set_up_logs(level="warning")
    loaded = load_config(config, override)
    chosen: list[Part] = [part for part, wanted in zip(PARTS, (tasks, shards, monitor), strict=True) if wanted]
    anew = chosen or ([] if accept_gap else list(PARTS))
    with Admin(loaded) as admin:
        roles = sorted({_GROUPS[part] for part in anew or PARTS})
        if (alive := groups_alive(loaded, admin, roles)) and not force:
            raise StateError(
                f"no worker or monitor must run, got {' and '.join(alive)}: stop them first (one that was killed "
                f"counts for {loaded.kafka.session_timeout_ms / 1000:g} s more); --force does it all the same"
            )
        store = open_store(loaded)
        logs, identity, known = survey(loaded, admin, store)
        decided = plan(loaded, logs, known, anew, accept_gap=accept_gap)
        for there in known.values():
            if there.problem:
                warn(f"{there.name}: {one_line(there.problem)}")
        if decided.refusals:
            raise StateError("\n".join(["could not rebuild:", *decided.refusals]))
        if not decided.steps:
            note("nothing to do: every position is still held by its log")
            return
        _show(decided)
        if not yes:
            _ask()
        for line in perform(loaded, store, identity, logs, decided):
            say(line)


def _show(decided: Plan) -> None:
    table(
        ("state", "what", "from", "checkpoints deleted"),
        [
            (
                step.name,
                _what(step.part, anew=step.anew),
                "  ".join(f"{place} {offset:,}" for place, offset in sorted(step.offsets.items())),
                step.drops or "-",
            )
            for step in decided.steps
        ],
    )
    for step, gap in decided.gaps:
        warn(f"{step.name} goes on without {gap}: {gap.stop - gap.start:,} offsets")


def _what(part: Part, *, anew: bool) -> str:
    if not anew:
        return "keep, move positions"
    return {"tasks": "fold anew", "shards": "learn anew", "monitor": "new history"}[part]


def _ask() -> None:
    if not (interactive() and sys.stdin.isatty()):
        raise ConfigError("--yes", "must be given where nobody can be asked")
    if not typer.confirm("Do it?", err=True):
        raise typer.Abort
