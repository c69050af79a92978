"""The sample that windows are compared with, everything about it worked out once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from drift.categorical import CategoricalSample
from drift.columns import Column, check_kinds, encode, pack, plain, transpose, unpack
from drift.evidence import ColumnKind
from drift.numeric import NumericSample
from drift.statistics import Sample

_FORMAT = "millrace-reference/1"


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    rows: int
    columns: dict[str, dict[str, Any]]


class Reference:
    """Rows of named columns that never change, identified by the digest of their values.

    The order of the columns is of no account, that of the rows is: pandas' standard deviation depends on it in the
    last bit. Kinds, columns and samples are sorted by name.

    >>> rows = [{"amount": 1.5, "country": "NZ"}, {"country": "PE"}]
    >>> reference = Reference.from_rows({"amount": "numeric", "country": "categorical"}, rows)
    >>> reference.rows, reference.columns["amount"], reference.samples["country"].counts
    (2, array([1.5, nan]), {'NZ': 1, 'PE': 1})
    >>> Reference.from_bytes(reference.to_bytes()).digest == reference.digest
    True
    """

    def __init__(self, kinds: Mapping[str, ColumnKind], encoded: Mapping[str, Column]) -> None:
        check_kinds("reference", kinds)
        self.kinds: Mapping[str, ColumnKind] = MappingProxyType(dict(sorted(kinds.items())))
        self._encoded = {name: encoded[name] for name in self.kinds}
        self._prepared: dict[str, Sample] = {}
        sizes = {name: column.size for name, column in self._encoded.items()}
        self.rows = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            raise ValueError(f"reference must be columns of one length, got {sizes}")
        if self.rows == 0:
            raise ValueError("reference must be at least 1 row, got 0")

    @classmethod
    def from_rows(cls, kinds: Mapping[str, ColumnKind], rows: Iterable[Mapping[str, object]]) -> Reference:
        """Build from rows; an absent name is missing, a name not in `kinds` is ignored."""
        check_kinds("reference", kinds)
        return cls(kinds, transpose(kinds, rows))

    @classmethod
    def from_columns(cls, kinds: Mapping[str, ColumnKind], columns: Mapping[str, Column]) -> Reference:
        """Build from arrays of one length, one per name in `kinds`; missing is None or NaN. The arrays are copied."""
        check_kinds("reference", kinds)
        absent = [name for name in kinds if name not in columns]
        if absent:
            raise ValueError(f"reference must be all of {', '.join(kinds)}, got none for {', '.join(absent)}")
        return cls(kinds, {name: encode(kind, np.asarray(columns[name]).tolist()) for name, kind in kinds.items()})

    @property
    def encoded(self) -> Mapping[str, Column]:
        """The columns as they are kept, see `drift.columns`; not to be changed."""
        return MappingProxyType(self._encoded)

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Read-only arrays of shape `(rows,)` as pandas would type them, NaN or None where missing."""
        columns = {name: plain(kind, self._encoded[name]).view() for name, kind in self.kinds.items()}
        for column in columns.values():
            column.flags.writeable = False
        return MappingProxyType(columns)

    @cached_property
    def samples(self) -> Mapping[str, Sample]:
        """The present values of each column, ready to be compared with."""
        return MappingProxyType({name: self._sample(name) for name in self.kinds})

    def _sample(self, name: str) -> Sample:
        if name not in self._prepared:
            self._prepared[name] = sample_of(self.kinds[name], self.columns[name])
        return self._prepared[name]

    def prepare(self) -> Iterator[None]:
        """Work out the samples and the digest piece by piece; else it is done when somebody asks, all at once."""
        for name in self.kinds:
            if name not in self._prepared:
                self._sample(name)
                yield
        if "digest" not in self.__dict__:
            yield
            self.digest  # noqa: B018 - is kept

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes()` in hexadecimal: equal iff names, kinds and values in row order are."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The columns as MessagePack; the same reference gives the same bytes everywhere."""
        columns = {name: pack(kind, self._encoded[name]) for name, kind in self.kinds.items()}
        return msgspec.msgpack.encode(_Content(format=_FORMAT, rows=self.rows, columns=columns))

    @classmethod
    def from_bytes(cls, data: bytes) -> Reference:
        """What `to_bytes` wrote. Raises ValueError for anything else."""
        try:
            content = msgspec.msgpack.decode(data, type=_Content)
        except msgspec.MsgspecError as error:
            raise ValueError(f"reference must be {_FORMAT} in MessagePack, got something else: {error}") from error
        if content.format != _FORMAT:
            raise ValueError(f"reference must be {_FORMAT}, got {content.format!r}")
        kinds: dict[str, ColumnKind] = {}
        encoded: dict[str, Column] = {}
        for name, packed in content.columns.items():
            kinds[name], encoded[name] = unpack(f"reference.{name}", packed, content.rows)
        return cls(kinds, encoded)


def sample_of(kind: ColumnKind, column: Column) -> Sample:
    """The present values of a plain column."""
    return CategoricalSample(column) if kind == "categorical" else NumericSample(column)
