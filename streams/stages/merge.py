"""The order in which a stage reads its inputs: by record timestamp, events before labels, partition, offset.

A row is handed out only when no input can still bring an earlier one: an input that has nothing buffered and has not
reached its end (the last stable offset; unknown means not reached) holds the others back. Without that wait a restart
on a backlog reads tens of thousands of labels before their events.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

_new = tuple.__new__  # half the price of Turn(...): this runs for every row


class Row(Protocol):
    """A record as the broker gave it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Record time, ms since the epoch."""

    @property
    def key(self) -> bytes | None:
        """None for a record without a key."""

    @property
    def value(self) -> bytes | None:
        """None for a tombstone."""


class Turn(NamedTuple):
    """One row when its turn has come; turns sort into the merged order."""

    ms: int
    """The row's timestamp, or the highest before it in its partition: a producer's clock never reorders a partition."""
    rank: int
    partition: int
    offset: int
    row: Row


class Input:
    """One partition as read so far: rows that wait for their turn, and the positions that matter.

    Control records and compacted offsets move `read` without a row, hence chunks come with their own start and stop.
    """

    __slots__ = ("before", "end", "high_ms", "partition", "rank", "read", "rows", "topic", "used")

    def __init__(self, topic: str, partition: int, rank: int, position: int, high_ms: int = 0) -> None:
        self.topic, self.partition, self.rank = topic, partition, rank
        self.rows: Sequence[Row] = ()
        self.used = 0
        self.read = position
        self.end: int | None = None
        self.high_ms = high_ms
        self.before = 0, high_ms
        """`used` and `high_ms` as they were before the last rows were handed out."""

    @property
    def next(self) -> int:
        """Offset of the first row not handed out."""
        return self.rows[self.used].offset if self.used < len(self.rows) else self.read

    @property
    def buffered(self) -> int:
        """Rows that wait for their turn."""
        return len(self.rows) - self.used

    def feed(self, start: int, stop: int, rows: Sequence[Row]) -> bool:
        """Take what a fetch brought: offsets [start, stop). False when it does not begin where the last one ended."""
        if start != self.read:
            return False
        self.rows = [*self.rows[self.used :], *rows] if self.used < len(self.rows) else rows
        self.used, self.read = 0, stop
        return True

    def forget_buffered(self) -> None:
        """Before a seek to `next`: rows already read and rows read again must never mix."""
        self.read, self.rows, self.used = self.next, (), 0

    def waits(self) -> bool:
        """Whether a row may still come that is earlier than anything buffered here says."""
        return self.end is None or self.read < self.end


class Merge:
    """Several inputs in one order.

    >>> from types import SimpleNamespace as R
    >>> merge = Merge([Input("features", 0, 0, 0), Input("labels", 0, 1, 0)])
    >>> events, labels = merge.inputs
    >>> events.feed(0, 2, [R(offset=0, timestamp=10), R(offset=1, timestamp=30)])
    True
    >>> merge.take(10)  # labels may still have an earlier one
    []
    >>> labels.end, events.end = 0, 2
    >>> [turn.ms for turn in merge.take(10)]
    [10, 30]
    """

    def __init__(self, inputs: Iterable[Input]) -> None:
        self.inputs = tuple(inputs)

    def take(self, limit: int) -> list[Turn]:
        """Up to about `limit` rows of each input, in order, as far as it is certain; positions move past them."""
        bound: tuple[int, int, int, int] | None = None
        offered: list[tuple[Input, list[Turn]]] = []
        for source in self.inputs:
            rows = source.rows[source.used : source.used + limit]
            if not rows:
                if source.waits():
                    return []
                continue
            own = _turns(source, rows)
            offered.append((source, own))
            if len(rows) < source.buffered or source.waits():
                ms, rank, partition, offset, _ = own[-1]
                last = (ms, rank, partition, offset + 1)  # smaller than any turn behind that one
                bound = last if bound is None or last < bound else bound
        turns: list[Turn] = []
        for source, own in offered:
            source.before = source.used, source.high_ms
            taken = own if bound is None else own[: bisect_left(own, bound)]
            if taken:
                source.used += len(taken)
                source.high_ms = taken[-1][0]
                turns += taken
        turns.sort()
        return turns

    def give_back(self, turns: Iterable[Turn]) -> None:
        """The last ones of those just handed out were not taken: their turn comes again."""
        back = Counter((turn.rank, turn.partition) for turn in turns)
        for source in self.inputs:
            if count := back[source.rank, source.partition]:
                first, high_ms = source.before
                source.used -= count
                source.high_ms = max([high_ms, *(row.timestamp for row in source.rows[first : source.used])])

    def positions(self) -> dict[str, int]:
        """`topic/partition` → next offset of every input."""
        return {f"{source.topic}/{source.partition}": source.next for source in self.inputs}

    def watermarks(self) -> dict[str, int]:
        """`topic/partition` → highest timestamp handed out, for a checkpoint."""
        return {f"{source.topic}/{source.partition}": source.high_ms for source in self.inputs}


def _turns(source: Input, rows: Sequence[Row]) -> list[Turn]:
    """The rows' turns, ascending."""
    rank, partition, high = source.rank, source.partition, source.high_ms
    times = [row.timestamp for row in rows]
    if times[0] < high or times != sorted(times):
        times = list(accumulate(times, max, initial=high))[1:]
    return [_new(Turn, (ms, rank, partition, row.offset, row)) for ms, row in zip(times, rows, strict=True)]


def positions_of(saved: Mapping[str, Any], topic: str, partition: int, default: int) -> int:
    """The saved position of one input, or `default` where it has none yet."""
    return int(saved.get(f"{topic}/{partition}", default))
