"""Where in the log a moment is: when the n-th event and example were, and how far the inputs were read then."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

TIMES_KEPT, OFFSETS_KEPT = 256, 64
"""Marks of each coarseness."""
STEP = 50
"""Events between two marks that know the offsets: there may be many partitions."""
_COARSENESS = (1, 16, 256, 4_096)
"""Every mark, every 16th …: what is long ago is known less sharply, and what is kept does not grow."""


class _Marks:
    """Pairs that never fall, the latest of each coarseness."""

    def __init__(self, kept: int) -> None:
        self.levels: list[deque[tuple[int, Any]]] = [deque(maxlen=kept) for _ in _COARSENESS]
        self.count = 0

    def add(self, at: int, what: Any) -> None:  # noqa: ANN401 - a time, or offsets
        for step, level in zip(_COARSENESS, self.levels, strict=True):
            if self.count % step == 0:
                level.append((at, what))
        self.count += 1

    def before(self, at: int) -> Any:  # noqa: ANN401
        """What the last mark at or before it says, or the earliest one that is kept; there must be one."""
        for level in self.levels:
            if level[0][0] <= at:
                return level[bisect_right(level, at, key=lambda pair: pair[0]) - 1][1]
        return self.levels[-1][0][1]

    def dump(self) -> tuple[int, list[list[tuple[int, Any]]]]:
        return self.count, [list(level) for level in self.levels]

    def restore(self, saved: tuple[int, list[list[tuple[int, Any]]]]) -> None:
        self.count, levels = saved
        for level, pairs in zip(self.levels, levels, strict=True):
            level.clear()
            level.extend((at, what) for at, what in pairs)


class Places:
    """Bounded memory: a moment is found sharply for 256 events, and early by a sixteenth of its age at most after.

    >>> places = Places()
    >>> for number in range(1, 101):
    ...     places.event(number, event_ms=10 * number, offsets=lambda: {"predictions/0": number})
    >>> places.event_ms(70), places.offsets(700)
    (700, {'predictions/0': 50})
    """

    def __init__(self) -> None:
        self._events, self._examples, self._offsets = _Marks(TIMES_KEPT), _Marks(TIMES_KEPT), _Marks(OFFSETS_KEPT)

    def event(self, number: int, event_ms: int, offsets: Callable[[], Mapping[str, int]]) -> None:
        """The n-th event, counting from 1; `offsets` are asked for now and then."""
        self._events.add(number, event_ms)
        if number % STEP == 0 or not self._offsets.count:
            self._offsets.add(event_ms, dict(offsets()))

    def example(self, number: int, event_ms: int) -> None:
        """The n-th example, counting from 1, and when its event was."""
        self._examples.add(number, event_ms)

    def event_ms(self, number: int) -> int:
        """When the n-th event was, or the last one before it that is remembered."""
        return int(self._events.before(number))

    def example_ms(self, number: int) -> int:
        """When the event of the n-th example was."""
        return int(self._examples.before(number))

    def offsets(self, event_ms: int) -> dict[str, int]:
        """By `topic/partition`: how far the inputs were read at that time, or a little before."""
        return dict(self._offsets.before(event_ms)) if self._offsets.count else {}

    def snapshot(self) -> dict[str, Any]:
        """Msgpack-able."""
        return {name: marks.dump() for name, marks in self._named()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from `saved`."""
        for name, marks in self._named():
            marks.restore(saved[name])

    def _named(self) -> tuple[tuple[str, _Marks], ...]:
        return ("events", self._events), ("examples", self._examples), ("offsets", self._offsets)
