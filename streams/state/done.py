"""Ids that met their label, remembered for the dedupe horizon, and saved a little at each cut.

Saving 100,000 ids whole costs 12 ms and 1.8 MB, every second. So each cut writes a bucket with what is new, and the
checkpoint refers to the buckets. Small buckets are merged into the next cut, the way a log-structured merge tree does
it: a bucket takes in its predecessor while that is less than twice its size, so that bucket sizes fall by halves, at
most 64 of them are alive, and each id is written again O(log n) times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from streams.errors import StateError

Label = str | int | float | bool
Entry = tuple[str, Label, int]
"""id, label, stream time in ms."""

_FORMAT = 1
_BUCKETS_MAX = 64
_MERGE_ROWS = 32_768  # a larger bucket is not merged further while there is room: one cut stays under 10 ms

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, list[tuple[str, bool | int | float | str, int]]]).decode


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
    checkpoint. A cut that was not stored is part of the next one.

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

    def __init__(self) -> None:
        self._ids: dict[str, Entry] = {}
        self._entries: deque[Entry] = deque()  # in the order of adding, which is that of time
        self._first = 0  # number of the leftmost entry
        self._newest_ms = 0
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
        self._entries.append(entry)

    def get(self, identity: str) -> Label | None:
        """The label, None if the id is not remembered."""
        entry = self._ids.get(identity)
        return None if entry is None else entry[1]

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def expire_before(self, stream_ms: int) -> None:
        """Forget every id added before `stream_ms`, and the buckets that hold none but such."""
        entries, ids = self._entries, self._ids
        while entries and entries[0][2] < stream_ms:
            entry = entries.popleft()
            self._first += 1
            if ids.get(entry[0]) is entry:  # not added again since
                del ids[entry[0]]
        while self._saved and self._saved[0][0].newest_ms < stream_ms:
            del self._saved[0]

    def cut(self) -> bytes | None:
        """The next bucket: what is not in one yet, and the small ones before it. None if nothing is new."""
        stop = self._first + len(self._entries)
        start = max(self._saved_to, self._first)
        if start == stop:
            self._cut = None
            return None
        cap = max(_MERGE_ROWS, len(self._entries) // 16)
        kept = len(self._saved)
        floor = _BUCKETS_MAX // 2 if kept >= _BUCKETS_MAX else kept  # too many: merge half of them, whatever their size
        while kept:
            before = max(self._saved[kept - 1][0].start, self._first)
            rows = start - before
            if kept <= floor and (rows >= 2 * (stop - start) or stop - before > cap):
                break
            start, kept = before, kept - 1
        newest = list(islice(reversed(self._entries), stop - start))
        newest.reverse()
        self._cut = _Span(start, stop, newest[-1][2])
        return _encode((_FORMAT, newest))

    def stored(self, path: str, digest: str) -> None:
        """The bytes of the last `cut` are durable: from now on `buckets` names them.

        Raises:
            ValueError: there is no cut to be stored.
        """
        span = self._cut
        if span is None:
            raise ValueError("a bucket must be cut before it is stored")
        self._saved = [known for known in self._saved if known[0].start < span.start]
        self._saved.append((span, Bucket(path, digest, span.newest_ms)))
        self._saved_to, self._cut = span.stop, None

    def buckets(self) -> list[Bucket]:
        """References to everything stored that is still within the horizon, oldest first: at most 64."""
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
            try:
                version, entries = _decode(packed)
            except msgspec.DecodeError as error:
                raise StateError(
                    f"bucket {number} of done ids must be what a cut gave, got other bytes: {error}"
                ) from error
            if version != _FORMAT:
                raise StateError(f"bucket {number} of done ids must have format {_FORMAT}, got {version}")
            start = self._first + len(self._entries)
            for entry in entries:
                self.add(*entry)
            if buckets:
                stop = self._first + len(self._entries)
                self._saved.append((_Span(start, stop, buckets[number].newest_ms), buckets[number]))
                self._saved_to = stop
