"""Where a life of the monitor began to read, found in what it has told: nobody has written it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from streams.config import Config
from streams.cuts import Offsets, between, key_of, place_of, places_of, total
from streams.errors import StateError
from streams.messages import Cut
from streams.stages.watch import Watch
from streams.topic_logs import Logs, Place


class Window(msgspec.Struct, frozen=True):
    """What a replay needs of a record of `metrics`."""

    id: str
    window: int
    cut: Cut
    reference: str
    labels: dict[str, Any]


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
    firsts = ((place_of(key), start) for key, start in starts.items())
    times = [row.timestamp for at, start in firsts for row in islice(logs.read(at, start, logs.ends[at]), 1)]
    earlier = (
        row for row in logs.read(place, logs.begins.get(place, 0), stop) if row.timestamp < min(times, default=0)
    )
    return max((row.offset + 1 for row in earlier), default=logs.begins.get(place, 0))


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
