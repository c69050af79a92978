"""The alerts that these settings would have sent beside those that were, also with a change that never happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.cli.terminal import Update, counting, json_out, note, say, table
from streams.cli.wording import local_time, one_line, plural
from streams.cuts import between, key_of
from streams.errors import ConfigError
from streams.kafka.replaying import Recorded, inputs_at
from streams.messages import Beginning
from streams.reference_file import reference_from_file
from streams.replay import Found, Replayed, replay
from streams.replay_compared import Incident, incidents, side_by_side
from streams.replay_injection import InjectedLogs
from streams.replay_start import beginning_of, beginnings, inputs_of, require_held

if TYPE_CHECKING:
    from drift.scorecard.injections import Injection
    from streams.cli.replay_asked import Asked
    from streams.config import Config
    from streams.topic_logs import Logs


def show_beside(
    config: Config, held: Recorded, asked: Asked, injection: Injection | None, override: list[str], update: Update,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Show them, an incident a line."""
    began, stop = _bounds(config, held, asked)
    start = began.offsets
    logs: Logs = held.logs
    changes_ms: int | None = None
    if injection is not None:
        update(None, "looking for the rows to change")
        after = config.drift.reference.rows + 1_000 if asked.inject_after is None else asked.inject_after
        changed = InjectedLogs(config, logs, injection, start, stop, after)
        logs, changes_ms = changed, changed.begins_ms
    sent = [each for each in held.alerts if between(start, each.said.cut.offsets, stop)]
    replayed = replay(
        config,
        logs,
        began,
        held.barriers,
        stop,
        reference=reference_from_file(config),
        note=counting(update, sum(stop[key] - start[key] for key in start), "rows"),
    )
    before = [Found(alert=each.document, at_ms=replayed.passed.get(each.said.id, each.said.since_ms)) for each in sent]
    pairs = side_by_side(incidents(before), incidents(replayed.alerts))
    if as_json:
        json_out({
            "pipeline": config.name, "from": start, "to": stop, "settings": override,
            "injection": None if injection is None else {"what": str(injection), "from_ms": changes_ms},
            "predictions": replayed.predictions, "examples": replayed.examples, "windows": replayed.windows,
            "sent": [each.alert for each in before],
            "replayed": [each.alert for each in replayed.alerts],
            "side_by_side": [{"sent": _ids(one), "replayed": _ids(other)} for one, other in pairs],
        })  # fmt: skip
        return
    table(
        ("at", "sent", "with these settings"), [(_when(*pair), _told_in(pair[0]), _told_in(pair[1])) for pair in pairs]
    )
    say()
    say(f"sent: {plural(len(incidents(before)), 'incident')} in {plural(len(before), 'alert')}")
    _summary(
        config, replayed, "" if injection is None or changes_ms is None else _injected(injection, changes_ms, replayed)
    )


def _bounds(config: Config, held: Recorded, asked: Asked) -> tuple[Beginning, dict[str, int]]:
    inputs = inputs_of(config)
    stop = {key_of(place): held.logs.ends[place] for place in inputs}
    if asked.until is not None:
        stop = inputs_at(config, held.logs, asked.until, "--until")
    if asked.start is not None:
        began = Beginning(offsets=inputs_at(config, held.logs, asked.start, "--from"))
    elif held.windows:
        began = beginning_of(held.windows[-1].cut, beginnings(held.windows))
        require_held(began, stop, held.logs)
    else:
        began = Beginning(offsets={key_of(place): held.logs.begins[place] for place in inputs})
    start = began.offsets
    if not between(start, stop, stop) or start == stop:
        raise ConfigError("--from", f"must be before the end, {_places(stop)}, got {_places(start)}")
    return began, stop


def _summary(config: Config, replayed: Replayed, injected: str) -> None:
    say(
        f"with these settings: {plural(len(incidents(replayed.alerts)), 'incident')} in "
        f"{plural(len(replayed.alerts), 'alert')}, over {plural(replayed.predictions, 'prediction')} and "
        f"{plural(replayed.examples, 'example')}"
    )
    if injected:
        say(injected)
    rows = config.drift.reference.rows
    if not replayed.references:
        note(
            f"no reference was complete: it takes {rows:,} predictions; begin earlier, or --set drift.reference.rows=N"
        )
    elif config.drift.reference.file is None:
        note(f"the first {rows:,} predictions are the reference: nothing can be told of them")


def _injected(injection: Injection, from_ms: int, replayed: Replayed) -> str:
    after = [each for each in incidents(replayed.alerts) if each.from_ms >= from_ms]
    found = f"the first incident after it at {local_time(after[0].from_ms)}" if after else "no incident after it"
    return f"injected {injection} ({injection.about}) from {local_time(from_ms)}: {found}"


def _when(one: Incident | None, other: Incident | None) -> str:
    return local_time(min(each.from_ms for each in (one, other) if each is not None))


def _ids(incident: Incident | None) -> list[str] | None:
    return None if incident is None else [each.alert["id"] for each in incident.alerts]


def _told_in(incident: Incident | None) -> str:
    """`warning: 3 features have changed: a, b, c; escalated, recovered 2026-…`."""
    if incident is None:
        return "-"
    last = max(incident.alerts, key=lambda each: len(each.alert.get("subjects", ())))
    later = [str(each.alert["phase"]) for each in incident.alerts if each.alert["phase"] != "started"]
    tail = f"; {', '.join(dict.fromkeys(later))}" if later else "; open"
    return one_line(f"{last.alert.get('severity', '?')}: {last.alert.get('title', '?')}{tail}")


def _places(offsets: Any) -> str:  # noqa: ANN401 - a mapping
    return ", ".join(f"{place} {offset:,}" for place, offset in sorted(offsets.items()))
