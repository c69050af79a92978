"""`millrace replay`: an alert computed again from the log, or the alerts that other settings would have sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.option_lists import spread
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import Update, json_out, note, progress, say, table
from streams.cli.wording import local_time, one_line, plural
from streams.errors import ConfigError, StateError

if TYPE_CHECKING:
    from drift.scorecard.injections import Injection
    from streams.config import Config
    from streams.kafka.replaying import Recorded
    from streams.replay import Found, Replayed, SentAlert
    from streams.replay_compared import Difference, Incident

app = typer.Typer(no_args_is_help=False)
_SHOWN = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which alert, or which stretch with which change."""

    alert: Annotated[
        str | None,
        typer.Option(
            "--alert", metavar="ID", help="Compute this alert again, or all of an incident; a beginning is enough."
        ),
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="OFFSET|TIME", help="Begin here, with a new reference. Default: where the monitor did."
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="OFFSET|TIME", help="End here. Default: the end of the topics.")
    ] = None
    inject: Annotated[
        str | None,
        typer.Option("--inject", metavar="KIND:FEATURE:SIZE", help="A known change, such as shift:amount:0.5."),
    ] = None
    inject_after: Annotated[
        int | None,
        typer.Option(
            "--inject-after", metavar="N", min=1, help="Predictions before it. Default: the reference and 1,000."
        ),
    ] = None


@app.command(
    epilog="Examples:  millrace replay --alert 2b0a   |   millrace replay --from 2026-11-01T00:00:00Z "
    "--set 'drift.false_alarms=1 per week'   |   millrace replay --inject shift:amount:0.5"
)
@spread
def replay(
    asked: Asked,
    config: ConfigOption = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
    override: SetOption = None,
) -> None:
    """Run the monitor's own code over the recorded topics; nothing is sent and nothing is kept.

    With --alert: compute an alert again from the log, from where the monitor's history began, and compare every field.
    Exit code 0 when all are the same, 1 when one is not, with what differs.

    Without: what these settings would have sent beside what was sent. --set tries other settings, --inject a change
    that never happened: KIND is shift or scale (of a number, in robust standard deviations or as a factor), missing,
    birth, death (shares), correlation (of two features, a+b) or swap (of labels); :gradual or :recurring may follow.
    """
    from streams.kafka.replaying import recorded

    loaded = load_config(config, override)
    injection = _checked(asked, loaded)
    with progress("reading") as update, recorded(loaded, lambda records: update(None, f"{records:,} records")) as found:
        if asked.alert is not None:
            same = _again(loaded, found, asked.alert, update, as_json=as_json)
        else:
            same = True
            _beside(loaded, found, asked, injection, override or [], update, as_json=as_json)
    raise typer.Exit(0 if same else 1)


def _checked(asked: Asked, config: Config) -> Injection | None:
    if asked.alert is not None and (asked.start or asked.until or asked.inject or asked.inject_after):
        raise ConfigError("--alert", "must come without --from, --until and --inject: it begins where the monitor did")
    if asked.inject is None:
        if asked.inject_after is not None:
            raise ConfigError("--inject-after", "must come with --inject")
        return None
    from drift.scorecard.injections import Injection

    try:
        injection = Injection.parse(asked.inject)
        injection.check(config.features.items())
    except ValueError as error:
        raise ConfigError("--inject", str(error)) from error
    return injection


# -- an alert again ------------------------------------------------------------------------------------------------


def _again(config: Config, found: Recorded, wanted: str, update: Update, *, as_json: bool) -> bool:
    from streams.reference_file import reference_from_file
    from streams.replay import Barrier, histories, history_of, replay, start_of, total
    from streams.replay_compared import differences, nearest

    sent = _named(config, found, wanted)
    lives = histories(found.windows)
    history = history_of(lives, sent[-1].said.cut, found.logs, config)
    start = start_of(history, found.logs, config)
    stop = {**start, **max((each.said.cut for each in sent), key=lambda cut: total(cut.offsets)).offsets}
    barriers = [Barrier(name=each.id, offsets=each.cut.offsets) for each in history.windows]
    barriers += [Barrier(name=each.said.id, offsets=each.said.cut.offsets) for each in found.alerts]
    replayed = replay(
        config,
        found.logs,
        start,
        barriers,
        stop,
        reference=reference_from_file(config),
        note=_told(update, start, stop),
    )
    judged: list[tuple[SentAlert, Found | None, list[Difference]]] = []
    for each in sent:
        again = nearest(each, replayed.alerts)
        unlike = [] if again is None else list(differences(each.document, again.alert))
        judged.append((each, again, unlike))
    same = all(again is not None and not unlike for _, again, unlike in judged)
    read = {"from": start, "to": dict(stop), "predictions": replayed.predictions, "examples": replayed.examples}
    if as_json:
        alerts = [_judged_tree(one, again, unlike) for one, again, unlike in judged]
        json_out(
            {"pipeline": config.name, "same": same, "read": read, "reference": replayed.references, "alerts": alerts}
        )
        return same
    for one, again, unlike in judged:
        _draw_judged(config, one, again, unlike)
    note(
        f"computed from {plural(replayed.predictions, 'prediction')} and {plural(replayed.examples, 'example')}, "
        f"{plural(replayed.windows, 'window')}; read {_spans(start, stop)}"
    )
    if not same:
        note(
            "An alert differs where settings or versions changed since (try --set), or where rows of several "
            "partitions stored within a tenth of a second were read in another order between two windows"
        )
    return same


def _named(config: Config, found: Recorded, wanted: str) -> list[SentAlert]:
    """Alerts whose id begins so, in order; raises StateError for none, or for those of several incidents."""
    named = [each for each in found.alerts if each.said.id.startswith(wanted)]
    incidents = dict.fromkeys(each.said.incident for each in named)
    if not named:
        held = f"{config.topic('alerts')} holds {plural(len(found.alerts), 'alert')}"
        raise StateError(f"could not find alert {wanted!r}: {held}, and `millrace alerts --since all` shows them")
    if len(incidents) > 1:
        raise StateError(f"{wanted!r} must name one incident, got {', '.join(list(incidents)[:5])}")
    return named


def _judged_tree(sent: SentAlert, again: Found | None, unlike: list[Difference]) -> dict[str, Any]:
    return {
        "id": sent.said.id,
        "same": again is not None and not unlike,
        "sent": sent.document,
        "replayed": None if again is None else again.alert,
        "differences": [{"path": each.path, "sent": each.sent, "replayed": each.replayed} for each in unlike],
    }


def _draw_judged(config: Config, sent: SentAlert, again: Found | None, unlike: list[Difference]) -> None:
    from streams.replay import total

    if again is None:
        say(f"{one_line(sent.said.id)}: DIFFERS: no {one_line(sent.said.phase)} comes of these settings and this log")
        return
    say(f"{one_line(sent.said.id)}: {'DIFFERS' if unlike else 'the same'}: {one_line(sent.said.title)}")
    if not unlike:
        return
    topic = config.topic("predictions")
    moved = total(_of(again.alert["cut"]["offsets"], topic)) - total(_of(sent.said.cut.offsets, topic))
    if moved:
        say(f"it comes {plural(abs(moved), 'prediction')} {'later' if moved > 0 else 'earlier'}")
    rows = [(each.path, one_line(each.sent, _SHOWN), one_line(each.replayed, _SHOWN)) for each in unlike]
    table(("field", "sent", "computed again"), rows)


def _of(offsets: dict[str, int], topic: str) -> dict[str, int]:
    return {place: offset for place, offset in offsets.items() if place.rpartition("/")[0] == topic}


# -- side by side --------------------------------------------------------------------------------------------------


def _beside(
    config: Config, found: Recorded, asked: Asked, injection: Injection | None, override: list[str], update: Update,
    *, as_json: bool,
) -> None:  # fmt: skip
    from streams.reference_file import reference_from_file
    from streams.replay import Barrier, Logs, between, replay
    from streams.replay import Found as At
    from streams.replay_compared import incidents, side_by_side
    from streams.replay_injection import InjectedLogs

    start, stop = _bounds(config, found, asked)
    logs: Logs = found.logs
    changes_ms: int | None = None
    if injection is not None:
        update(None, "looking for the rows to change")
        after = config.drift.reference.rows + 1_000 if asked.inject_after is None else asked.inject_after
        changed = InjectedLogs(config, logs, injection, start, stop, after)
        logs, changes_ms = changed, changed.begins_ms
    barriers = [Barrier(name=each.id, offsets=each.cut.offsets) for each in found.windows]
    sent = [each for each in found.alerts if between(start, each.said.cut.offsets, stop)]
    barriers += [Barrier(name=each.said.id, offsets=each.said.cut.offsets) for each in sent]
    replayed = replay(
        config, logs, start, barriers, stop, reference=reference_from_file(config), note=_told(update, start, stop)
    )
    before = [At(alert=each.document, at_ms=replayed.passed.get(each.said.id, each.said.since_ms)) for each in sent]
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
    _summary(config, replayed, len(incidents(before)), len(before), injection, changes_ms)


def _bounds(config: Config, found: Recorded, asked: Asked) -> tuple[dict[str, int], dict[str, int]]:
    from streams.kafka.replaying import inputs_at
    from streams.replay import between, histories, inputs_of, key_of, start_of

    inputs = inputs_of(config)
    stop = {key_of(place): found.logs.ends[place] for place in inputs}
    if asked.until is not None:
        stop = inputs_at(config, found.logs, asked.until)
    lives = histories(found.windows)
    if asked.start is not None:
        start = inputs_at(config, found.logs, asked.start)
    elif lives:
        start = start_of(lives[-1], found.logs, config)
    else:
        start = {key_of(place): found.logs.begins[place] for place in inputs}
    if not between(start, stop, stop) or start == stop:
        raise ConfigError("--from", f"must be before the end, {_places(stop)}, got {_places(start)}")
    return start, stop


def _summary(
    config: Config, replayed: Replayed, incidents: int, alerts: int, injection: Injection | None, changes_ms: int | None
) -> None:
    from streams.replay_compared import incidents as grouped

    now = grouped(replayed.alerts)
    say()
    say(f"sent: {plural(incidents, 'incident')} in {plural(alerts, 'alert')}")
    say(
        f"with these settings: {plural(len(now), 'incident')} in {plural(len(replayed.alerts), 'alert')}, "
        f"over {plural(replayed.predictions, 'prediction')} and {plural(replayed.examples, 'example')}"
    )
    if injection is not None and changes_ms is not None:
        after = [each for each in now if each.from_ms >= changes_ms]
        found = f"the first incident after it at {local_time(after[0].from_ms)}" if after else "no incident after it"
        say(f"injected {injection} ({injection.about}) from {local_time(changes_ms)}: {found}")
    if not replayed.references:
        rows = config.drift.reference.rows
        note(
            f"no reference was complete: it takes {rows:,} predictions; begin earlier, or --set drift.reference.rows=N"
        )
    elif config.drift.reference.file is None:
        note(f"the first {config.drift.reference.rows:,} predictions are the reference: nothing can be told of them")


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


def _told(update: Update, start: dict[str, int], stop: Any) -> Any:  # noqa: ANN401 - a callback
    rows = max(1, sum(stop[key] - start[key] for key in start))

    def told(done: int) -> None:
        update(min(1.0, done / rows), f"{done:,} rows")

    return told


def _spans(start: dict[str, int], stop: dict[str, int]) -> str:
    """Offsets of each topic, over all of its partitions."""
    spans: dict[str, int] = {}
    for place, first in start.items():
        topic = place.rpartition("/")[0]
        spans[topic] = spans.get(topic, 0) + stop[place] - first
    return ", ".join(f"{plural(offsets, 'offset')} of {topic}" for topic, offsets in sorted(spans.items()) if offsets)


def _places(offsets: Any) -> str:  # noqa: ANN401 - a mapping
    return ", ".join(f"{place} {offset:,}" for place, offset in sorted(offsets.items()))
