"""A uniform sample of all rows since the reference was begun.

Source: J. S. Vitter, "Random Sampling with a Reservoir", ACM Trans. Math. Softw. 11 (1985), 37-57, algorithm R. Whether
and where the n-th row is kept depends on n and the seed alone, so a replay keeps the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drift.budget.uniforms import stream_keys, uniforms
from drift.columns import Column
from drift.reference import Reference
from drift.references.past import packed, unpacked


class Reservoir:
    """As many rows as the first reference has, each row since its start with the same chance; `seed` is any text.

    >>> from drift.columns import encode
    >>> reservoir = Reservoir(Reference.from_rows({"a": "integer"}, [{"a": 0}, {"a": 1}, {"a": 2}]), "shop")
    >>> reservoir.enter({"a": encode("integer", range(3, 3000))}, ())
    >>> reservoir.seen, reservoir.against(()).columns["a"].tolist()
    (3000, [2350, 1932, 1651])
    """

    def __init__(self, first: Reference, seed: str) -> None:
        self.seen = first.rows
        """Rows that had the chance."""
        self._keys = stream_keys(0, [f"reservoir/{seed}"])
        self._reference = first
        self._packed: dict[str, Any] | None = None

    def enter(self, columns: Mapping[str, Column], _phases: Sequence[float]) -> None:
        """Rows that have left the window; few of them are kept once many were seen."""
        before, count = self._reference, next(iter(columns.values())).size
        numbers = np.arange(self.seen + 1, self.seen + count + 1)
        slots = (uniforms(self._keys, numbers)[0] * numbers).astype(np.int64)
        self.seen += count
        chosen = np.flatnonzero(slots < before.rows)
        if not chosen.size:
            return
        last = dict(zip(slots[chosen].tolist(), chosen.tolist(), strict=True))  # of two rows in one slot the later
        into, rows = np.array(list(last)), np.array(list(last.values()))
        kept = {}
        for name in before.kinds:
            kept[name] = before.encoded[name].copy()
            kept[name][into] = columns[name][rows]
        self._reference, self._packed = Reference(before.kinds, kept), None

    def against(self, _phases: Sequence[float]) -> Reference:
        """The sample, whatever the window's phases."""
        return self._reference

    def phases_of(self) -> Sequence[float]:
        """Nobody asks: the budget keeps its own pool."""
        return ()

    def snapshot(self) -> dict[str, Any]:
        """The sample; packed once for as long as it stays."""
        if self._packed is None:
            self._packed = packed(self._reference.kinds, self._reference.encoded)
        return {"seen": self.seen, "rows": self._reference.rows, "columns": self._packed}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        kinds, self._packed = self._reference.kinds, None
        self._reference = Reference(kinds, unpacked(kinds, snapshot["columns"], snapshot["rows"]))
        self.seen = snapshot["seen"]
