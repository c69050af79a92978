"""The monitor's own core over recorded topics: what was told, computed again; or what other settings would tell.

Rows go into `Watch` up to one recorded cut after the other, so that between two cuts exactly the rows stand that stood
there when it happened. Nothing is published and no state is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import msgspec

from drift.reference import Reference
from streams.config import Config
from streams.errors import StateError
from streams.messages import Alert, Cut
from streams.stages.merge import Input, Row
from streams.stages.watch import Watch

Place = tuple[str, int]
"""Topic and partition."""
Offsets = Mapping[str, int]
"""By `topic/partition`, as in a cut."""
_STEP_ROWS = 100
"""Of each input at a time: an alert's time is known to that many rows."""
_BUFFER_ROWS = 1_000


class Logs(Protocol):
    """The pipeline's topics."""

    @property
    def begins(self) -> Mapping[Place, int]:
        """First offset that retention has left."""

    @property
    def ends(self) -> Mapping[Place, int]:
        """Last stable offset."""

    def read(self, place: Place, start: int, stop: int) -> Iterator[Row]:
        """Records of [start, stop) in the order of offsets."""


class Window(msgspec.Struct, frozen=True):
    """What a replay needs of a record of `metrics`."""

    id: str
    window: int
    cut: Cut
    reference: str
    labels: dict[str, Any]


class Sent(msgspec.Struct, frozen=True):
    """What is needed of a record of `alerts`, whichever version wrote it; the rest stays in `document`."""

    id: str
    incident: str
    phase: str
    cut: Cut
    severity: str = ""
    title: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAlert:
    """An alert that was sent."""

    said: Sent
    document: Mapping[str, Any]
    """The record as it is on the topic."""


@dataclass(slots=True, kw_only=True)
class History:
    """One life of the monitor: windows that are numbered from 1; a rebuild begins another."""

    windows: list[Window] = field(default_factory=list)
    first: bool = True
    """Whether nothing was told before it."""


def histories(windows: Iterable[Window]) -> list[History]:
    """Windows in the order of the topic, by the life they belong to; what was said twice counts once."""
    found: list[History] = []
    seen: set[str] = set()
    for window in windows:
        if window.id in seen:
            continue
        seen.add(window.id)
        if not found or window.window <= found[-1].windows[-1].window:
            found.append(History(first=not found))
        found[-1].windows.append(window)
    return found


def history_of(found: Sequence[History], cut: Cut, logs: Logs, config: Config) -> History:
    """The life in which a cut was made; raises StateError where there is none.

    Between the last window of one life and the first of the next either may have told: the later one, if it had begun.
    """
    if not found:
        raise StateError("could not find the windows of that alert: metrics hold none, yet or any more")
    at = total(cut.offsets)
    begun = [place for place, history in enumerate(found) if total(history.windows[0].cut.offsets) <= at]
    place = begun[-1] if begun else 0
    if begun and place + 1 < len(found) and at > total(found[place].windows[-1].cut.offsets):
        start = start_of(found[place + 1], logs, config)
        place += between(start, cut.offsets, found[place + 1].windows[0].cut.offsets)
    return found[place]


def inputs_of(config: Config) -> list[Place]:
    """Everything that the monitor reads."""
    return [(side.topic, side.partition) for side in Watch(config).merge.inputs]


def total(offsets: Offsets) -> int:
    """Orders the cuts of one pipeline."""
    return sum(offsets.values())


def start_of(history: History, logs: Logs, config: Config) -> dict[str, int]:
    """Where a life of the monitor began to read.

    The first began where the logs did. A later one began at their ends of then, which nobody has written down; but its
    first window tells how many predictions and examples it had read, and where.

    Raises:
        StateError: retention has removed what it read, or its first window.
    """
    first = history.windows[0]
    if first.window != 1:
        raise StateError(
            f"could not find where the monitor began: metrics begin with its window {first.window}, "
            "what came before fell off retention"
        )
    counts = {
        "predictions": int(first.labels.get("predictions", 0)),
        "examples": int(first.labels.get("examples", 0)) + int(first.labels.get("corrections", 0)),
    }
    starts: dict[str, int] = {}
    for role, count in counts.items():
        stops = {place: first.cut.offsets[key] for key, place in places_of(config, role, first.cut.offsets)}
        if history.first:
            starts |= {key_of(place): min(logs.begins[place], stop) for place, stop in stops.items()}
            _require_whole(logs, stops, count, role)
        else:
            starts |= _before(logs, stops, count, role)
    for place in inputs_of(config):  # what else is heard
        if (key := key_of(place)) not in starts:
            stop = first.cut.offsets.get(key, logs.begins.get(place, 0))
            starts[key] = min(logs.begins.get(place, 0), stop) if history.first else _since(logs, place, stop, starts)
    return starts


def _since(logs: Logs, place: Place, stop: int, starts: Offsets) -> int:
    """The first row that is not older than the first rows of the others: what was said to an earlier life is done."""
    firsts = ((key.rpartition("/")[0], int(key.rpartition("/")[2])) for key in starts)
    times = [row.timestamp for at in firsts for row in islice(logs.read(at, starts[key_of(at)], logs.ends[at]), 1)]
    earlier = (
        row for row in logs.read(place, logs.begins.get(place, 0), stop) if row.timestamp < min(times, default=0)
    )
    return max((row.offset + 1 for row in earlier), default=logs.begins.get(place, 0))


def places_of(config: Config, role: str, offsets: Offsets) -> list[tuple[str, Place]]:
    """Those of a topic among the keys of a cut."""
    topic = config.topic(role)
    found = [(key, (key.rpartition("/")[0], int(key.rpartition("/")[2]))) for key in sorted(offsets)]
    return [(key, place) for key, place in found if place[0] == topic]


def key_of(place: Place) -> str:
    """As a cut names it."""
    return f"{place[0]}/{place[1]}"


def _require_whole(logs: Logs, stops: Mapping[Place, int], count: int, role: str) -> None:
    """Where a log no longer begins with 0, its rows must still be as many as the first window had read."""
    held = sum(max(0, stop - logs.begins[place]) for place, stop in stops.items())
    if held < count:
        lost = next((place for place in stops if logs.begins[place] > 0), next(iter(stops)))
        raise StateError(
            f"could not replay: {key_of(lost)} begins at offset {logs.begins[lost]:,}, but the monitor had read "
            f"{count:,} {role} by its first window and {held:,} are held: the others fell off retention"
        )


def _before(logs: Logs, stops: Mapping[Place, int], count: int, role: str) -> dict[str, int]:
    """Offsets behind which there are `count` rows up to the stops, the newest in merged order."""
    rows: list[tuple[int, int, int]] = []
    for (topic, partition), stop in stops.items():
        begin = max(logs.begins[topic, partition], stop - count)
        high = 0
        for row in logs.read((topic, partition), begin, stop):
            high = max(high, row.timestamp)
            rows.append((high, partition, row.offset))
    topic = next(iter(stops))[0]
    starts = {key_of(place): stop for place, stop in stops.items()}
    for _, partition, offset in sorted(rows, reverse=True)[:count]:
        starts[f"{topic}/{partition}"] = min(starts[f"{topic}/{partition}"], offset)
    # With its first held row needed, those before it may have been as well.
    torn = [place for place in stops if 0 < logs.begins[place] == starts[key_of(place)] < stops[place]]
    if len(rows) < count or torn:
        lost = key_of(torn[0]) if torn else topic
        raise StateError(
            f"could not replay: {lost} must hold all of the {count:,} {role} that the monitor had read by its first "
            "window, some of them fell off retention"
        )
    return starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An alert of a replay, or one that was sent, and when in the stream it was."""

    alert: Mapping[str, Any]
    """As it is on the wire."""
    at_ms: int


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What came of a replay."""

    alerts: list[Found] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    """Stream time at each barrier, by its name."""
    predictions: int = 0
    examples: int = 0
    references: list[str] = field(default_factory=list)
    """Digests."""
    windows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """A recorded cut, in whose order rows are taken."""

    name: str
    offsets: Offsets


def replay(
    config: Config,
    logs: Logs,
    start: Offsets,
    barriers: Iterable[Barrier],
    stop: Offsets,
    *,
    reference: Reference | None = None,
    note: Callable[[int], None] = lambda _rows: None,
) -> Replayed:
    """Run the monitor's core from `start` to `stop`, which is exclusive.

    Args:
        config: Whose settings decide.
        logs: What is read.
        start: Of every input.
        barriers: Cuts in any order; those that are not between start and stop are passed over.
        stop: Of every input.
        reference: The one of `drift.reference.file`, None to collect it.
        note: Told the number of rows so far.
    """
    watch = Watch(config, {"next": dict(start), "high_ms": {}}, reference)
    inside = [each for each in barriers if between(start, each.offsets, stop)]
    ordered = sorted(inside, key=lambda each: total(each.offsets))
    sources = {
        key_of((side.topic, side.partition)): logs.read((side.topic, side.partition), side.next, _end(side, stop))
        for side in watch.merge.inputs
    }
    found = Replayed(references=[reference.digest] if reference else [])
    feeding = _Feeding(watch, sources, found, note)
    reached: Offsets = start
    for barrier in ordered:
        if between(reached, barrier.offsets, stop):  # of another life, or of other settings' windows
            feeding.upto(barrier.offsets)
            reached = {**reached, **barrier.offsets}
            found.passed[barrier.name] = feeding.now_ms
    feeding.upto(stop)
    return found


def between(start: Offsets, offsets: Offsets, stop: Offsets) -> bool:
    """Whether a cut lies between two others, in every input."""
    if not any(key in offsets for key in start):
        return False
    # An older cut may lack an input that is heard by now.
    return all(start[key] <= offsets.get(key, start[key]) <= stop[key] for key in start)


def _of(side: Input) -> str:
    return f"{side.topic}/{side.partition}"


def _end(side: Input, offsets: Offsets) -> int:
    """Where a cut stands in one input; of one that it does not name, nothing was read."""
    return offsets.get(_of(side), side.next)


class _Feeding:
    """Rows from the logs into the watch, some at a time."""

    def __init__(
        self, watch: Watch, sources: Mapping[str, Iterator[Row]], found: Replayed, note: Callable[[int], None]
    ) -> None:
        self._watch, self._sources, self._found, self._note = watch, sources, found, note
        self._ahead: dict[str, Row | None] = {key: next(source, None) for key, source in sources.items()}
        self._rows = 0

    @property
    def now_ms(self) -> int:
        """Stream time."""
        return max(self._watch.merge.watermarks().values(), default=0)

    def upto(self, offsets: Offsets) -> None:
        """Take every row below these."""
        for side in self._watch.merge.inputs:
            side.end = _end(side, offsets)
        while True:
            fed = [self._fill(side, _end(side, offsets)) for side in self._watch.merge.inputs]
            seen = self._watch.step(_STEP_ROWS)
            if seen is None:
                if not any(fed):
                    return
                continue
            self._rows += seen.rows
            self._note(self._rows)
            self._take(seen)

    def _fill(self, side: Input, stop: int) -> bool:
        if side.buffered >= _STEP_ROWS or side.read >= stop:
            return False
        key, rows = _of(side), list[Row]()
        while len(rows) < _BUFFER_ROWS and (row := self._ahead[key]) is not None and row.offset < stop:
            rows.append(row)
            self._ahead[key] = next(self._sources[key], None)
        ahead = self._ahead[key]
        more = ahead is not None and ahead.offset < stop
        side.feed(side.read, rows[-1].offset + 1 if more and rows else stop, rows)
        return True

    def _take(self, seen: Any) -> None:  # noqa: ANN401 - `Seen`
        found = self._found
        found.alerts += [Found(alert=document(alert), at_ms=self.now_ms) for alert in seen.alerts]
        found.references += [reference.digest for reference in seen.references]
        found.windows += len(seen.metrics)
        counts = self._watch.delays.counts
        found.predictions, found.examples = counts["predictions"], counts["examples"]


def document(alert: Alert) -> dict[str, Any]:
    """As it would be on the topic."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(alert))
    return plain
