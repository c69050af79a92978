"""Where a life of the monitor began to read: the cuts up to its first window say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from streams.config import Config
from streams.cuts import Offsets, between, place_of, total
from streams.errors import StateError
from streams.messages import Beginning, Cut
from streams.stages.hearing import inputs
from streams.topic_logs import Logs, Place


class Window(msgspec.Struct, frozen=True):
    """What a replay needs of a record of `metrics`."""

    id: str
    window: int
    cut: Cut


def beginnings(windows: Iterable[Window]) -> list[Beginning | None]:
    """Of each life whose windows these are, in the order of the topic: they are numbered from 1, a rebuild begins anew.

    None for a first life whose first windows are not held any more.
    """
    found: list[Beginning | None] = []
    last, seen = 0, set[str]()
    for window in windows:
        if window.id in seen:  # told twice, after a crash
            continue
        seen.add(window.id)
        if not found or window.window <= last:
            found.append(window.cut.began)
        last = window.window
    return found


def beginning_of(cut: Cut, lives: Sequence[Beginning | None]) -> Beginning:
    """Of the life in which a cut was made.

    Raises:
        StateError: nobody says it any more.
    """
    if cut.began is not None:
        return cut.began
    known = [each for each in lives if each is None or _is_behind(cut.offsets, each.offsets)]
    if not known:
        raise StateError("could not find the windows of that alert: metrics hold none, yet or any more")
    if known[-1] is None:
        raise StateError("could not find where the monitor began: its first window fell off the retention of metrics")
    return known[-1]


def _is_behind(offsets: Offsets, start: Offsets) -> bool:
    return between(start, offsets, offsets) and total(offsets) > total(start)


def require_held(began: Beginning, stop: Offsets, logs: Logs) -> None:
    """Raises StateError where retention has removed rows that were read before `stop`."""
    for key, first in began.offsets.items():
        begins = logs.begins.get(place_of(key), 0)
        if first < begins and first < stop.get(key, first):
            raise StateError(
                f"could not replay: {key} begins at offset {begins:,}, but the monitor had read it from {first:,} on: "
                "the others fell off retention"
            )


def inputs_of(config: Config) -> list[Place]:
    """Everything that the monitor reads."""
    return [(side.topic, side.partition) for side in inputs(config)]
