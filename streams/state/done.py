"""Ids that met their label, remembered for the dedupe horizon, and saved a little at each cut.

An hour of 1,000 events a second is 3.6 million ids; in a dictionary each costs about 300 bytes, a gigabyte in all. So
only the newest few thousand are in one, and older ones in packed runs behind an index (see `done_run`, `done_index`):
under 20 bytes and the id's own. Nothing is decided by a hash: what it finds is compared byte by byte.

Saving all ids at each cut, every second, would cost as much again. So each cut writes a bucket with what is new, and
the checkpoint refers to the buckets. Small buckets are merged into the next cut, the way a log-structured merge tree
does it: a bucket takes in its predecessor while that is less than twice its size, so that bucket sizes fall by halves,
at most 128 of them are alive, and each id is written again O(log n) times. What is packed is copied, not encoded anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from streams.errors import StateError
from streams.state.done_index import PATTERNS, DoneIndex, Found
from streams.state.done_run import Entry, Label, PackedRun, Run

_FORMAT = 2  # 1 held entries one by one; it is still read
_BUCKETS_MAX = 128  # 30 million ids reach it
_MERGE_ROWS = 32_768  # a larger bucket is not merged further while there is room: one cut stays under 10 ms
_RECENT_ROWS = 4_096  # packing three quarters of them holds the loop for 2 ms
_BLOCK_ROWS = 65_536

_encode = msgspec.msgpack.Encoder().encode
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_number = msgspec.msgpack.Decoder(int).decode
_runs = msgspec.msgpack.Decoder(list[PackedRun]).decode
_entries = msgspec.msgpack.Decoder(list[tuple[str, bool | int | float | str, int]]).decode


class Bucket(msgspec.Struct, frozen=True):
    """A reference, as the checkpoint holds it."""

    path: str
    """Where `Store.put_object` put it."""
    digest: str
    newest_ms: int
    """Stream time of its newest id."""


class _Span(NamedTuple):
    """What a bucket covers: entries counted from the first one ever added."""

    start: int
    stop: int
    newest_ms: int


class DoneIds:
    """A mapping from id to label that forgets by stream time.

    `cut` gives the bytes of the next bucket; put them into the store, then say `stored`, then save `buckets` in the
    checkpoint. A cut that was not stored is part of the next one. At most `recent_rows` ids are in a dictionary;
    `block_rows` is the size of the hash tables behind it; buckets larger than `merge_rows` are left alone while there
    is room.

    >>> done = DoneIds()
    >>> done.add("a", "yes", stream_ms=1_000)
    >>> bucket = done.cut()
    >>> done.stored("objects/done/0/…", "9f86…")
    >>> done.cut() is None, [b.newest_ms for b in done.buckets()]
    (True, [1000])
    >>> again = DoneIds()
    >>> again.restore([bucket], done.buckets())
    >>> again.get("a"), again.get("b")
    ('yes', None)
    """

    def __init__(
        self, *, recent_rows: int = _RECENT_ROWS, block_rows: int = _BLOCK_ROWS, merge_rows: int = _MERGE_ROWS
    ) -> None:
        self._merge_rows = merge_rows
        self._recent_rows, self._run_rows = recent_rows, max(1, recent_rows // 4)
        self._ids: dict[str, Entry] = {}
        self._entries: deque[Entry] = deque()  # in the order of adding, which is that of time
        self._first = 0  # number of the leftmost entry
        self._old = DoneIndex(block_rows)  # entries before that
        self._filters = self._old.filters
        self._newest_ms = 0
        self._horizon_ms = 0  # what is earlier is forgotten, though it may still take room
        self._saved_to = 0  # entries below are in a bucket
        self._saved: list[tuple[_Span, Bucket]] = []
        self._cut: _Span | None = None

    def add(self, identity: str, label: Label, stream_ms: int) -> None:
        """Remember an id; one that is there gets the new label and time.

        Stream time never falls: an earlier `stream_ms` counts as the newest so far.
        """
        if stream_ms < self._newest_ms:
            stream_ms = self._newest_ms
        else:
            self._newest_ms = stream_ms
        entry = (identity, label, stream_ms)
        self._ids[identity] = entry
        entries = self._entries
        entries.append(entry)
        if len(entries) > self._recent_rows:
            self._pack(keep=self._recent_rows // 4)

    def get(self, identity: str) -> Label | None:
        """The label, None if the id is not remembered."""
        entry = self._ids.get(identity)
        if entry is not None:
            return entry[1] if entry[2] >= self._horizon_ms else None
        hashed = hash(identity)
        for passed, mask in self._filters:  # here, not behind a call: every event that is new comes by
            bits = passed[hashed & mask]
            if bits and bits & (pattern := PATTERNS[hashed >> 24 & 255]) == pattern:
                found = self._old.find(identity)
                return found.run.label(found.place) if found is not None and self._is_kept(found) else None
        return None

    def __contains__(self, identity: str) -> bool:
        return self.get(identity) is not None

    def __len__(self) -> int:
        """How many ids are remembered. They are counted one by one, a second for each 300,000."""
        count = sum(entry[2] >= self._horizon_ms for entry in self._ids.values())
        for start, run in self._old.runs_from(self._first_kept()):
            for number, identity in enumerate(run.ids(), start):
                if identity not in self._ids and (found := self._old.find(identity)) and found.number == number:
                    count += self._is_kept(found)
        return count

    def expire_before(self, stream_ms: int) -> None:
        """Forget every id added before `stream_ms`, and the buckets that hold none but such."""
        if stream_ms <= self._horizon_ms:
            return
        saved = self._saved
        while saved and saved[0][0].newest_ms < stream_ms:
            del saved[0]
        if stream_ms > self._newest_ms:
            self._forget_all()
            return
        self._horizon_ms = stream_ms
        while self._old.oldest_ms < stream_ms:
            self._old.drop_oldest()

    def cut(self) -> bytes | None:
        """The next bucket: what is not in one yet, and the small ones before it. None if nothing is new."""
        first, stop = self._first_kept(), self._first + len(self._entries)
        start = max(self._saved_to, first)
        if start == stop:
            self._cut = None
            return None
        cap = max(self._merge_rows, (stop - first) // 16)
        kept = len(self._saved)
        floor = _BUCKETS_MAX * 7 // 8 if kept >= _BUCKETS_MAX else kept  # too many: merge some, whatever their size
        while kept:
            before = max(self._saved[kept - 1][0].start, first)
            rows = start - before
            if kept <= floor and (rows >= 2 * (stop - start) or stop - before > cap):
                break
            start, kept = before, kept - 1
        self._cut = _Span(start, stop, self._newest_ms)
        packed = [run.pack(max(0, start - number)) for number, run in self._old.runs_from(start)]
        return _encode((_FORMAT, packed, list(islice(self._entries, max(0, start - self._first), None))))

    def stored(self, path: str, digest: str) -> None:
        """The bytes of the last `cut` are durable: from now on `buckets` names them.

        Raises:
            ValueError: there is no cut to be stored.
        """
        span = self._cut
        if span is None:
            raise ValueError("a bucket must be cut before it is stored")
        # By their ends: one that was taken in may begin before what the horizon left of it.
        self._saved = [known for known in self._saved if known[0].stop <= span.start]
        if span.newest_ms >= self._horizon_ms:
            self._saved.append((span, Bucket(path, digest, span.newest_ms)))
        self._saved_to, self._cut = span.stop, None

    def buckets(self) -> list[Bucket]:
        """References to everything stored that is still within the horizon, oldest first: at most 128."""
        return [bucket for _, bucket in self._saved]

    def restore(self, data: Sequence[bytes], buckets: Sequence[Bucket] = ()) -> None:
        """Fill an empty one from the buckets' bytes, oldest first, and their references.

        Without references the next cut writes everything again as one bucket. Ids past the horizon come back too:
        call `expire_before` with the stream time of the checkpoint.

        Raises:
            StateError: the bytes are not a bucket, or the references are not as many.
        """
        if buckets and len(buckets) != len(data):
            raise StateError(f"buckets of done ids must be {len(buckets)}, got {len(data)}")
        for number, packed in enumerate(data):
            start = self._first + len(self._entries)
            for part in _read(packed, number):
                if isinstance(part, Run):
                    self._take(part)
                else:
                    self.add(*part)
            if buckets:
                stop = self._first + len(self._entries)
                self._saved.append((_Span(start, stop, buckets[number].newest_ms), buckets[number]))
                self._saved_to = stop

    # -- what is old ---------------------------------------------------------------------------------------------

    def _is_kept(self, found: Found) -> bool:
        return found.run.ms(found.place) >= self._horizon_ms

    def _first_kept(self) -> int:
        """Number of the first entry within the horizon; that of the next entry if there is none."""
        horizon_ms = self._horizon_ms
        if (oldest := self._old.oldest()) is not None:
            for number, run in oldest.runs:
                if run.newest_ms >= horizon_ms:
                    return number + run.first_at(horizon_ms)
        number = self._first
        for entry in self._entries:
            if entry[2] >= horizon_ms:
                break
            number += 1
        return number

    def _forget_all(self) -> None:
        """Time has passed every id. One that comes now counts as the newest so far, and is not past the horizon."""
        self._horizon_ms = self._newest_ms
        self._first += len(self._entries)
        self._ids.clear()
        self._entries.clear()
        while self._old.rows:
            self._old.drop_oldest()

    def _pack(self, *, keep: int) -> None:
        """Move the oldest ids of the dictionary to the index."""
        entries, horizon_ms = self._entries, self._horizon_ms
        while entries and entries[0][2] < horizon_ms:
            entries.popleft()
            self._first += 1
        while len(entries) > keep:
            older = [entries.popleft() for _ in range(min(self._run_rows, len(entries) - keep))]
            self._old.add(self._first, Run.of(older), [entry[0] for entry in older])
            self._first += len(older)
        self._ids = {entry[0]: entry for entry in entries}

    def _take(self, run: Run) -> None:
        """A run from a bucket."""
        if run.start_ms < self._newest_ms or len(run) > self._run_rows:
            for entry in run.entries():
                self.add(*entry)
            return
        self._pack(keep=0)
        self._old.add(self._first, run, run.ids())
        self._first += len(run)
        self._newest_ms = run.newest_ms


def _read(packed: bytes, number: int) -> Iterator[Run | Entry]:
    """What a bucket holds."""
    try:
        parts = _parts(packed)
        version = _number(parts[0]) if parts else None
        if (version, len(parts)) not in {(1, 2), (_FORMAT, 3)}:
            raise StateError(f"bucket {number} of done ids must have format {_FORMAT}, got {version}")
        runs = _runs(parts[1]) if version == _FORMAT else []
        yield from map(Run.unpack, runs)
        yield from _entries(parts[-1])
    except msgspec.DecodeError as error:
        raise StateError(f"bucket {number} of done ids must be what a cut gave, got other bytes: {error}") from error
