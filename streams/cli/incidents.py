"""`millrace incidents`: what is open, who looks after it, and what people ask of the monitor about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.asking import Asking
from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import interactive, json_out, note, say, table
from streams.cli.wording import iso_time, local_time, one_line, plural, span
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.asked import At, IncidentState, Silence
    from streams.config import Config

app = typer.Typer(
    no_args_is_help=False, help="Incidents: what is open, who looks after it; close it, silence what is known."
)

SHOWN = 10
IncidentArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the beginning of it.")]
SubjectsArgument = Annotated[
    list[str], typer.Argument(metavar="FEATURE…", help="Features by name, or `loss` for the model's errors.")
]


@app.callback(
    invoke_without_command=True,
    epilog="Examples:  millrace incidents   |   millrace incidents acknowledge 3f2a --note 'new tariff'   |   "
    "millrace incidents silence amount --until 2d",
)
def incidents(
    context: typer.Context,
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    everything: Annotated[bool, typer.Option("--all", help=f"Not only what is open and the last {SHOWN}.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List incidents, the newest first: whether they are open, what changed, whether it hurts, who looks after them."""
    if context.invoked_subcommand is not None:
        _require_behind(context, context.invoked_subcommand)
        return
    from streams.asked import silences_of

    found, asked = _read(load_config(config, override))
    shown = [each for at, each in enumerate(found) if everything or each.open or at < SHOWN]
    silent = silences_of(asked, int(time.time() * 1000))
    if as_json:
        json_out({"incidents": [_document(each) for each in shown], "silences": [each._asdict() for each in silent]})
        return
    if shown:
        table(
            ("incident", "state", "severity", "since", "what changed", "does it hurt"), [_row(each) for each in shown]
        )
    else:
        note("no incident so far")
    if len(shown) < len(found):
        note(f"{len(shown)} of {plural(len(found), 'incident')}; --all shows them all")
    for each in silent:
        say(f"silent until {local_time(each.until_ms)}: {_silence(each)}")


def _require_behind(context: typer.Context, command: str) -> None:
    """An option before the sub-command is none of the sub-command's: another pipeline would be asked, unawares."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigError(parameter.opts[0], f"must not stand before `{command}`: its options come behind it")


@app.command(epilog="Examples:  millrace incidents acknowledge 3f2a   |   millrace incidents acknowledge 3f2a --by ada")
@spread
def acknowledge(incident: IncidentArgument, asking: Asking) -> None:
    """Say that somebody looks after an open incident: its further alerts name who."""
    _ask_of(asking, "acknowledge", incident)


@app.command(epilog="Examples:  millrace incidents close 3f2a --note 'known release'")
@spread
def close(incident: IncidentArgument, asking: Asking) -> None:
    """End an open incident. What it was about tells nobody until it has been quiet; what was not, opens another.

    If the change is here to stay, `millrace drift rebase` takes it as the new normal.
    """
    _ask_of(asking, "close", incident)


@app.command(
    epilog="Examples:  millrace incidents silence amount country --until 2h   |   "
    "millrace incidents silence loss --until 2026-12-24T18:00:00Z"
)
@spread
def silence(
    subjects: SubjectsArgument,
    asking: Asking,
    until: Annotated[
        str, typer.Option("--until", metavar="2h|TIME", help="How long, or until when (RFC 3339).")
    ] = "24h",
) -> None:
    """Tell nobody of changes of these features for a while; everything else is told as ever.

    What still differs when the time is over is told then. Alarms are counted all the same.
    """
    loaded = asking.load()
    until_ms = _until_ms(until, int(time.time() * 1000))
    names = _subjects(loaded, subjects)
    asking.ask(loaded, "silence", subjects=names, until_ms=until_ms)
    say(f"silent until {local_time(until_ms)}: {', '.join(names)}")


@app.command(epilog="Examples:  millrace incidents unsilence amount")
@spread
def unsilence(subjects: SubjectsArgument, asking: Asking) -> None:
    """End a silence before its time."""
    loaded = asking.load()
    asking.ask(loaded, "unsilence", subjects=_subjects(loaded, subjects))


def _read(config: Config) -> tuple[list[IncidentState], list[At]]:
    """Everything that the two topics hold; foreign records are passed over."""
    from streams.asked import At, incidents_of
    from streams.foreign import read_as
    from streams.kafka.subscribing import Subscription
    from streams.messages import Alert, Instruction

    found: dict[str, list[tuple[int, Any]]] = {"alerts": [], "control": []}
    for role, kind in (("alerts", Alert), ("control", Instruction)):
        with Subscription(config, role) as subscription:
            for record in subscription.since():
                if (said := read_as(record.value, kind)) is not None:
                    found[role].append((record.timestamp, said))
    asked = [At(ms, said) for ms, said in found["control"]]
    return incidents_of(found["alerts"], asked), asked


def _ask_of(asking: Asking, action: str, name: str) -> None:
    """Something of one open incident."""
    from streams.asked import named

    config = asking.load()
    try:
        found = named(_read(config)[0], name)
    except ValueError as error:
        raise ConfigError("ID", str(error)) from None
    if not found.open:
        raise ConfigError(
            "ID", f"must be of an open incident, {one_line(found.alert.incident)} is {one_line(found.words)}"
        )
    asking.ask(config, action, incident=found.alert.incident)


def _subjects(config: Config, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    for name in names:
        if name not in config.features and name != "loss":
            near = get_close_matches(name, [*config.features, "loss"], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError("FEATURE", f"must be one of the pipeline's features or `loss`, got {name!r}{hint}")
    return [f"feature:{name}" if name in config.features else name for name in names]


def _until_ms(text: str, now_ms: int) -> int:
    from streams.moments import moment_ms

    try:
        until_ms = moment_ms(text, now_ms, ahead=True)
    except ValueError as error:
        raise ConfigError("--until", str(error)) from error
    if until_ms <= now_ms:
        raise ConfigError("--until", f"must lie ahead, got {text!r}")
    return until_ms


def _row(each: IncidentState) -> tuple[str, ...]:
    alert = each.alert
    since = f"{local_time(alert.since_ms)}, {span(time.time() * 1000 - alert.since_ms)} ago"
    if not interactive():
        since = iso_time(alert.since_ms)
    words = (alert.incident, each.words, alert.severity, since, alert.title, alert.hurt.words)
    return tuple(one_line(word, 200) for word in words)


def _silence(each: Silence) -> str:
    by = f" (by {one_line(each.by)}{f': {one_line(each.note, 200)}' if each.note else ''})" if each.by else ""
    return one_line(each.subject) + by


def _document(each: IncidentState) -> dict[str, Any]:
    said = each.acknowledged.said if each.acknowledged else None
    return {
        "incident": each.alert.incident,
        "state": each.words,
        "open": each.open,
        "phase": each.alert.phase,
        "severity": each.alert.severity,
        "title": each.alert.title,
        "since_ms": each.alert.since_ms,
        "told_ms": each.told_ms,
        "hurt": each.alert.hurt.words,
        "alerts": each.phases,
        "acknowledged": {"by": said.by, "note": said.note} if said else None,
    }
