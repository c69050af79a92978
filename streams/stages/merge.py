"""The order in which a stage reads its inputs: by record timestamp, events before labels, partition, offset.

A row is handed out only when no input can still bring an earlier one: an input that has nothing buffered and has not
reached its end (the last stable offset; unknown means not reached) holds the others back. Without that wait a restart
on a backlog reads tens of thousands of labels before their events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


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

    __slots__ = ("end", "high_ms", "partition", "rank", "read", "rows", "topic", "used")

    def __init__(self, topic: str, partition: int, rank: int, position: int, high_ms: int = 0) -> None:
        self.topic, self.partition, self.rank = topic, partition, rank
        self.rows: Sequence[Row] = ()
        self.used = 0
        self.read = position
        self.end: int | None = None
        self.high_ms = high_ms

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
        turns: list[Turn] = []
        for source in self.inputs:
            rows = source.rows[source.used : source.used + limit]
            if not rows:
                if source.waits():
                    return []
                continue
            rank, partition, high = source.rank, source.partition, source.high_ms
            if rows[0].timestamp >= high and len(rows) == 1:
                turns.append(Turn(rows[0].timestamp, rank, partition, rows[0].offset, rows[0]))
            else:
                for row in rows:
                    high = max(high, row.timestamp)
                    turns.append(Turn(high, rank, partition, row.offset, row))
            if len(rows) < source.buffered or source.waits():
                last = turns[-1][:4]
                bound = last if bound is None or last < bound else bound
        turns.sort()
        if bound is not None:
            turns = _until(turns, bound)
        self._advance(turns)
        return turns

    def _advance(self, turns: Sequence[Turn]) -> None:
        taken: dict[tuple[int, int], list[int]] = {}
        for ms, rank, partition, _, _ in turns:
            entry = taken.get((rank, partition))
            if entry is None:
                taken[rank, partition] = [1, ms]
            else:
                entry[0] += 1
                entry[1] = ms
        for source in self.inputs:
            entry = taken.get((source.rank, source.partition))
            if entry is not None:
                source.used += entry[0]
                source.high_ms = entry[1]

    def positions(self) -> dict[str, int]:
        """`topic/partition` → next offset of every input."""
        return {f"{source.topic}/{source.partition}": source.next for source in self.inputs}

    def watermarks(self) -> dict[str, int]:
        """`topic/partition` → highest timestamp handed out, for a checkpoint."""
        return {f"{source.topic}/{source.partition}": source.high_ms for source in self.inputs}


def _until(turns: list[Turn], bound: tuple[int, int, int, int]) -> list[Turn]:
    """The turns up to and including `bound`; all of them when it is the last."""
    low, high = 0, len(turns)
    while low < high:
        middle = (low + high) // 2
        if turns[middle][:4] <= bound:
            low = middle + 1
        else:
            high = middle
    return turns if low == len(turns) else turns[:low]


def positions_of(saved: Mapping[str, Any], topic: str, partition: int, default: int) -> int:
    """The saved position of one input, or `default` where it has none yet."""
    return int(saved.get(f"{topic}/{partition}", default))
