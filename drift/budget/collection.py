"""Rows that are kept to make a reference of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from drift.columns import Column, pack, transpose, unpack
from drift.evidence import ColumnKind


class Collection:
    """Some columns of the rows since it was begun."""

    def __init__(self, kinds: Mapping[str, ColumnKind]) -> None:
        self._kinds: dict[str, ColumnKind] = {
            name: "categorical" if kind == "categorical" else "numeric" for name, kind in kinds.items()
        }
        self._codes: dict[str, dict[str | None, int]] = {
            name: {None: -1} for name, kind in self._kinds.items() if kind == "categorical"
        }
        """Of each text its number, as `drift.columns.pack` has it: a checkpoint need not look at each text again."""
        self._parts: list[dict[str, Column]] = []
        self._phases: list[float] = []
        self.rows = 0

    @property
    def names(self) -> list[str]:
        """Of the columns that are kept."""
        return list(self._kinds)

    @property
    def phases(self) -> Sequence[float]:
        """Of each row, in the declared period; empty without one."""
        return self._phases

    def extend(self, rows: Sequence[Mapping[str, Any]], phases: Iterable[float]) -> None:
        """Further rows, at least one."""
        self.add(transpose(self._kinds, rows), phases)

    def add(self, columns: Mapping[str, Column], phases: Iterable[float]) -> None:
        """Further rows as columns; missing is None or NaN."""
        kept = {
            name: _coded(columns[name], self._codes[name])
            if kind == "categorical"
            else np.asarray(columns[name], dtype=np.float64)
            for name, kind in self._kinds.items()
        }
        self._parts.append(kept)
        self._phases.extend(phases)
        self.rows += next(iter(kept.values())).size

    def columns(self) -> dict[str, Column]:
        """Each column whole, missing as None or NaN."""
        texts = {name: np.array([*list(codes)[1:], None], dtype=object) for name, codes in self._codes.items()}
        return {name: texts[name][column] if name in texts else column for name, column in self._whole().items()}

    def _whole(self) -> dict[str, Column]:
        if len(self._parts) > 1:
            self._parts = [{name: np.concatenate([part[name] for part in self._parts]) for name in self._kinds}]
        return self._parts[0] if self._parts else {}

    def narrow(self, names: Iterable[str]) -> None:
        """Keep these columns only, at least one."""
        whole = self._whole()
        self._kinds = {name: self._kinds[name] for name in names}
        self._codes = {name: codes for name, codes in self._codes.items() if name in self._kinds}
        self._parts = [{name: whole[name] for name in self._kinds}]

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        return {
            "kinds": dict(self._kinds),
            "rows": self.rows,
            "phases": list(self._phases),
            "columns": {name: self._packed(name, column) for name, column in self._whole().items()},
        }

    def _packed(self, name: str, column: Column) -> dict[str, Any]:
        if name not in self._codes:
            return pack(self._kinds[name], column)
        return {"kind": "categorical", "categories": list(self._codes[name])[1:], "data": column.tobytes()}

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Collection:
        """The collection that `snapshot` was taken of."""
        collection = cls(snapshot["kinds"])
        collection.rows, collection._phases = snapshot["rows"], list(snapshot["phases"])
        if collection.rows:
            packed = snapshot["columns"].items()
            collection._parts = [
                {
                    name: _coded(column, collection._codes[name]) if name in collection._codes else column
                    for name, (_, column) in ((name, unpack(name, each, collection.rows)) for name, each in packed)
                }
            ]
        return collection


def _coded(column: Column, codes: dict[str | None, int]) -> Column:
    """Numbers of the texts; new ones get the next."""
    texts = column.tolist()
    for text in dict.fromkeys(texts):
        codes.setdefault(text, len(codes) - 1)
    return np.fromiter(map(codes.__getitem__, texts), dtype="<i4", count=len(texts))
