"""A run of done ids: columns of bytes that never change, in memory as in a bucket.

An id costs its own bytes and five more: its end in the text, its time and its label's number, each in the narrowest
type that holds the run. A dictionary entry costs about 300.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from streams.errors import StateError

Label = str | int | float | bool
Entry = tuple[str, Label, int]
"""id, label, stream time in ms."""
Unsigned = npt.NDArray[np.unsignedinteger]

_encode = msgspec.msgpack.Encoder().encode
_labels = msgspec.msgpack.Decoder(list[bool | int | float | str]).decode


class PackedRun(NamedTuple):
    """A run as a bucket holds it; numbers are little-endian, 1, 2, 4 or 8 bytes wide each."""

    rows: int
    start_ms: int
    """Time of the first id."""
    text: memoryview
    """The ids in UTF-8, one after the other."""
    ends: memoryview
    """Where each id ends in `text`."""
    times: memoryview
    """Of each id, since `start_ms`, never falling."""
    labels: bytes
    """The distinct labels, in MessagePack."""
    codes: memoryview
    """Of each id: the place of its label in `labels`."""


class Run:
    """Entries in the order of adding, looked up by place.

    >>> run = Run.of([("a", "yes", 1_000), ("bc", "no", 1_007)])
    >>> run.holds(1, b"bc"), run.holds(1, b"b"), run.label(1), run.ms(1)
    (True, False, 'no', 1007)
    >>> list(Run.unpack(run.pack(1, 2)).entries())
    [('bc', 'no', 1007)]
    """

    __slots__ = ("_codes", "_ends", "_labels", "_text", "_times", "newest_ms", "start_ms")

    def __init__(
        self, start_ms: int, text: bytes, ends: Unsigned, times: Unsigned, labels: bytes, codes: Unsigned
    ) -> None:
        self.start_ms, self.newest_ms = start_ms, start_ms + int(times[-1])
        self._text, self._ends, self._times, self._labels, self._codes = text, ends, times, labels, codes

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Run:
        """At least one entry, times never falling."""
        ids, labels, times = zip(*entries, strict=True)
        texts = [identity.encode() for identity in ids]
        table: dict[tuple[type, Label], int] = {}  # 1, 1.0 and True are labels of their own
        codes = [table.setdefault((label.__class__, label), len(table)) for label in labels]
        return cls(
            times[0],
            b"".join(texts),
            _narrow(accumulate(map(len, texts)), len(texts)),
            _narrow(times, len(times), times[0]),
            _encode([label for _, label in table]),
            _narrow(codes, len(codes)),
        )

    def __len__(self) -> int:
        return len(self._ends)

    def holds(self, place: int, identity: bytes) -> bool:
        """Whether the id at this place is this one, byte by byte."""
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])] == identity

    def label(self, place: int) -> Label:
        """The label at this place."""
        known: Label = _labels(self._labels)[self._codes[place]]
        return known

    def ms(self, place: int) -> int:
        """The stream time at this place."""
        return self.start_ms + int(self._times[place])

    def first_at(self, ms: int) -> int:
        """The first place that is not earlier than `ms`; the length if all are."""
        return int(np.searchsorted(self._times, max(0, ms - self.start_ms)))

    def ids(self) -> list[str]:
        """Every id."""
        text, ends = self._text.decode(), self._ends.tolist()
        if len(text) == len(self._text):
            return [text[start:end] for start, end in pairwise([0, *ends])]
        return [self._text[start:end].decode() for start, end in pairwise([0, *ends])]

    def entries(self) -> Iterator[Entry]:
        """Every entry."""
        labels, start_ms = _labels(self._labels), self.start_ms
        for identity, code, time in zip(self.ids(), self._codes.tolist(), self._times.tolist(), strict=True):
            yield identity, labels[code], start_ms + time

    def pack(self, start: int = 0, stop: int | None = None) -> PackedRun:
        """The entries from `start` up to `stop`, at least one; the whole run is not copied."""
        stop = len(self) if stop is None else stop
        if (start, stop) == (0, len(self)):
            times, ends, text = self._times, self._ends, memoryview(self._text)
        else:
            begin = int(self._ends[start - 1]) if start else 0
            text = memoryview(self._text)[begin : int(self._ends[stop - 1])]
            ends = self._ends[start:stop] - self._ends.dtype.type(begin)
            times = self._times[start:stop] - self._times[start]
        return PackedRun(
            rows=stop - start,
            start_ms=self.ms(start),
            text=text,
            ends=ends.data.cast("B"),
            times=times.data.cast("B"),
            labels=self._labels,
            codes=self._codes[start:stop].data.cast("B"),
        )

    @classmethod
    def unpack(cls, packed: PackedRun) -> Run:
        """What `pack` gave.

        Raises:
            StateError: the columns are no run.
        """
        rows, text = packed.rows, bytes(packed.text)
        try:
            ends, times, codes = (_column(data, rows) for data in (packed.ends, packed.times, packed.codes))
            labels = _labels(packed.labels)
            text.decode()
        except (ValueError, TypeError, msgspec.DecodeError) as error:
            raise StateError(f"a run of done ids must be columns of {rows} rows, got others: {error}") from error
        whole = rows > 0 and int(ends[-1]) == len(text) and int(codes.max()) < len(labels)
        if not whole or not _rises(ends) or not _rises(times):
            raise StateError(f"a run of done ids must be {rows} ids in order, got other columns")
        return cls(packed.start_ms, text, ends, times, packed.labels, codes)


def _narrow(numbers: Iterable[int], count: int, less: int = 0) -> Unsigned:
    """In the narrowest type, `less` taken off each; then no number is negative."""
    wide = np.fromiter(numbers, np.int64, count) - less
    return wide.astype(np.min_scalar_type(int(wide.max())).newbyteorder("<"))


def _column(data: memoryview, rows: int) -> Unsigned:
    width = len(data) // max(rows, 1)
    if rows * width != len(data):
        raise ValueError(f"a column of {len(data)} bytes")
    column: Unsigned = np.frombuffer(data, f"<u{width}").copy()  # a view would keep the whole bucket alive
    return column


def _rises(column: Unsigned) -> bool:
    return bool((column[1:] >= column[:-1]).all())
