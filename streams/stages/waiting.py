"""Labels that wait for their event, and the mark below which no label will produce an example any more."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from streams.messages import Label


class WaitingLabel(NamedTuple):
    """A label whose event is not known."""

    offset: int
    ms: int
    label: Label
    time: bytes
    """The label's own time as JSON, or empty."""
    late: bool


class WaitingLabels:
    """By id, of one labels partition; several of one id in the order in which they came.

    A label is unsettled from `put` until `settle` or `expire_before`.

    >>> waiting = WaitingLabels()
    >>> waiting.put("a", WaitingLabel(7, 1_000, "yes", b"", False))
    >>> waiting.closed(9), waiting.count
    (7, 1)
    >>> [entry.offset for entry in waiting.expire_before(1_001)], waiting.closed(9)
    ([7], 9)
    """

    def __init__(self, saved: Mapping[str, Iterable[Iterable[Any]]] | None = None) -> None:
        self.by_id: dict[str, list[WaitingLabel]] = {}
        self._unsettled: set[int] = set()
        self._heap: list[tuple[int, int, str]] = []  # (offset, ms, id); settled ones linger
        for identity, entries in (saved or {}).items():
            for entry in entries:
                self.put(identity, WaitingLabel(*entry))

    def put(self, identity: str, entry: WaitingLabel) -> None:
        """It waits from now on."""
        self.by_id.setdefault(identity, []).append(entry)
        self._unsettled.add(entry.offset)
        heapq.heappush(self._heap, (entry.offset, entry.ms, identity))

    def take(self, identity: str) -> list[WaitingLabel]:
        """Those of this id, which are to be settled, or put again."""
        return self.by_id.pop(identity)

    def settle(self, offset: int) -> None:
        """This one produces its example now, or never; nothing if it does not wait."""
        if self._unsettled:
            self._unsettled.discard(offset)

    def closed(self, following: int) -> int:
        """Below this offset no label will produce an example any more; `following` is the next label to come."""
        heap = self._heap
        if not heap:
            return following
        while heap and heap[0][0] not in self._unsettled:
            heapq.heappop(heap)
        return min(heap[0][0], following) if heap else following

    def expire_before(self, ms: int) -> list[WaitingLabel]:
        """Take out the oldest as long as they are of an earlier time."""
        heap, unsettled = self._heap, self._unsettled
        gone: list[WaitingLabel] = []
        while heap and (heap[0][1] < ms or heap[0][0] not in unsettled):
            offset, _, identity = heapq.heappop(heap)
            if offset not in unsettled:
                continue
            unsettled.discard(offset)
            entries = self.by_id[identity]
            entry = next(entry for entry in entries if entry.offset == offset)
            gone.append(entry)
            entries.remove(entry)
            if not entries:
                del self.by_id[identity]
        return gone

    @property
    def count(self) -> int:
        """Labels that wait."""
        return sum(map(len, self.by_id.values()))
