"""`millrace incidents`: what is open, who looks after it, and what people ask of the monitor about it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import interactive, json_out, note, say, table
from streams.cli.wording import iso_time, local_time, one_line, plural, span
from streams.durations import parse_duration_ms
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.asked import At, IncidentState, Silence
    from streams.config import Config

app = typer.Typer(
    no_args_is_help=False, help="Incidents: what is open, who looks after it; close it, silence what is known."
)

SHOWN = 10
IncidentArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the beginning of it.")]
ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who asks; your login name by default.")]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for others to read.")]
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


@app.command(epilog="Examples:  millrace incidents acknowledge 3f2a   |   millrace incidents acknowledge 3f2a --by ada")
def acknowledge(
    incident: IncidentArgument,
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    by: ByOption = None,
    why: NoteOption = "",
) -> None:
    """Say that somebody looks after an open incident: its further alerts name who."""
    loaded = load_config(config, override)
    found = _open(loaded, incident)
    _ask(loaded, "acknowledge", by, why, incident=found.alert.incident)


@app.command(epilog="Examples:  millrace incidents close 3f2a --note 'known release'")
def close(
    incident: IncidentArgument,
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    by: ByOption = None,
    why: NoteOption = "",
) -> None:
    """End an open incident. What it was about tells nobody until it has been quiet; what was not, opens another.

    If the change is here to stay, `millrace drift rebase` takes it as the new normal.
    """
    loaded = load_config(config, override)
    found = _open(loaded, incident)
    _ask(loaded, "close", by, why, incident=found.alert.incident)


@app.command(
    epilog="Examples:  millrace incidents silence amount country --until 2h   |   "
    "millrace incidents silence loss --until 2026-12-24T18:00:00Z"
)
def silence(
    subjects: SubjectsArgument,
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    until: Annotated[
        str, typer.Option("--until", metavar="2h|TIME", help="How long, or until when (RFC 3339).")
    ] = "24h",
    by: ByOption = None,
    why: NoteOption = "",
) -> None:
    """Tell nobody of changes of these features for a while; everything else is told as ever.

    What still differs when the time is over is told then. Alarms are counted all the same.
    """
    loaded = load_config(config, override)
    until_ms = _until_ms(until, int(time.time() * 1000))
    names = _subjects(loaded, subjects)
    _ask(loaded, "silence", by, why, subjects=names, until_ms=until_ms)
    say(f"silent until {local_time(until_ms)}: {', '.join(names)}")


@app.command(epilog="Examples:  millrace incidents unsilence amount")
def unsilence(
    subjects: SubjectsArgument,
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    by: ByOption = None,
    why: NoteOption = "",
) -> None:
    """End a silence before its time."""
    loaded = load_config(config, override)
    _ask(loaded, "unsilence", by, why, subjects=_subjects(loaded, subjects))


def _read(config: Config) -> tuple[list[IncidentState], list[At]]:
    """Everything that the two topics hold; foreign records are passed over."""
    import msgspec

    from streams.asked import At, incidents_of
    from streams.kafka.subscribing import Subscription
    from streams.messages import Alert, Instruction

    found: dict[str, list[tuple[int, Any]]] = {"alerts": [], "control": []}
    for role, kind in (("alerts", Alert), ("control", Instruction)):
        read = msgspec.json.Decoder(kind).decode
        with Subscription(config, role) as subscription:
            for record in subscription.since():
                try:
                    found[role].append((record.timestamp, read(record.value or b"")))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    continue
    asked = [At(ms, said) for ms, said in found["control"]]
    return incidents_of(found["alerts"], asked), asked


def _open(config: Config, name: str) -> IncidentState:
    from streams.asked import named

    try:
        found = named(_read(config)[0], name)
    except ValueError as error:
        raise ConfigError("ID", str(error)) from None
    if not found.open:
        raise ConfigError("ID", f"must be of an open incident, {found.alert.incident} is {found.words}")
    return found


def _ask(config: Config, action: Any, by: str | None, why: str, **fields: Any) -> None:  # noqa: ANN401 - the message's
    from streams.kafka.asking import ask

    said = ask(config, action, by, why, **fields)
    note(f"asked as {one_line(said.by)}; the monitor does it as soon as it reads {config.topic('control')}")


def _subjects(config: Config, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    for name in names:
        if name not in config.features and name != "loss":
            near = get_close_matches(name, [*config.features, "loss"], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError("FEATURE", f"must be one of the pipeline's features or `loss`, got {name!r}{hint}")
    return [f"feature:{name}" if name in config.features else name for name in names]


def _until_ms(text: str, now_ms: int) -> int:
    try:
        return now_ms + parse_duration_ms(text)
    except ValueError:
        pass
    try:
        until_ms = round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            "--until", f"must be a duration such as 2h or a time such as 2026-12-24T18:00Z, got {text!r}"
        ) from None
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
