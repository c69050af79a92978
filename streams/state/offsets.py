"""A set of log offsets from which members leave in any order, and whose ranges are asked for often.

Offsets are grouped in blocks of 1,024; a block is one Python integer used as a bit field. Putting in and taking out
cost a few integer operations whatever the size, for many at once a fifth of that, and the ranges come from numpy in one
pass over the bits: 1 to 20 ms for 10^6 members, by the number of ranges. `pack` is for whoever asks every second: it
never walks over members.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from streams.errors import StateError
from streams.state.intervals import Intervals

_SHIFT = 10
_BLOCK = 1 << _SHIFT
_MASK = _BLOCK - 1
_BYTES = _BLOCK // 8
_BITS = tuple(1 << bit for bit in range(_BLOCK))
_FULL = (1 << _BLOCK) - 1
_RUN = struct.Struct("<QQ")
_READABLE_BLOCKS = 128  # 3 ms at most
_RUN_MAX = 1 << 32  # blocks in a run: more is no log


Offsets = Sequence[int] | npt.NDArray[np.int64]


class OffsetSet:
    """A set of non-negative integers; memory is about 0.25 bytes per offset between the smallest and the largest.

    >>> pending = OffsetSet()
    >>> pending.add(7), pending.add(8), pending.add(2000), pending.add(8)
    (True, True, True, False)
    >>> pending.discard(7)
    >>> list(pending.intervals()), pending.min()
    ([(8, 9), (2000, 2001)], 8)
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}

    def add(self, offset: int) -> bool:
        """Put it in; False if it was there."""
        block, bit = offset >> _SHIFT, _BITS[offset & _MASK]
        bits = self._blocks.get(block, 0)
        if bits & bit:
            return False
        self._blocks[block] = bits | bit
        return True

    def discard(self, offset: int) -> None:
        """Take it out, if it is there."""
        block, bit = offset >> _SHIFT, _BITS[offset & _MASK]
        bits = self._blocks.get(block, 0)
        if bits == bit:
            del self._blocks[block]
        elif bits & bit:
            self._blocks[block] = bits ^ bit

    def add_all(self, offsets: Offsets) -> None:
        """Put in many, none of which may be there.

        Raises:
            ValueError: one was there, or comes twice.
        """
        blocks, before = self._blocks, len(offsets)
        for block, bits in _blocks_of(offsets):
            known = blocks.get(block, 0)
            if known & bits:
                raise ValueError(
                    f"offsets must be new, got one of {block << _SHIFT} to {(block + 1 << _SHIFT) - 1} again"
                )
            blocks[block] = known | bits
            before -= bits.bit_count()
        if before:
            raise ValueError(f"offsets must be new, got {before} of them twice")

    def discard_all(self, offsets: Offsets) -> None:
        """Take out many, those that are there."""
        blocks = self._blocks
        for block, bits in _blocks_of(offsets):
            left = blocks.get(block, 0) & ~bits
            if left:
                blocks[block] = left
            else:
                blocks.pop(block, None)

    def holds(self, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these are in it; `(n,)`, as the offsets."""
        blocks, at = np.unique(offsets >> _SHIFT, return_inverse=True)
        get = self._blocks.get
        packed = b"".join([get(block, 0).to_bytes(_BYTES, "little") for block in blocks.tolist()])
        low = offsets & _MASK
        found: npt.NDArray[np.uint8] = (
            np.frombuffer(packed, np.uint8).reshape(-1, _BYTES)[at, low >> 3] >> (low & 7) & 1
        )
        return found.astype(bool)

    def union(self, other: OffsetSet) -> OffsetSet:
        """Members of either, a copy."""
        made = OffsetSet()
        made._blocks = dict(self._blocks)
        for block, bits in other._blocks.items():
            made._blocks[block] = made._blocks.get(block, 0) | bits
        return made

    def __contains__(self, offset: int) -> bool:
        return bool(self._blocks.get(offset >> _SHIFT, 0) & _BITS[offset & _MASK])

    def min(self) -> int | None:
        """The smallest member, None if there is none; O(blocks)."""
        if not self._blocks:
            return None
        block = min(self._blocks)
        bits = self._blocks[block]
        return (block << _SHIFT) + (bits & -bits).bit_length() - 1

    def intervals(self) -> Intervals:
        """Its ranges, a copy."""
        if not self._blocks:
            return Intervals()
        blocks = sorted(self._blocks)
        whole: list[int] = []  # with an empty block in every gap, so that no range reaches over one
        for block in blocks:
            if whole and block != whole[-1] + 1:
                whole.append(whole[-1] + 1)
            whole.append(block)
        get = self._blocks.get
        packed = b"".join([get(block, 0).to_bytes(_BYTES, "little") for block in whole])
        bits = np.zeros(len(whole) * _BLOCK + 2, dtype=np.uint8)
        bits[1:-1] = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), bitorder="little")
        edges = np.flatnonzero(bits[1:] != bits[:-1])
        first, last = edges[::2], edges[1::2] - 1
        base = np.array(whole, dtype=np.int64) << _SHIFT
        starts = base[first >> _SHIFT] + (first & _MASK)
        stops = base[last >> _SHIFT] + (last & _MASK) + 1
        return Intervals.from_ranges(starts.tolist(), stops.tolist())

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._blocks.values())

    def pack(self) -> bytes:
        """As bytes: a run of full blocks in 16, any other block in 136. 1 ms for 10^6 members, whatever the holes."""
        parts: list[bytes] = []
        first = following = -1  # of the run of full blocks that is open
        for block, bits in sorted(self._blocks.items()):
            if following == block and bits == _FULL:
                following += 1
                continue
            if following > first:
                parts.append(_RUN.pack(first << 1 | 1, following - first))
            first = following = block
            if bits == _FULL:
                following += 1
            else:
                parts.append((block << 1).to_bytes(8, "little") + bits.to_bytes(_BYTES, "little"))
        if following > first:
            parts.append(_RUN.pack(first << 1 | 1, following - first))
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """What `pack` gave.

        Raises:
            StateError: the bytes are not whole blocks in ascending order.
        """
        made, at, block = cls(), 0, -1
        while at < len(packed):
            head, stop = int.from_bytes(packed[at : at + 8], "little"), at + (16 if packed[at] & 1 else 8 + _BYTES)
            body = int.from_bytes(packed[at + 8 : stop], "little")
            if stop > len(packed) or head >> 1 <= block or not body or (head & 1 and body > _RUN_MAX):
                raise StateError(f"packed offsets must be blocks in order, got {len(packed)} other bytes")
            block = head >> 1
            if head & 1:
                made._blocks.update(dict.fromkeys(range(block, block + body), _FULL))
                block += body - 1
            else:
                made._blocks[block] = body
            at = stop
        return made

    def saved(self) -> list[int] | bytes:
        """For a checkpoint: ranges that people can read while they are few, packed otherwise."""
        return self.intervals().to_list() if len(self._blocks) <= _READABLE_BLOCKS else self.pack()

    @classmethod
    def from_saved(cls, saved: Sequence[int] | bytes) -> Self:
        """What `saved` gave; raises `StateError` for anything else.

        >>> OffsetSet.from_saved([7, 2]).intervals()
        Intervals([(7, 9)])
        """
        return cls.unpack(saved) if isinstance(saved, bytes) else cls.of(Intervals.from_list(saved))

    @classmethod
    def of(cls, ranges: Intervals) -> Self:
        """The same members."""
        made = cls()
        for start, stop in ranges:
            for block in range(start >> _SHIFT, (stop - 1 >> _SHIFT) + 1):
                first, last = max(start, block << _SHIFT), min(stop, block + 1 << _SHIFT)
                bits = ((1 << last - first) - 1) << (first & _MASK)
                made._blocks[block] = made._blocks.get(block, 0) | bits
        return made


def _blocks_of(offsets: Offsets) -> Iterator[tuple[int, int]]:
    """Each block's number and the bits of these offsets in it."""
    if len(offsets) == 0:
        return
    ascending = np.sort(np.asarray(offsets, dtype=np.int64))
    blocks = ascending >> _SHIFT
    for part in np.split(ascending, np.flatnonzero(np.diff(blocks)) + 1):
        bits = np.zeros(_BLOCK, dtype=np.uint8)
        bits[part & _MASK] = 1
        yield int(part[0]) >> _SHIFT, int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
