"""Predictions that wait for their label: the newest in memory, the others in local files.

The files are a copy of part of the `predictions` topic, never state: what they lack, or what has happened to them,
decides nothing. Where they are kept, a restart reads from the topic only what had not moved to them yet, so a wait of
days costs disk, not memory and not the time of a start.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from streams.errors import ConfigError
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet
from streams.state.pending_files import Found, PendingFiles
from streams.state.pending_segment import Listed, Segment
from streams.state.place import StoreAwayError

_FOLD_ROWS = 65_536  # sources noted before they are folded into the set: 10 ms for the rare one that has no cut
_CHUNK_ROWS = 512  # moved to the files at a time: 3 to 5 ms, under the 10 ms a stage may hold the loop
_REACH = 65_536  # offsets of events that memory reaches back: what a restart reads, one to two seconds of it
_LOOK = 63  # puts between two looks at how far memory reaches


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
    """A mapping from id to `Pending`, with the oldest beyond `memory_rows` kept in files.

    Both ids and sources are unique among the rows of a store: `put` must not be called with one that is in it. `files`
    may be a folder, whose files have no name once they are open and go with the process. With None everything stays
    in memory. Besides, rows whose source is `reach` below the newest are moved to the files.

    >>> store = PendingStore(memory_rows=1000, files=None)
    >>> store.put("a", Pending(None, b"{}", 1_000, 17, 500))
    >>> "a" in store, list(store.sources()), store.oldest_source(), store.oldest_where()
    (True, [(17, 18)], 17, 500)
    >>> store.expire_before(1_001), len(store)
    ([17], 0)
    """

    def __init__(self, memory_rows: int, files: PendingFiles | str | None, *, reach: int = _REACH) -> None:
        if memory_rows < 1:
            raise ConfigError("join.memory_rows", f"must be at least 1, got {memory_rows}")
        self.files = PendingFiles(Path(files)) if isinstance(files, str) else files
        self._limit = memory_rows if files is not None else None
        self._chunk = max(1, min(_CHUNK_ROWS, memory_rows // 2))
        self._reach = reach
        self._puts = 0
        self._rows: OrderedDict[str, Pending] = OrderedDict()
        # A plain dict would hold holes at its front, and finding the oldest row would walk over them.
        self._folded = OffsetSet()  # sources in memory
        self._came: list[int] = []  # sources put since the set was asked for last
        self._went: list[int] = []
        self._wheres = OffsetSet()  # of rows in memory
        self._newest_ms = 0
        self._behind: list[tuple[int, int, str]] = []
        """Rows put after one with a later event: (event_ms, source, id), a heap; entries of popped rows linger."""
        self._found: tuple[str, Found] | None = None
        """What was looked up in the files last: whoever looks often takes it out next."""
        self.floors_of: Callable[[Sequence[int]], Sequence[int]] = _no_floors
        """By the sources of rows made here: offsets of predictions that they do not lie below."""

    def put(self, identity: str, pending: Pending) -> None:
        """Add a row.

        Raises:
            ValueError: another pending row has this id, while both are in memory; another one's source is noticed by
                whatever asks for sources next.
            StoreAwayError: the disk is full.
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
        if self._limit is not None:
            self._puts += 1
            if len(rows) > self._limit:
                self._spill(None)
            elif not self._puts & _LOOK and rows[next(iter(rows))].source < source - self._reach:
                self._spill(source - self._reach // 2)

    def get(self, identity: str) -> Pending | None:
        """The row, None if it is not pending. It is not to be changed."""
        row = self._rows.get(identity)
        if row is None and self.files:
            found = self.files.find(identity)
            if found is None:
                return None
            self._found = identity, found
            return Pending(*found[:-1])
        return row

    def pop(self, identity: str) -> Pending:
        """Take the row out.

        Raises:
            KeyError: it is not pending.
        """
        row = self._rows.pop(identity, None)
        if row is not None:
            self._forget(row)
            return row
        known, self._found = self._found, None
        found = known[1] if known is not None and known[0] == identity else self._in_files(identity)
        if found is None or self.files is None:
            raise KeyError(identity)
        self.files.remove(found)
        return Pending(*found[:-1])

    def _in_files(self, identity: str) -> Found | None:
        return self.files.find(identity) if self.files else None

    def __contains__(self, identity: str) -> bool:
        return self.get(identity) is not None

    def __len__(self) -> int:
        return len(self._rows) + self.rows_on_disk

    def expire_before(self, event_ms: int) -> list[int]:
        """Take out every row whose event is earlier than `event_ms`; their sources, ascending."""
        due: list[int] = []
        if self.files and self.files.oldest_ms < event_ms:
            self._found = None
            due = self.files.take_before(event_ms)
        rows, behind = self._rows, self._behind
        while behind and behind[0][0] < event_ms:
            _, source, identity = heapq.heappop(behind)
            if _has(rows, (0, source, identity)):
                self._forget(rows.pop(identity))
                due.append(source)
        while rows:
            identity = next(iter(rows))
            row = rows[identity]
            if row.event_ms >= event_ms:
                break  # whatever stands behind it is later, or in `_behind`
            del rows[identity]
            self._forget(row)
            due.append(row.source)
        due.sort()
        return due

    def sources(self) -> Intervals:
        """Source offsets of all rows, a copy. 1 ms for 10^6 rows without holes, 20 ms when every second one is gone."""
        return self._all_sources().intervals()

    def sources_saved(self) -> list[int] | bytes:
        """The same for `OffsetSet.from_saved`: 3 ms for 10^6 rows whatever the holes."""
        return self._all_sources().saved()

    def oldest_source(self) -> int | None:
        """The smallest source of the rows in memory, None if there is none."""
        return self._sources().min()

    def oldest_where(self) -> int | None:
        """The smallest `where` of the rows in memory that have one, None if none has."""
        return self._wheres.min()

    def is_on_disk(self, source: int) -> bool:
        """Whether the row of this source is kept in files; its copy is not looked at."""
        return self.files is not None and source in self.files.settled_sources()

    @property
    def rows_on_disk(self) -> int:
        """Rows kept in files."""
        return len(self.files) if self.files is not None else 0

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def floor_on_disk(self) -> int | None:
        """An offset of predictions below which none of the rows in files lies, None if there are none."""
        return self.files.floor() if self.files else None

    def listed(self) -> list[Listed] | None:
        """What a checkpoint of now must name, for `recall`; None if the next process finds nothing."""
        if self.files is None:
            return []
        return self.files.listed() if self.files.kept else None

    def grown(self) -> tuple[list[Segment], list[Segment]]:
        """For the checkpoint of now: what must be synced before it is written, and what may be removed once it is."""
        return (self.files.unsynced(), self.files.retired()) if self.files is not None else ([], [])

    def recall(self, listed: Sequence[Listed], open_: OffsetSet) -> None:
        """Take over the files that a checkpoint names, before any row is put; for a thread.

        Raises:
            StoreAwayError: they are not as the checkpoint says; nothing was taken over.
        """
        if self.files is not None and self.files.kept:
            self.files.recall(listed, open_)
        elif listed:
            raise StoreAwayError("could not take over copies on disk: nothing is kept here")

    def abandon(self) -> None:
        """Remove the files; the store is not to be used afterwards."""
        if self.files is not None:
            self.files.abandon()

    def close(self) -> None:
        """Let go of the files; the store is not to be used afterwards."""
        if self.files is not None:
            self.files.close()
        self._rows.clear()

    def _sources(self) -> OffsetSet:
        if self._came:
            self._folded.add_all(self._came)
            self._came = []
        if self._went:
            self._folded.discard_all(self._went)
            self._went = []
        return self._folded

    def _all_sources(self) -> OffsetSet:
        return self._sources().union(self.files.settled_sources()) if self.files else self._sources()

    def _forget(self, row: Pending) -> None:
        self._went.append(row.source)
        if row.where is not None:
            self._wheres.discard(row.where)

    def _spill(self, below: int | None) -> None:
        """Move the oldest rows of the memory to the files; those of sources `below`, if that is said."""
        if self.files is None:
            return
        oldest = list(islice(self._rows.items(), self._chunk))
        if below is not None:
            oldest = [(identity, row) for identity, row in oldest if row.source < below]
        made_here = [row.source for _, row in oldest if row.where is None]
        floors = iter(self.floors_of(made_here) if made_here else ())
        self.files.add(
            [
                (i, r.key, r.value, r.event_ms, r.source, r.where, next(floors) if r.where is None else r.where)
                for i, r in oldest
            ]
        )
        self._found = None
        for identity, row in oldest:
            del self._rows[identity]
            self._forget(row)


def _no_floors(sources: Sequence[int]) -> list[int]:
    return [0] * len(sources)


def _has(rows: OrderedDict[str, Pending], entry: tuple[int, int, str]) -> bool:
    """Whether the row that an entry of `_behind` was made for is still in memory, and not another of the same id."""
    row = rows.get(entry[2])
    return row is not None and row.source == entry[1]
