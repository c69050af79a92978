"""A part of the pending predictions on disk: two files that only grow, and that one process ever writes.

`<name>.rows` has what a prediction consists of, one after the other; `<name>.index` has blocks of fixed columns and
ids, enough to find every row again. A checkpoint names the length and the hash of the index up to its cut, and each
row of the index has a hash of its prediction: so what was written after the cut is passed over, and a byte that has
changed is noticed before anything is made of it.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from streams.state.place import StoreAwayError

_COLUMNS = [
    ("source", "<i8"),
    ("event_ms", "<i8"),
    ("where", "<i8"),
    ("floor", "<i8"),
    ("at", "<i8"),
    ("id_size", "<i4"),
    ("key_size", "<i4"),
    ("size", "<i4"),
    ("check", "V16"),
]
_DTYPE = np.dtype(_COLUMNS)
_ROW = struct.Struct("<qqqqqiii16s")
_CHECKED = struct.Struct("<qqqii")  # what the check of a row covers beside its bytes
_HEAD = struct.Struct("<4sII")
_MAGIC = b"mlr1"
_NAME = re.compile(r"[0-9a-f]{16}")
_PIECE = 1 << 20
_SYNC = getattr(os, "fdatasync", os.fsync)

Rows = npt.NDArray[Any]
"""A structured array of the index' columns."""
Entry = tuple[str, bytes | None, bytes, int, int, int | None, int]
"""id, key, value, event_ms, source, where; and an offset of predictions below which it does not lie."""


class Listed(msgspec.Struct, array_like=True, frozen=True):
    """What a checkpoint says of a segment."""

    name: str
    index_bytes: int
    rows_bytes: int
    digest: bytes
    """Of the index."""


class Block(NamedTuple):
    """Rows before they are in a segment: `at` counts from the beginning of `body`."""

    rows: Rows
    text: bytes
    """Their ids."""
    body: bytes


class Chunk(NamedTuple):
    """Where a block went."""

    first: int
    """Place of its first row in the segment."""
    rows: int
    offset: int
    """Of its columns in the index."""
    text_bytes: int
    crc: int


def block_of(entries: Sequence[Entry]) -> Block:
    """At least one row, as bytes. 3 us each."""
    rows, texts, bodies, at = [], [], [], 0
    for identity, key, value, event_ms, source, where, floor in entries:
        text = identity.encode()
        body = text + (key or b"") + value
        place, key_size = -1 if where is None else where, -1 if key is None else len(key)
        check = _check(source, event_ms, place, len(text), key_size, body)
        rows.append(_ROW.pack(source, event_ms, place, floor, at, len(text), key_size, len(body), check))
        texts.append(text)
        bodies.append(body)
        at += len(body)
    return Block(np.frombuffer(b"".join(rows), _DTYPE), b"".join(texts), b"".join(bodies))


class Segment:
    """Rows by place. Made by `create`, or from an earlier process's files by `adopt`.

    `first` is the number of its first row among all rows of all segments.
    """

    def __init__(self, folder: Path, name: str, first: int, descriptors: tuple[int, int]) -> None:
        self.folder, self.name, self.first = folder, name, first
        self._index, self._rows = descriptors
        self.rows = self.alive = 0
        self.live = bytearray()
        """Of each row: 1 while it is pending."""
        self.chunks: list[Chunk] = []
        self._starts: list[int] = []
        self._index_bytes = self._rows_bytes = 0
        self._hash = blake2b(digest_size=32)
        self.unsynced = False

    @classmethod
    def create(cls, folder: Path, first: int, *, kept: bool) -> Self:
        """Raises OSError. Without `kept` its files lose their names at once."""
        name = os.urandom(8).hex()
        descriptors = []
        for path in _paths(folder, name):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptors.append(os.open(path, flags, 0o600))
            if not kept:
                path.unlink()
        return cls(folder, name, first, (descriptors[0], descriptors[1]))

    @classmethod
    def adopt(cls, folder: Path, listed: Listed, first: int) -> Self:
        """What a checkpoint has named, if every byte of the index is as it was.

        Raises:
            StoreAwayError: it is not.
            OSError: it cannot be read.
        """
        if not _NAME.fullmatch(listed.name):
            raise StoreAwayError(f"a segment must be named in 16 hexadecimal digits, got {listed.name!r}")
        descriptors: list[int] = []
        try:
            for path in _paths(folder, listed.name):
                descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))  # noqa: PERF401 - closed if one fails
            made = cls(folder, listed.name, first, (descriptors[0], descriptors[1]))
        except OSError:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        try:
            made._take(listed)
        except BaseException:
            made.close()
            raise
        return made

    def _take(self, listed: Listed) -> None:
        self._index_bytes, self._rows_bytes = listed.index_bytes, listed.rows_bytes
        held = os.fstat(self._rows).st_size
        if held < listed.rows_bytes:
            raise StoreAwayError(f"{self.name}.rows must hold {listed.rows_bytes} bytes, got {held}")
        for start in range(0, listed.index_bytes, _PIECE):
            self._hash.update(os.pread(self._index, min(_PIECE, listed.index_bytes - start), start))
        if self._hash.digest() != listed.digest:
            raise StoreAwayError(f"{self.name}.index must be what a checkpoint has named, got other bytes")
        at = 0
        while at < listed.index_bytes:
            magic, rows, text_bytes = _HEAD.unpack(os.pread(self._index, _HEAD.size, at))
            offset = at + _HEAD.size
            at = offset + rows * _ROW.size + text_bytes
            if magic != _MAGIC or not rows or at > listed.index_bytes:
                raise StoreAwayError(f"{self.name}.index must consist of blocks, got something else")
            crc = zlib.crc32(os.pread(self._index, at - offset, offset))
            self._note(Chunk(self.rows, rows, offset, text_bytes, crc))

    def listed(self) -> Listed:
        """As it is now, for a checkpoint."""
        return Listed(self.name, self._index_bytes, self._rows_bytes, self._hash.digest())

    def append(self, block: Block) -> Chunk:
        """Put rows in, all pending. Nothing has changed if the disk refuses.

        Raises:
            StoreAwayError: the disk is full.
        """
        rows = block.rows.copy()
        rows["at"] += self._rows_bytes
        packed = rows.tobytes() + block.text
        part = _HEAD.pack(_MAGIC, len(rows), len(block.text)) + packed
        try:
            _write(self._rows, block.body, self._rows_bytes)
            _write(self._index, part, self._index_bytes)
        except OSError as error:
            raise StoreAwayError(f"could not move pending predictions to {self.folder}: {error}") from error
        chunk = Chunk(self.rows, len(rows), self._index_bytes + _HEAD.size, len(block.text), zlib.crc32(packed))
        self._hash.update(part)
        self._rows_bytes += len(block.body)
        self._index_bytes += len(part)
        self._note(chunk)
        self.live[chunk.first :] = b"\1" * chunk.rows
        self.alive += chunk.rows
        self.unsynced = True
        return chunk

    def _note(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._starts.append(chunk.first)
        self.rows += chunk.rows
        self.live += bytes(chunk.rows)

    def chunk_at(self, place: int) -> Chunk:
        """The chunk that has the row at this place."""
        return self.chunks[bisect_right(self._starts, place) - 1]

    def index(self, chunk: Chunk) -> tuple[Rows, bytes]:
        """The columns of a chunk, and its ids' text. 50 us for 512 rows.

        Raises:
            StoreAwayError: they have changed.
        """
        columns = chunk.rows * _ROW.size
        packed = os.pread(self._index, columns + chunk.text_bytes, chunk.offset)
        if zlib.crc32(packed) != chunk.crc:
            raise self._damaged()
        return np.frombuffer(packed, _DTYPE, chunk.rows), packed[columns:]

    def row(self, place: int) -> tuple[str, bytes | None, bytes, int, int, int | None]:
        """(id, key, value, event_ms, source, where). 8 us.

        Raises:
            StoreAwayError: it is not as it was written.
        """
        chunk = self.chunk_at(place)
        packed = os.pread(self._index, _ROW.size, chunk.offset + (place - chunk.first) * _ROW.size)
        if len(packed) != _ROW.size:
            raise self._damaged()
        source, event_ms, where, _, at, id_size, key_size, size, check = _ROW.unpack(packed)
        body = os.pread(self._rows, size, at) if size >= 0 <= at else b""
        if _check(source, event_ms, where, id_size, key_size, body) != check:
            raise self._damaged()
        start = id_size + max(0, key_size)
        key = None if key_size < 0 else body[id_size:start]
        return body[:id_size].decode(), key, body[start:], event_ms, source, None if where < 0 else where

    def living(self, chunk: Chunk) -> npt.NDArray[np.bool_]:
        """Which rows of a chunk are pending."""
        flags = np.frombuffer(self.live, np.uint8, chunk.rows, chunk.first)
        return flags.astype(bool)  # a copy: the array must not hold on to what grows

    def block(self, chunk: Chunk) -> Block | None:
        """The rows of a chunk that are pending, to be appended elsewhere; None without any."""
        living = self.living(chunk)
        if not living.any():
            return None
        index, text = self.index(chunk)
        ids = ids_of(index, text)
        rows = index[living].copy()
        start = int(rows["at"][0])
        data = os.pread(self._rows, int(rows["at"][-1] + rows["size"][-1]) - start, start)
        begins = (rows["at"] - start).tolist()
        body = b"".join([data[at : at + size] for at, size in zip(begins, rows["size"].tolist(), strict=True)])
        if len(body) != int(rows["size"].sum()):
            raise self._damaged()
        rows["at"] = np.cumsum(rows["size"]) - rows["size"]
        return Block(rows, "".join([ids[n] for n in np.flatnonzero(living).tolist()]).encode(), body)

    def sync(self) -> None:
        """What was appended survives a machine that stops; on a thread."""
        with suppress(OSError):  # closed since; or it is found damaged later
            _SYNC(self._rows)
            _SYNC(self._index)

    def close(self) -> None:
        """Its files stay."""
        for descriptor in (self._index, self._rows):
            if descriptor >= 0:
                os.close(descriptor)
        self._index = self._rows = -1

    def remove(self) -> None:
        """Give the disk back."""
        self.close()
        for path in _paths(self.folder, self.name):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def __del__(self) -> None:
        if getattr(self, "_index", -1) >= 0:
            self.close()

    def _damaged(self) -> StoreAwayError:
        """The copy goes, so that the next start reads the log."""
        for path in _paths(self.folder, self.name):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return StoreAwayError(
            f"could not read pending predictions from {self.folder / self.name}: they are not what was written, and "
            "are removed; the next start reads them from the log"
        )


def ids_of(rows: Rows, text: bytes) -> list[str]:
    """The ids of these rows, of whose chunk this is the text."""
    ends = [0, *accumulate(rows["id_size"].tolist())]
    whole = text.decode()
    if len(whole) == len(text):
        return [whole[start:end] for start, end in pairwise(ends)]
    return [text[start:end].decode() for start, end in pairwise(ends)]


def names_in(folder: Path) -> Iterator[Path]:
    """Files of segments, whoever made them."""
    for path in folder.iterdir():
        if path.suffix in {".index", ".rows"} and _NAME.fullmatch(path.stem):
            yield path


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.index", folder / f"{name}.rows"


def _check(source: int, event_ms: int, where: int, id_size: int, key_size: int, body: bytes) -> bytes:
    return blake2b(_CHECKED.pack(source, event_ms, where, id_size, key_size) + body, digest_size=16).digest()


def _write(descriptor: int, data: bytes, at: int) -> None:
    while True:
        written = os.pwrite(descriptor, data, at)
        if written == len(data):
            return
        data, at = data[written:], at + written
