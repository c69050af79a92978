"""What must be remembered for every record: one number by offset, in blocks, where objects would take ten times it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal

import msgspec

_SHIFT = 12
_ROWS = 1 << _SHIFT
_MASK = _ROWS - 1
_SIZES = {"B": 1, "Q": 8}
_encode = msgspec.json.Encoder(order="deterministic").encode


class Column:
    """Unsigned numbers by offset, 0 where none was put: 8 bytes each (`Q`) or one (`B`), wherever the offsets begin.

    >>> seen = Column()
    >>> seen[10**12] = 7
    >>> seen[10**12], seen[3], list(seen)
    (7, 0, [(1000000000000, 7)])
    """

    __slots__ = ("_blocks", "_empty", "_type")

    def __init__(self, kind: Literal["B", "Q"] = "Q") -> None:
        self._type, self._empty = kind, bytes(_ROWS * _SIZES[kind])
        self._blocks: dict[int, array[int]] = {}

    def __getitem__(self, offset: int) -> int:
        block = self._blocks.get(offset >> _SHIFT)
        return block[offset & _MASK] if block is not None else 0

    def __setitem__(self, offset: int, value: int) -> None:
        block = self._blocks.get(offset >> _SHIFT)
        if block is None:
            block = self._blocks[offset >> _SHIFT] = array(self._type, self._empty)
        block[offset & _MASK] = value

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(offset, number) of each that is not 0, ascending."""
        for number in sorted(self._blocks):
            first = number << _SHIFT
            for place, value in enumerate(self._blocks[number], first):
                if value:
                    yield place, value


def digest(value: object) -> int:
    """64 bits of a JSON-able value, never 0; the order of an object's keys does not matter.

    >>> digest({"a": 1, "b": 2.0}) == digest({"b": 2.0, "a": 1}) != digest({"a": 1, "b": 2})
    True

    Raises:
        ValueError: a number in it is beyond JSON's.
    """
    try:
        packed = _encode(value)
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from None
    return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big") or 1
