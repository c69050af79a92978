"""The rows right before the window: a change is seen once, and is normal as soon as they are all from after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drift.columns import Column
from drift.reference import Reference
from drift.references.past import packed, unpacked


class Sliding:
    """As many rows as the first reference has, always the latest.

    >>> from drift.columns import encode
    >>> sliding = Sliding(Reference.from_rows({"a": "numeric"}, [{"a": 1.0}, {"a": 2.0}]))
    >>> sliding.enter({"a": encode("numeric", [3.0])}, ())
    >>> sliding.against(()).columns["a"]
    array([2., 3.])
    """

    def __init__(self, first: Reference, phases: Sequence[float] = ()) -> None:
        self._reference = first
        self._phases = list(phases)
        self._packed: dict[str, Any] | None = None

    def enter(self, columns: Mapping[str, Column], phases: Sequence[float]) -> None:
        """Rows that have left the window push out as many of the oldest."""
        before, rows = self._reference, self._reference.rows
        if not next(iter(columns.values())).size:
            return
        kept = {name: np.concatenate([before.encoded[name], columns[name]])[-rows:] for name in before.kinds}
        self._reference, self._packed = Reference(before.kinds, kept), None
        self._phases = [*self._phases, *phases][-rows:]

    def against(self, _phases: Sequence[float]) -> Reference:
        """The rows before the window, whatever its phases."""
        return self._reference

    def phases_of(self) -> Sequence[float]:
        """Of those rows."""
        return self._phases

    def snapshot(self) -> dict[str, Any]:
        """The rows; packed once for as long as they stay."""
        if self._packed is None:
            self._packed = packed(self._reference.kinds, self._reference.encoded)
        return {"rows": self._reference.rows, "columns": self._packed, "phases": list(self._phases)}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        kinds, self._packed = self._reference.kinds, None
        self._reference = Reference(kinds, unpacked(kinds, snapshot["columns"], snapshot["rows"]))
        self._phases = list(snapshot["phases"])
