"""What every moving reference does, and how its rows become bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from drift.columns import Column, pack, unpack
from drift.evidence import ColumnKind
from drift.reference import Reference


class Past(Protocol):
    """Rows that came before the window, a bounded number of them."""

    def enter(self, columns: Mapping[str, Column], phases: Sequence[float]) -> None:
        """Rows that have left the window, oldest first, in encoded form; their phases, of a period that is declared."""

    def against(self, phases: Sequence[float]) -> Reference:
        """What rows of these phases are to be compared with. The same object as long as it is the same rows."""

    def phases_of(self) -> Sequence[float]:
        """Of the rows of `against` in their order; empty without a period."""

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes; later rows do not change it."""

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""


def packed(kinds: Mapping[str, ColumnKind], columns: Mapping[str, Column]) -> dict[str, Any]:
    """Columns in encoded form as plain types and bytes."""
    return {name: pack(kind, columns[name]) for name, kind in kinds.items()}


def unpacked(kinds: Mapping[str, ColumnKind], snapshot: Mapping[str, Any], rows: int) -> dict[str, Column]:
    """What `packed` was given. Raises ValueError if it is of other columns."""
    found = {name: unpack(f"past.{name}", each, rows) for name, each in snapshot.items()}
    if (got := {name: kind for name, (kind, _) in found.items()}) != dict(kinds):
        raise ValueError(f"past must be rows of {dict(kinds)}, got rows of {got}")
    return {name: column for name, (_, column) in found.items()}
