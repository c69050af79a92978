"""Predictions that wait for their label: in memory while they are few, beyond that the oldest in a local file.

The file is a cache of the `predictions` topic, never state: it is deleted when a store opens, and a restart fills the
store from the topic again. So it needs no journal and no fsync, and a wait of days costs disk, not memory.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from itertools import islice
from pathlib import Path

import msgspec

from streams.errors import ConfigError
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet
from streams.state.pending_file import PendingFile

_FOLD_ROWS = 65_536  # sources noted before they are folded into the set: 10 ms for the rare one that has no cut
_CHUNK_ROWS = 512  # moved to the file at a time: 2 to 4 ms, under the 10 ms a stage may hold the loop


class Pending(msgspec.Struct, gc=False):
    """One prediction as it went out."""

    key: bytes | None
    """The record's key."""
    value: bytes
    """The record's value."""
    event_ms: int
    """Record time of the event, ms since the epoch."""
    source: int
    """Offset of the event in its features partition."""
    where: int | None
    """Offset in the predictions partition, for a row that was read there; None for one made here."""


class PendingStore:
    """A mapping from id to `Pending`, with the oldest beyond `memory_rows` kept in a file in `folder`.

    Both ids and sources are unique among the rows of a store: `put` must not be called with one that is in it. With
    `folder` None everything stays in memory. The file has no name once it is open: it goes with its process.

    >>> store = PendingStore(memory_rows=1000, folder=None)
    >>> store.put("a", Pending(None, b"{}", 1_000, 17, 500))
    >>> "a" in store, list(store.sources()), store.oldest_source(), store.oldest_where()
    (True, [(17, 18)], 17, 500)
    >>> [identity for identity, _ in store.expire_before(1_001)], len(store)
    (['a'], 0)
    """

    def __init__(self, memory_rows: int, folder: str | None) -> None:
        if memory_rows < 1:
            raise ConfigError("join.memory_rows", f"must be at least 1, got {memory_rows}")
        self._limit = memory_rows if folder is not None else None
        self._chunk = max(1, min(_CHUNK_ROWS, memory_rows // 2))
        self._rows: OrderedDict[str, Pending] = OrderedDict()
        # A plain dict would hold holes at its front, and finding the oldest row would walk over them.
        self._file = PendingFile(Path(folder)) if folder is not None else None
        self._folded = OffsetSet()
        self._came: list[int] = []  # sources put since the set was asked for last
        self._went: list[int] = []
        self._wheres = OffsetSet()
        self._newest_ms = 0
        self._behind: list[tuple[int, int, str]] = []
        """Rows put after one with a later event: (event_ms, source, id), a heap; entries of popped rows linger."""

    def put(self, identity: str, pending: Pending) -> None:
        """Add a row.

        Raises:
            ValueError: another pending row has this id, while both are in memory; another one's source is noticed by
                whatever asks for sources next.
        """
        rows, source = self._rows, pending.source
        if identity in rows:
            raise ValueError(f"a pending id must be new, got that of source {source} again")
        rows[identity] = pending
        self._came.append(source)
        if pending.where is not None:
            self._wheres.add(pending.where)
        event_ms = pending.event_ms
        if event_ms >= self._newest_ms:
            self._newest_ms = event_ms
        else:
            heapq.heappush(self._behind, (event_ms, source, identity))
            if len(self._behind) > 2 * len(rows) + _CHUNK_ROWS:
                self._behind = sorted(entry for entry in self._behind if _has(rows, entry))
        if len(self._came) >= _FOLD_ROWS:
            self._sources()
        if self._limit is not None and len(rows) > self._limit:
            self._spill()

    def get(self, identity: str) -> Pending | None:
        """The row, None if it is not pending. It is not to be changed."""
        row = self._rows.get(identity)
        if row is None and self._file:
            found = self._file.get(identity)
            return Pending(*found) if found else None
        return row

    def pop(self, identity: str) -> Pending:
        """Take the row out.

        Raises:
            KeyError: it is not pending.
        """
        row = self._rows.pop(identity, None)
        if row is None:
            found = self._file.get(identity) if self._file else None
            if found is None or self._file is None:
                raise KeyError(identity)
            row = Pending(*found)
            self._file.remove(row.source)
        self._forget(row)
        return row

    def __contains__(self, identity: str) -> bool:
        return identity in self._rows or (bool(self._file) and self.get(identity) is not None)

    def __len__(self) -> int:
        return len(self._rows) + (len(self._file) if self._file else 0)

    def expire_before(self, event_ms: int) -> list[tuple[str, Pending]]:
        """Take out every row whose event is earlier than `event_ms`, oldest first, at equal times by source."""
        due: list[tuple[str, Pending]] = []
        if self._file and self._file.oldest_ms < event_ms:
            for identity, *columns in self._file.take_before(event_ms):
                due.append((identity, Pending(*columns)))
        rows, behind = self._rows, self._behind
        while behind and behind[0][0] < event_ms:
            _, source, identity = heapq.heappop(behind)
            if _has(rows, (0, source, identity)):
                due.append((identity, rows.pop(identity)))
        while rows:
            identity = next(iter(rows))
            row = rows[identity]
            if row.event_ms >= event_ms:
                break  # whatever stands behind it is later, or in `_behind`
            del rows[identity]
            due.append((identity, row))
        for _, row in due:
            self._forget(row)
        due.sort(key=_by_age)
        return due

    def sources(self) -> Intervals:
        """Source offsets of all rows, a copy. 1 ms for 10^6 rows without holes, 20 ms when every second one is gone."""
        return self._sources().intervals()

    def sources_packed(self) -> bytes:
        """The same for `OffsetSet.unpack`: under 1 ms for 10^6 rows whatever the holes."""
        return self._sources().pack()

    def oldest_source(self) -> int | None:
        """The smallest source of all rows, None if there is none."""
        return self._sources().min()

    def oldest_where(self) -> int | None:
        """The smallest `where` of the rows that have one, None if none has."""
        return self._wheres.min()

    @property
    def rows_on_disk(self) -> int:
        """Rows kept in the file."""
        return len(self._file) if self._file else 0

    def close(self) -> None:
        """Give the disk back; the store is not to be used afterwards."""
        if self._file:
            self._file.close()
        self._rows.clear()

    def _sources(self) -> OffsetSet:
        if self._came:
            self._folded.add_all(self._came)
            self._came = []
        if self._went:
            self._folded.discard_all(self._went)
            self._went = []
        return self._folded

    def _forget(self, row: Pending) -> None:
        self._went.append(row.source)
        if row.where is not None:
            self._wheres.discard(row.where)

    def _spill(self) -> None:
        """Move the oldest rows of the memory to the file."""
        if self._file is None:
            return
        oldest = list(islice(self._rows.items(), self._chunk))
        self._file.add([(i, r.key, r.value, r.event_ms, r.source, r.where) for i, r in oldest])
        for identity, _ in oldest:
            del self._rows[identity]


def _by_age(entry: tuple[str, Pending]) -> tuple[int, int]:
    return entry[1].event_ms, entry[1].source


def _has(rows: OrderedDict[str, Pending], entry: tuple[int, int, str]) -> bool:
    """Whether the row that an entry of `_behind` was made for is still in memory, and not another of the same id."""
    row = rows.get(entry[2])
    return row is not None and row.source == entry[1]
