"""Rows of named values as numpy columns, and columns as bytes.

Two forms of a column. *Encoded* is how windows and references keep it: float64 with NaN, int64 with
`MISSING_INTEGER`, or objects (`str` or None). *Plain* is what pandas would hold for the same rows, and so what
Evidently computes on: an integer column stays int64 while nothing is missing and is float64 with NaN otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from drift.evidence import ColumnKind

Column = NDArray[Any]

MISSING_INTEGER = -(2**63)
"""Stands for a missing value in an encoded integer column, so the smallest int64 cannot be a value."""

_INTEGER_MAX = 2**63 - 1
_DTYPES: dict[ColumnKind, str] = {"numeric": "<f8", "integer": "<i8", "categorical": "O"}
_NUMBERS = frozenset({float, int, bool, type(None)})
_TEXTS = frozenset({str, type(None)})


def check_kinds(path: str, kinds: Mapping[str, ColumnKind]) -> None:
    """Raise ValueError unless `kinds` names at least one column, each of a known kind."""
    if not kinds:
        raise ValueError(f"{path} must be at least one column, got none")
    for name, kind in kinds.items():
        if kind not in get_args(ColumnKind):
            raise ValueError(f"{path}.{name} must be one of {', '.join(get_args(ColumnKind))}, got {kind!r}")


def dtype_of(kind: ColumnKind) -> str:
    """The dtype of an encoded column, little-endian whatever the machine."""
    return _DTYPES[kind]


def encode(kind: ColumnKind, values: Sequence[object]) -> Column:
    """Values of one column, None where missing, as an array of shape `(len(values),)`.

    Each value is encoded on its own merits, whatever stands beside it: a value that its kind cannot hold (text
    among numbers, an integer beyond int64) is missing. A categorical value that is not text becomes `str(value)`.

    >>> encode("numeric", [1, None, "2"])
    array([ 1., nan, nan])
    """
    if kind == "numeric":
        return _encode_numeric(values)
    if kind == "integer":
        return _encode_integer(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values if _TEXTS.issuperset(map(type, values)) else [_text(value) for value in values]
    return column


def plain(kind: ColumnKind, encoded: Column) -> Column:
    """The encoded column with pandas' dtype; a copy only where the dtype changes.

    >>> plain("integer", encode("integer", [1, 2])), plain("integer", encode("integer", [1, None]))
    (array([1, 2]), array([ 1., nan]))
    """
    if kind != "integer":
        return encoded
    missing = encoded == MISSING_INTEGER
    if not missing.any():
        return encoded
    column = encoded.astype(np.float64)
    column[missing] = np.nan
    return column


def pack(kind: ColumnKind, encoded: Column) -> dict[str, Any]:
    """The encoded column as a dict of strings, lists and bytes; equal columns give equal dicts."""
    if kind == "categorical":
        values = encoded.tolist()
        categories = [value for value in dict.fromkeys(values) if value is not None]  # in order of first appearance
        codes = {None: -1} | {value: code for code, value in enumerate(categories)}
        data = np.fromiter(map(codes.__getitem__, values), dtype="<i4", count=len(values))
        return {"kind": kind, "categories": categories, "data": data.tobytes()}
    column = np.where(np.isnan(encoded), np.nan, encoded) if kind == "numeric" else encoded  # one pattern of NaN
    return {"kind": kind, "data": column.astype(dtype_of(kind), copy=False).tobytes()}


def unpack(path: str, packed: Mapping[str, Any], rows: int) -> tuple[ColumnKind, Column]:
    """What `pack` was given. Raises ValueError naming `path` if the dict is not one of its own."""
    kind: Any = packed.get("kind")
    check_kinds(path, {"kind": kind})
    try:
        data = packed["data"]
        if kind == "categorical":
            codes = np.frombuffer(data, dtype="<i4")
            categories = np.array([*packed["categories"], None], dtype=object)
            column = categories[codes]  # -1 is the last one, None
        else:
            column = np.frombuffer(data, dtype=dtype_of(kind)).copy()
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"{path} must be a packed column, got {type(error).__name__}: {error}") from error
    if column.shape != (rows,):
        raise ValueError(f"{path} must be {rows} values, got {column.size}")
    return kind, column


def transpose(kinds: Mapping[str, ColumnKind], rows: Iterable[Mapping[str, object]]) -> dict[str, Column]:
    """Rows as encoded columns of the names in `kinds`; an absent name is missing, others are ignored."""
    tuples = [tuple(map(row.get, kinds)) for row in rows]
    columns = zip(*tuples, strict=True) if tuples else (() for _ in kinds)
    return {name: encode(kind, values) for (name, kind), values in zip(kinds.items(), columns, strict=True)}


def _encode_numeric(values: Sequence[object]) -> Column:
    if _NUMBERS.issuperset(map(type, values)):
        try:
            return np.array(values, dtype=np.float64)  # numpy reads None as NaN
        except OverflowError:  # an integer beyond float64
            pass
    return np.array([_float(value) for value in values], dtype=np.float64)


def _encode_integer(values: Sequence[object]) -> Column:
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            pass
    return np.array([_integer(value) for value in values], dtype=np.int64)


def _float(value: object) -> float:
    if not isinstance(value, Real):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.nan


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    number = int(value) if isinstance(value, Integral) else MISSING_INTEGER
    return number if MISSING_INTEGER < number <= _INTEGER_MAX else MISSING_INTEGER


def _text(value: object) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 -- NaN, by the one test that holds for any type
        return None
    return value if isinstance(value, str) else str(value)
