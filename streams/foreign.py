"""Records of topics that others may write to, read as ours: somebody else's is passed over, whatever is in it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no such record: no JSON or another's, no UTF-8, nested too deeply."""

T = TypeVar("T")


def read_as(value: bytes | None, kind: type[T]) -> T | None:
    r"""The record, None where it is none of this kind.

    >>> read_as(b'{"a": 1}', dict[str, int]), read_as(b"[" * 9_999, dict), read_as(b'"\xff"', str), read_as(None, dict)
    ({'a': 1}, None, None, None)
    """
    try:
        return msgspec.json.decode(value or b"", type=kind)
    except UNREADABLE:
        return None
