"""Where in the `examples` log a moment is: a bounded index from record time to offset, per partition.

Only the log itself knows its offsets exactly, and a core may not ask it. So marks are kept as examples
pass by; when there are too many, every second one is dropped. A moment is then found up to one stride early,
never late: a range that starts a little before the change still holds all of it.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARKS_MAX = 1_024
"""Marks kept per partition: 24 bytes each on the wire, and a stride of 0.2 % of the log at worst."""


@dataclass(slots=True)
class _Partition:
    """Marks of one partition, three equally long columns that never fall."""

    times_ms: list[int]
    offsets: list[int]
    rows: list[int]
    """Examples before the mark."""
    rows_seen: int = 0
    end: int = 0
    """One above the last offset seen."""
    time_ms_max: int = 0
    stride: int = 1
    """Rows between two marks."""

    def at(self, event_ms: int) -> int:
        """Position of the mark that holds everything from `event_ms` on; beyond the last one if there is nothing."""
        if self.time_ms_max < event_ms:
            return len(self.offsets)
        position = bisect.bisect_left(self.times_ms, event_ms)
        # Rows between two marks may be from `event_ms` on already: with a stride, start one mark earlier.
        return position if self.stride == 1 else max(position - 1, 0)

    def plain(self) -> dict[str, Any]:
        """Every field, lists copied; `asdict` looks at each of their numbers."""
        lists = {"times_ms": self.times_ms[:], "offsets": self.offsets[:], "rows": self.rows[:]}
        return {name: getattr(self, name) for name in self.__slots__} | lists

    def rows_from(self, position: int) -> int:
        """Examples from a mark to the end."""
        return self.rows_seen - self.rows[position] if position < len(self.rows) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of one partition."""

    start: int
    """First offset."""
    end: int
    """Last offset + 1."""
    rows: int
    """Examples in it; fewer than offsets, where transactions leave markers."""


class ExampleIndex:
    """Record times and offsets of examples, in memory that does not grow.

    >>> index = ExampleIndex()
    >>> for row in range(100):
    ...     index.observe("shop.examples/0", offset=row, event_ms=row * 10)
    >>> index.since(500)
    {'shop.examples/0': Span(start=50, end=100, rows=50)}
    """

    def __init__(self, marks_max: int = MARKS_MAX) -> None:
        if marks_max < 2:  # noqa: PLR2004 - halving must leave one
            raise ValueError(f"marks_max must be at least 2, got {marks_max!r}")
        self._marks_max = marks_max
        self._partitions: dict[str, _Partition] = {}

    def observe(self, partition: str, *, offset: int, event_ms: int) -> None:
        """An example passes by, in the order of its partition; offsets seen before are ignored.

        Args:
            partition: `topic/partition`.
            offset: Its offset there.
            event_ms: Its record time. One that lies before its predecessor's counts as its predecessor's.
        """
        marks = self._partitions.setdefault(partition, _Partition([], [], []))
        if offset < marks.end:
            return
        marks.time_ms_max = max(marks.time_ms_max, event_ms)
        if marks.rows_seen % marks.stride == 0:
            marks.times_ms.append(marks.time_ms_max)
            marks.offsets.append(offset)
            marks.rows.append(marks.rows_seen)
            if len(marks.offsets) > self._marks_max:
                for column in (marks.times_ms, marks.offsets, marks.rows):
                    del column[1::2]
                marks.stride *= 2
        marks.rows_seen += 1
        marks.end = offset + 1

    def since(self, event_ms: int) -> dict[str, Span]:
        """Per partition everything from `event_ms` on, and up to one stride before it; empty partitions are absent."""
        spans = {}
        for partition, marks in sorted(self._partitions.items()):
            position = marks.at(event_ms)
            if position < len(marks.offsets):
                spans[partition] = Span(start=marks.offsets[position], end=marks.end, rows=marks.rows_from(position))
        return spans

    def trailing(self, rows: int) -> dict[str, Span]:
        """The shortest latest stretch of time with at least `rows` examples over all partitions, or all there are."""
        times = sorted({time_ms for marks in self._partitions.values() for time_ms in marks.times_ms})
        # `since` only grows towards the past: find the latest time that has enough.
        position = bisect.bisect_left(range(len(times)), 1, key=lambda back: self._rows_since(times[-1 - back]) >= rows)
        return self.since(times[-1 - min(position, len(times) - 1)]) if times else {}

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes; a copy."""
        return {partition: marks.plain() for partition, marks in sorted(self._partitions.items())}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        columns = ("times_ms", "offsets", "rows")
        self._partitions = {
            partition: _Partition(**{**marks, **{name: list(marks[name]) for name in columns}})
            for partition, marks in snapshot.items()
        }

    def _rows_since(self, event_ms: int) -> int:
        return sum(span.rows for span in self.since(event_ms).values())
