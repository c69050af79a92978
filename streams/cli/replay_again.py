"""An alert computed again from the log, shown beside the one that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.cli.terminal import Update, counting, json_out, note, say, table
from streams.cli.wording import one_line, plural
from streams.cuts import total
from streams.errors import StateError
from streams.reference_file import reference_from_file
from streams.replay import Found, SentAlert, replay
from streams.replay_compared import Difference, differences, nearest
from streams.replay_start import beginning_of, beginnings, require_held

if TYPE_CHECKING:
    from streams.config import Config
    from streams.kafka.replaying import Recorded

_SHOWN = 70


class _Judged(NamedTuple):
    """An alert that was sent beside the one computed again, if any, and where they differ."""

    sent: SentAlert
    again: Found | None
    unlike: list[Difference]

    @property
    def same(self) -> bool:
        return self.again is not None and not self.unlike


def compute_again(config: Config, held: Recorded, wanted: str, update: Update, *, as_json: bool) -> bool:
    """Show it, or all of an incident's; whether every field of every alert is the same.

    Raises:
        StateError: there is no such alert, or retention has removed what it came from.
    """
    sent = _named(config, held, wanted)
    began = beginning_of(sent[-1].said.cut, beginnings(held.windows))
    start = began.offsets
    stop = {**start, **max((each.said.cut for each in sent), key=lambda cut: total(cut.offsets)).offsets}
    require_held(began, stop, held.logs)
    replayed = replay(
        config,
        held.logs,
        began,
        held.barriers,
        stop,
        reference=reference_from_file(config),
        note=counting(update, sum(stop[key] - start[key] for key in start), "rows"),
    )
    judged = [_judge(each, replayed.alerts) for each in sent]
    same = all(each.same for each in judged)
    read = {"from": start, "to": dict(stop), "predictions": replayed.predictions, "examples": replayed.examples}
    if as_json:
        alerts = [_tree(each) for each in judged]
        json_out(
            {"pipeline": config.name, "same": same, "read": read, "reference": replayed.references, "alerts": alerts}
        )
        return same
    for each in judged:
        _draw(config, each)
    note(
        f"computed from {plural(replayed.predictions, 'prediction')} and {plural(replayed.examples, 'example')}, "
        f"{plural(replayed.windows, 'window')}; read {_spans(start, stop)}"
    )
    if not same:
        note("An alert differs where settings or versions changed since (try --set), or where a topic was written to")
    return same


def _named(config: Config, held: Recorded, wanted: str) -> list[SentAlert]:
    """Alerts whose id begins so, in order; raises StateError for none, or for those of several incidents."""
    named = [each for each in held.alerts if each.said.id.startswith(wanted)]
    incidents = dict.fromkeys(each.said.incident for each in named)
    if not named:
        has = f"{config.topic('alerts')} holds {plural(len(held.alerts), 'alert')}"
        raise StateError(f"could not find alert {wanted!r}: {has}, and `millrace alerts --since all` shows them")
    if len(incidents) > 1:
        raise StateError(f"{wanted!r} must name one incident, got {one_line(', '.join(list(incidents)[:5]))}")
    return named


def _judge(sent: SentAlert, alerts: Sequence[Found]) -> _Judged:
    again = nearest(sent, alerts)
    return _Judged(sent, again, [] if again is None else list(differences(sent.document, again.alert)))


def _tree(judged: _Judged) -> dict[str, Any]:
    return {
        "id": judged.sent.said.id,
        "same": judged.same,
        "sent": judged.sent.document,
        "replayed": None if judged.again is None else judged.again.alert,
        "differences": [{"path": each.path, "sent": each.sent, "replayed": each.replayed} for each in judged.unlike],
    }


def _draw(config: Config, judged: _Judged) -> None:
    said, again = judged.sent.said, judged.again
    if again is None:
        say(f"{one_line(said.id)}: DIFFERS: no {one_line(said.phase)} comes of these settings and this log")
        return
    say(f"{one_line(said.id)}: {'the same' if judged.same else 'DIFFERS'}: {one_line(said.title)}")
    if judged.same:
        return
    topic = config.topic("predictions")
    moved = total(_of(again.alert["cut"]["offsets"], topic)) - total(_of(said.cut.offsets, topic))
    if moved:
        say(f"it comes {plural(abs(moved), 'prediction')} {'later' if moved > 0 else 'earlier'}")
    rows = [(each.path, one_line(each.sent, _SHOWN), one_line(each.replayed, _SHOWN)) for each in judged.unlike]
    table(("field", "sent", "computed again"), rows)


def _of(offsets: dict[str, int], topic: str) -> dict[str, int]:
    return {place: offset for place, offset in offsets.items() if place.rpartition("/")[0] == topic}


def _spans(start: dict[str, int], stop: dict[str, int]) -> str:
    """Offsets of each topic, over all of its partitions."""
    spans: dict[str, int] = {}
    for place, first in start.items():
        topic = place.rpartition("/")[0]
        spans[topic] = spans.get(topic, 0) + stop[place] - first
    return ", ".join(f"{plural(offsets, 'offset')} of {topic}" for topic, offsets in sorted(spans.items()) if offsets)
