"""Which rows may have an id: a hash table in a file, behind a Bloom filter in memory.

The memory is two bytes for an id that the table has room for, whatever the ids; the table itself is 16 to 32 bytes an
id on disk. It is never read by another process, which would hash texts differently: a file without a name.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.state.done_index import PATTERNS, Hashes

Places = npt.NDArray[np.int64]

_SLOT = 8
_WINDOW = 16  # slots read at once: most probes end in the first
_TABLES = 8
_PLACE_BITS = 40
_PLACE = (1 << _PLACE_BITS) - 1
_TAG = (1 << 24) - 1
_PATTERN_OF = np.frombuffer(PATTERNS, np.uint8)
_ZEROS = bytes(1 << 20)


class IdTable:
    """Numbers of rows by the hash of their id; several rows may share one.

    >>> table = IdTable(Path("/tmp"), room=100)
    >>> table.add(np.array([hash("a"), hash("b")]), np.array([7, 8]))
    >>> table.find(hash("a")), table.find(hash("c")), table.room
    ([7], [], 98)
    >>> table.close()
    """

    def __init__(self, folder: Path, room: int) -> None:
        """Raises OSError when the disk has no room for it."""
        self.room = room
        """Rows that it still takes."""
        slots = 1 << (2 * room - 1).bit_length()  # at most half full, or probes would grow long
        self._mask, self._bytes = slots - 1, slots * _SLOT
        size = 1 << (room - 1).bit_length()
        self.filter_mask, self.filter = size - 1, bytearray(size)
        """`filter[hash & filter_mask]` has the bits of the pattern of each hash that was added."""
        self._descriptor, name = tempfile.mkstemp(dir=folder, prefix="ids-")  # 0600
        os.unlink(name)  # noqa: PTH108 - a descriptor's
        try:
            _reserve(self._descriptor, self._bytes)
        except OSError:
            self.close()
            raise

    def add(self, hashes: Hashes, rows: Places) -> None:
        """Put in rows, as many as there is room for at most. 0.5 ms for 512."""
        self.room -= len(rows)
        np.bitwise_or.at(
            np.frombuffer(self.filter, np.uint8), hashes & self.filter_mask, _PATTERN_OF[hashes >> 24 & 255]
        )
        entry = (((hashes >> 32 & _TAG) << _PLACE_BITS) | (rows + 1)).astype(np.uint64)
        slot = hashes & self._mask
        with mmap.mmap(self._descriptor, self._bytes) as mapped:  # for now alone: it would count as our memory
            slots = np.frombuffer(mapped, np.uint64)
            while len(slot):
                free = slots[slot] == 0
                slots[slot[free]] = entry[free]
                left = slots[slot] != entry  # of several that wanted a slot, one has it
                slot, entry = (slot[left] + 1) & self._mask, entry[left]
            del slots

    def find(self, hashed: int) -> list[int]:
        """Rows whose id may have this hash, in no order; not only those."""
        tag, slot = hashed >> 32 & _TAG, hashed & self._mask
        found: list[int] = []
        while True:
            window = os.pread(self._descriptor, _WINDOW * _SLOT, slot * _SLOT)
            for known in memoryview(window).cast("Q"):
                if not known:
                    return found
                if known >> _PLACE_BITS == tag:
                    found.append((known & _PLACE) - 1)
            slot = (slot + len(window) // _SLOT) & self._mask

    def close(self) -> None:
        """Give the disk back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            self.close()


class IdTables:
    """Tables in the order in which they were filled, each with room for an eighth of the rows that were there by then.

    One for all would be looked into sooner, and filled more slowly: each row would touch a page of its own.

    >>> tables = IdTables(Path("/tmp"), table_rows=4)
    >>> tables.add(np.array([hash("a"), hash("b")]), np.array([7, 8]), there=2)
    >>> tables.find(hash("a")), tables.oldest_stop
    ([7], 9)
    >>> tables.close()
    """

    def __init__(self, folder: Path, table_rows: int) -> None:
        self._folder, self._table_rows = folder, table_rows
        self._tables: list[IdTable] = []
        self._stops: list[int] = []

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def oldest_stop(self) -> int:
        """No row from this number on is in the oldest table."""
        return self._stops[0] if self._stops else 0

    def make_room(self, rows: int, there: int) -> None:
        """For so many rows more, where `there` are already; raises OSError when the disk has none."""
        if not self._tables or self._tables[-1].room < rows:
            self._tables.append(IdTable(self._folder, max(self._table_rows, rows, there // _TABLES)))
            self._stops.append(0)

    def add(self, hashes: Hashes, rows: Places, there: int) -> None:
        """Put in rows by the hashes of their ids; numbers are greater than any before."""
        self.make_room(len(rows), there)
        self._tables[-1].add(hashes, rows)
        self._stops[-1] = int(rows[-1]) + 1

    def find(self, hashed: int) -> list[int]:
        """Rows whose id may have this hash, in no order; not only those."""
        pattern = PATTERNS[hashed >> 24 & 255]
        found: list[int] = []
        for table in self._tables:
            if table.filter[hashed & table.filter_mask] & pattern == pattern:
                found += table.find(hashed)
        return found

    def drop_below(self, row: int) -> None:
        """No row of a smaller number is asked for any more."""
        while len(self._tables) > 1 and self._stops[0] <= row:
            self._tables.pop(0).close()
            del self._stops[0]

    def close(self) -> None:
        """Give the disk back."""
        for table in self._tables:
            table.close()
        self._tables, self._stops = [], []


def _reserve(descriptor: int, size: int) -> None:
    """Now, or a full disk would end the process where a mapped page is written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for start in range(0, size, len(_ZEROS)):
        os.pwrite(descriptor, _ZEROS[: size - start], start)
