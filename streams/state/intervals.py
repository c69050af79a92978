"""A set of integers kept as ranges: small when its members are mostly neighbours.

The learner keeps the label offsets learnt above the closed mark in it, on its hot path: they arrive mostly in
ascending order and the mark follows closely, so that there are few ranges at any time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Self

from streams.errors import StateError

_SLACK = 64  # ranges given up at the front before the lists are cut: keeps `discard_below` O(1) amortised


class Intervals:
    """Sorted, disjoint, half-open ranges.

    Appending in ascending order costs O(1), a look-up O(log n) with n the number of ranges, an insertion in the middle
    O(n) (a memory move). Iteration gives the ranges as (start, stop).

    >>> learnt = Intervals()
    >>> for offset in (3, 4, 5, 9):
    ...     learnt.add(offset)
    >>> list(learnt), 4 in learnt, 6 in learnt
    ([(3, 6), (9, 10)], True, False)
    >>> learnt.discard_below(5)
    >>> list(learnt)
    [(5, 6), (9, 10)]
    """

    __slots__ = ("_head", "_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._head = 0  # ranges before it are discarded

    def add(self, number: int) -> None:
        """Put one number in; one that is there already changes nothing."""
        stops = self._stops
        if len(stops) > self._head:
            last = stops[-1]
            if number == last:
                stops[-1] = number + 1
                return
            if number < last:
                if number < self._starts[-1]:
                    self.add_range(number, number + 1)
                return
        self._starts.append(number)
        stops.append(number + 1)

    def add_range(self, start: int, stop: int) -> None:
        """Put start, start + 1 … stop - 1 in; an empty range changes nothing."""
        if start >= stop:
            return
        starts, stops, head = self._starts, self._stops, self._head
        first = bisect_right(stops, start - 1, head)  # the first range that touches the new one
        after = bisect_right(starts, stop, head)  # the first that lies wholly above it
        if first < after:
            start, stop = min(start, starts[first]), max(stop, stops[after - 1])
        starts[first:after] = [start]
        stops[first:after] = [stop]

    def __contains__(self, number: int) -> bool:
        starts = self._starts
        if len(starts) == self._head:
            return False
        if number >= starts[-1]:
            return number < self._stops[-1]
        index = bisect_right(starts, number, self._head) - 1
        return index >= self._head and number < self._stops[index]

    def discard_below(self, mark: int) -> None:
        """Take out every number smaller than `mark`."""
        starts, stops, head = self._starts, self._stops, self._head
        count = len(stops)
        while head < count and stops[head] <= mark:
            head += 1
        if head < count and starts[head] < mark:
            starts[head] = mark
        if head == count or (head > _SLACK and head * 2 > count):
            del starts[:head], stops[:head]
            head = 0
        self._head = head

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts[self._head :], self._stops[self._head :], strict=True)

    def __bool__(self) -> bool:
        return len(self._starts) > self._head

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        ranges = list(self)
        return f"Intervals({ranges[:4]}{' …' if len(ranges) > 4 else ''})"  # noqa: PLR2004 - enough to recognise it

    def count(self) -> int:
        """How many numbers are in it, O(ranges)."""
        return sum(self._stops[self._head :]) - sum(self._starts[self._head :])

    @classmethod
    def from_ranges(cls, starts: list[int], stops: list[int]) -> Self:
        """Take over ranges that are sorted, disjoint, not touching and not empty; the lists become its own."""
        made = cls()
        made._starts, made._stops = starts, stops
        return made

    def to_list(self) -> list[int]:
        """For msgpack: gap to the previous stop (the first: to 0), length, gap, length …, small numbers all."""
        flat: list[int] = []
        previous = 0
        for start, stop in self:
            flat.append(start - previous)
            flat.append(stop - start)
            previous = stop
        return flat

    @classmethod
    def from_list(cls, flat: Sequence[int]) -> Self:
        """What `to_list` gave.

        Raises:
            StateError: the list does not describe sorted, disjoint, non-empty ranges.
        """
        gaps, lengths = flat[::2], flat[1::2]
        if len(gaps) != len(lengths) or any(length < 1 for length in lengths) or any(gap < 1 for gap in gaps[1:]):
            raise StateError("intervals must be pairs of a gap and a length of at least 1, got another list")
        made = cls()
        stop = 0
        for gap, length in zip(gaps, lengths, strict=True):
            start = stop + gap
            stop = start + length
            made._starts.append(start)
            made._stops.append(stop)
        return made
