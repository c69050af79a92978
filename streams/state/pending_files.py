"""Pending predictions on disk: found by id, given up by age, and found again by the next process.

Rows are appended to segments and never changed. Which of them are pending is not on disk at all: the checkpoint says
it, by the offsets of their events. So a kill between two writes leaves nothing half-done; the next process takes the
segments that its checkpoint names as far as it names them, and of their rows those that it says are open. What it
cannot take, for whatever reason, it reads from the log of predictions, of which all this is a copy.

Room that is gone is given back by moving what is left of a segment to the newest one, some rows with each addition.

Memory is about four bytes a row: a flag, its id's bits in a filter, its offset's bit in a set, and a five-hundredth
of what is known of a chunk.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from streams.errors import StateError
from streams.state.id_table import IdTables
from streams.state.offsets import OffsetSet
from streams.state.pending_segment import Block, Chunk, Entry, Listed, Segment, block_of, ids_of, names_in
from streams.state.place import StoreAwayError

_NEVER = 1 << 62  # later than every event
_SEGMENT_ROWS = 65_536  # at least; with more on disk a sixteenth of it, so that few files are open
_SEGMENTS_MAX = 32  # beyond, the smallest is moved
_TABLE_ROWS = 131_072
_STALE = 1_024  # entries of chunks that are gone, let be
_TABLES_MAX = 12  # beyond, the rows of the oldest are moved


class RecallStopped(Exception):  # noqa: N818 - no error
    """Nobody waits for it any more."""


class Found(NamedTuple):
    """A row."""

    key: bytes | None
    value: bytes
    event_ms: int
    source: int
    where: int | None
    number: int
    """Of the row among all that were ever added."""


class PendingFiles:
    """Rows by id in `folder`, which is made if it is not there. Falsy while it holds nothing.

    With `kept` the files outlive the process, and nobody else may write to the folder meanwhile: see `recall`.
    Otherwise they go with it, however it ends.
    """

    kind: ClassVar[type[Segment]] = Segment

    def __init__(
        self, folder: Path, *, kept: bool = False, segment_rows: int = _SEGMENT_ROWS, table_rows: int = _TABLE_ROWS
    ) -> None:
        self.folder, self.kept = folder, kept
        self._segment_rows = segment_rows
        self.sources = OffsetSet()
        self.oldest_ms = _NEVER
        """No row is older than this."""
        self._alive = self._next = 0
        self._segments: list[Segment] = []
        self._firsts: list[int] = []
        self._active: Segment | None = None
        self._tables = IdTables(folder, table_rows)
        self._early: list[tuple[int, int]] = []
        """A heap: the earliest event of a chunk, and the number of its first row."""
        self._due: list[tuple[int, int, int]] = []
        """A heap: event_ms, source and number of rows of chunks that are about to expire."""
        self._floors: list[tuple[int, int]] = []
        """A heap: below it no row of the chunk lies in the log, and the number of its first row."""
        self._moving: tuple[Segment, int] | None = None
        self._went: list[int] = []
        self._retired: list[Segment] = []
        self._stopped = False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreAwayError(f"could not make {folder}: {error}") from error

    def __len__(self) -> int:
        return self._alive

    # -- rows ----------------------------------------------------------------------------------------------------

    def add(self, entries: Sequence[Entry]) -> None:
        """Put in rows, at least one; ids and sources are new. 5 us each.

        Raises:
            StoreAwayError: the disk is full; nothing has changed.
        """
        block = block_of(entries)
        hashes = np.fromiter((hash(entry[0]) for entry in entries), np.int64, len(entries))
        self._append(block, hashes)
        self.sources.add_all(block.rows["source"])
        self._alive += len(entries)
        self._tidy(len(entries))

    def find(self, identity: str) -> Found | None:
        """The row with this id."""
        if not self._alive:
            return None
        for number in self._tables.find(hash(identity)):
            segment = self._segment_of(number)
            if segment is not None and segment.live[number - segment.first]:
                held, key, value, event_ms, source, where = segment.row(number - segment.first)
                if held == identity:
                    return Found(key, value, event_ms, source, where, number)
        return None

    def remove(self, found: Found) -> None:
        """Take out a row that was found."""
        segment = self._segment_of(found.number)
        if segment is None or not segment.live[found.number - segment.first]:
            raise ValueError("a row must be there to be removed")
        self._gone(segment, found.number)
        self._went.append(found.source)
        self._alive -= 1

    def take_before(self, event_ms: int) -> list[int]:
        """Take out all rows of earlier events; their sources, in no order."""
        sources: list[int] = []
        early, due = self._early, self._due
        while early and early[0][0] < event_ms:
            number = heapq.heappop(early)[1]
            if (at := self._chunk_of(number)) is not None:
                sources += self._take_from(*at, event_ms)
        while due and due[0][0] < event_ms:
            _, source, number = heapq.heappop(due)
            segment = self._segment_of(number)
            if segment is not None and segment.live[number - segment.first]:
                self._gone(segment, number)
                sources.append(source)
        self.oldest_ms = min(early[0][0] if early else _NEVER, due[0][0] if due else _NEVER)
        self._alive -= len(sources)
        self._went += sources
        return sources

    def _take_from(self, segment: Segment, chunk: Chunk, event_ms: int) -> list[int]:
        """A chunk as a whole if all of it is earlier; otherwise its rows are due one by one."""
        living = segment.living(chunk)
        if not living.any():
            return []
        rows = segment.index(chunk)[0][living]
        numbers = np.flatnonzero(living) + (segment.first + chunk.first)
        if int(rows["event_ms"].max()) < event_ms:
            segment.live[chunk.first : chunk.first + chunk.rows] = bytes(chunk.rows)
            self._left(segment, len(rows))
            taken: list[int] = rows["source"].tolist()
            return taken
        for entry in zip(rows["event_ms"].tolist(), rows["source"].tolist(), numbers.tolist(), strict=True):
            heapq.heappush(self._due, entry)
        return []

    def settled_sources(self) -> OffsetSet:
        """The sources of all rows; not to be changed."""
        if self._went:
            self.sources.discard_all(self._went)
            self._went = []
        return self.sources

    def floor(self) -> int | None:
        """An offset of predictions below which no row lies, None without rows. 0.1 ms or some."""
        floors = self._floors
        while floors:
            known, number = floors[0]
            at = self._chunk_of(number)
            living = at[0].living(at[1]) if at is not None else None
            if at is None or living is None or not living.any():
                heapq.heappop(floors)
                continue
            now = int(at[0].index(at[1])[0]["floor"][living].min())
            if now == known:
                return known
            heapq.heapreplace(floors, (now, number))
        return None

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def listed(self) -> list[Listed]:
        """What a checkpoint of now must name, for `recall`."""
        return [segment.listed() for segment in self._segments if segment.alive]

    def retired(self) -> list[Segment]:
        """Files that no checkpoint from now on names: to be removed once one is durable, on any thread."""
        retired, self._retired = self._retired, []
        return retired

    def unsynced(self) -> list[Segment]:
        """Segments that have grown since this was asked last, to be synced before a checkpoint that names them."""
        grown = [segment for segment in self._segments if segment.unsynced] if self.kept else []
        for segment in grown:
            segment.unsynced = False
        return grown

    def recall(self, listed: Sequence[Listed], open_: OffsetSet) -> None:
        """Take over what a checkpoint names, as far as it is open; once, before rows are added. 1 us a row.

        Files that it does not name are removed. After an error the store is empty, and good.

        Raises:
            StoreAwayError: some of it is not as the checkpoint says; the message says what.
        """
        try:
            for each in listed:
                self._go_on()
                self._segments.append(self.kind.adopt(self.folder, each, self._next))
                self._firsts.append(self._next)
                self._next += self._segments[-1].rows
            self._revive(open_)
        except (OSError, StateError, UnicodeDecodeError) as error:
            self.abandon()
            raise StoreAwayError(str(error)) from error
        self._sweep()

    def _revive(self, open_: OffsetSet) -> None:
        there = len(open_)
        for segment in list(self._segments):
            hashed, numbers = [], []
            self._go_on()
            for chunk in segment.chunks:
                rows, text = segment.index(chunk)
                living = open_.holds(rows["source"]) & ~self.sources.holds(rows["source"])  # a moved one is in two
                if not living.any():
                    continue
                ids = ids_of(rows, text)
                places = np.flatnonzero(living)
                hashed.append(np.fromiter((hash(ids[place]) for place in places.tolist()), np.int64, len(places)))
                numbers.append(places + (segment.first + chunk.first))
                segment.live[chunk.first : chunk.first + chunk.rows] = living.astype(np.uint8).tobytes()
                segment.alive += len(places)
                alive = rows[living]
                self.sources.add_all(alive["source"])
                self._note(segment.first + chunk.first, int(alive["event_ms"].min()), int(alive["floor"].min()))
            self._alive += segment.alive
            if hashed:
                self._tables.add(np.concatenate(hashed), np.concatenate(numbers), there)
            else:
                self._retire(segment)

    def _go_on(self) -> None:
        if self._stopped:
            raise RecallStopped

    def _sweep(self) -> None:
        """Remove files that nobody can ask for any more."""
        if not self.kept:
            return
        mine = {segment.name for segment in (*self._segments, *self._retired)}
        for path in names_in(self.folder):
            if path.stem not in mine:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the disk back if it is not kept; nothing is to be asked afterwards."""
        for segment in self._segments:
            segment.close()
        self._tables.close()

    def abandon(self) -> None:
        """Remove what is kept; nothing is to be asked afterwards."""
        self.close()
        self._clear()
        self._sweep()

    def stop(self) -> None:
        """Let a `recall` on a thread end early, with `RecallStopped`; nothing is removed."""
        self._stopped = True

    def _clear(self) -> None:
        self._segments, self._firsts, self._active = [], [], None
        self._early, self._due, self._floors, self._moving = [], [], [], None
        self._went, self._retired, self.sources, self._alive = [], [], OffsetSet(), 0
        self.oldest_ms = _NEVER

    # -- segments ------------------------------------------------------------------------------------------------

    def _append(self, block: Block, hashes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        count = len(hashes)
        try:
            segment = self._segment_for()
            self._tables.make_room(count, self._alive)
        except OSError as error:
            raise StoreAwayError(f"could not move pending predictions to {self.folder}: {error}") from error
        chunk = segment.append(block)
        number = segment.first + chunk.first
        self._next = number + count
        self._tables.add(hashes, np.arange(number, self._next), self._alive)
        self._note(number, int(block.rows["event_ms"].min()), int(block.rows["floor"].min()))

    def _note(self, number: int, event_ms: int, floor: int) -> None:
        heapq.heappush(self._early, (event_ms, number))
        heapq.heappush(self._floors, (floor, number))
        self.oldest_ms = min(self.oldest_ms, event_ms)

    def _segment_for(self) -> Segment:
        active = self._active
        if active is None or active.rows >= max(self._segment_rows, self._alive >> 4):
            active, sealed = self.kind.create(self.folder, self._next, kept=self.kept), active
            self._active = active
            self._segments.append(active)
            self._firsts.append(active.first)
            if sealed is not None and not sealed.alive:
                self._retire(sealed)
        return active

    def _segment_of(self, number: int) -> Segment | None:
        """Where the row is, None if its segment is gone."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0:
            return None
        segment = self._segments[at]
        return segment if number - segment.first < segment.rows else None

    def _chunk_of(self, number: int) -> tuple[Segment, Chunk] | None:
        segment = self._segment_of(number)
        return None if segment is None else (segment, segment.chunk_at(number - segment.first))

    def _gone(self, segment: Segment, number: int) -> None:
        segment.live[number - segment.first] = 0
        self._left(segment, 1)

    def _left(self, segment: Segment, rows: int) -> None:
        segment.alive -= rows
        if not segment.alive and segment is not self._active:
            self._retire(segment)

    def _retire(self, segment: Segment) -> None:
        """Nothing in it is pending. A checkpoint that names it may still be the newest."""
        at = self._segments.index(segment)
        del self._segments[at], self._firsts[at]
        segment.close()
        if self.kept:
            self._retired.append(segment)
        if self._moving is not None and self._moving[0] is segment:
            self._moving = None
        first = next((each.first for each in self._segments if each.alive), self._next)
        self._tables.drop_below(first)
        if len(self._early) > 2 * sum(len(each.chunks) for each in self._segments) + _STALE:
            self._early = [entry for entry in self._early if self._segment_of(entry[1]) is not None]
            heapq.heapify(self._early)

    # -- room ----------------------------------------------------------------------------------------------------

    def _tidy(self, rows: int) -> None:
        """Move about so many rows out of the segment that is to go."""
        while rows > 0:
            moving = self._moving or self._to_move()
            if moving is None:
                return
            segment, at = moving
            if at == len(segment.chunks):  # cannot be while any is pending
                self._moving = None
                return
            chunk = segment.chunks[at]
            self._moving = segment, at + 1
            rows -= self._move(segment, chunk)

    def _to_move(self) -> tuple[Segment, int] | None:
        sealed = [each for each in self._segments if each is not self._active]
        if not sealed:
            return None
        if len(self._tables) > _TABLES_MAX and sealed[0].first < self._tables.oldest_stop:
            return sealed[0], 0
        sparse = min(sealed, key=_share)
        if 2 * sparse.alive < sparse.rows:
            return sparse, 0
        return (min(sealed, key=_alive), 0) if len(sealed) > _SEGMENTS_MAX else None

    def _move(self, segment: Segment, chunk: Chunk) -> int:
        block = segment.block(chunk)
        if block is None:
            return 1
        self._append(block, np.fromiter(map(hash, ids_of(block.rows, block.text)), np.int64, len(block.rows)))
        segment.live[chunk.first : chunk.first + chunk.rows] = bytes(chunk.rows)
        self._left(segment, len(block.rows))
        return len(block.rows)

    def segments(self) -> Iterator[tuple[int, int]]:
        """(rows, those pending) of each segment."""
        return ((each.rows, each.alive) for each in self._segments)


def _share(segment: Segment) -> float:
    return segment.alive / segment.rows


def _alive(segment: Segment) -> int:
    return segment.alive
