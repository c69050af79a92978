"""Rows of the same phase of a declared period: tonight's against other nights', never against the afternoon's.

The period is cut into 24 phases, each with a uniform sample of its own of all rows since the start. A window is
compared with rows of its phases in its own proportions, so that a window across midnight has a reference across
midnight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drift.budget.uniforms import stream_keys, uniforms
from drift.columns import Column, encode
from drift.reference import Reference
from drift.references.past import packed, unpacked

PHASES = 24


class Seasonal:
    """A 24th of the first reference's rows for each phase; `seed` is any text.

    >>> from drift.columns import encode
    >>> first = Reference.from_rows({"a": "integer"}, [{"a": hour} for hour in range(24)] * 3)
    >>> seasonal = Seasonal(first, [hour / 24 for hour in range(24)] * 3, "shop")
    >>> seasonal.against([5 / 24, 5 / 24, 5 / 24, 6 / 24]).columns["a"].tolist()
    [5, 5, 5, 6]
    """

    def __init__(self, first: Reference, phases: Sequence[float], seed: str) -> None:
        self.kinds = first.kinds
        self._capacity = max(1, first.rows // PHASES)
        self._keys = stream_keys(0, [f"seasonal/{seed}"])
        self._seen, self._held = [0] * PHASES, [0] * PHASES
        rows = PHASES * self._capacity
        self._columns = {name: np.repeat(encode(kind, [None]), rows) for name, kind in self.kinds.items()}
        self._known: dict[tuple[tuple[int, int], ...], Reference] = {}
        self._packed: dict[str, Any] | None = None
        self.enter(first.encoded, phases)

    def enter(self, columns: Mapping[str, Column], phases: Sequence[float]) -> None:
        """Rows that have left the window, each into the sample of its phase."""
        if not phases:
            return
        first = sum(self._seen) + 1
        draws = uniforms(self._keys, np.arange(first, first + len(phases)))[0].tolist()
        chosen: dict[int, int] = {}
        for row, (place, draw) in enumerate(zip(map(place_of, phases), draws, strict=True)):
            self._seen[place] += 1
            slot = self._held[place]
            if slot < self._capacity:
                self._held[place] += 1
            else:
                slot = int(draw * self._seen[place])
            if slot < self._capacity:
                chosen[place * self._capacity + slot] = row
        if not chosen:
            return
        into, rows = np.array(list(chosen)), np.array(list(chosen.values()))
        for name, column in self._columns.items():
            column[into] = columns[name][rows]
        self._known, self._packed = {}, None

    def against(self, phases: Sequence[float]) -> Reference:
        """Rows of these phases, in their proportions, as many as there are; one row without a value for a new phase."""
        wanted = tuple(sorted(Counter(map(place_of, phases)).items()))
        if wanted not in self._known:
            self._known = {wanted: Reference(self.kinds, self._chosen(wanted))}
        return self._known[wanted]

    def _chosen(self, wanted: tuple[tuple[int, int], ...]) -> dict[str, Column]:
        scarcest = min(wanted, key=lambda each: self._held[each[0]] / each[1], default=(0, 1))
        held, count = self._held[scarcest[0]], scarcest[1]
        slots: list[int] = []
        for place, rows in wanted:
            taken = held * rows // count
            slots += [place * self._capacity + at * self._held[place] // taken for at in range(taken)]
        if not slots:
            return {name: encode(kind, [None]) for name, kind in self.kinds.items()}
        return {name: column[slots] for name, column in self._columns.items()}

    def phases_of(self) -> Sequence[float]:
        """Nobody asks: the budget keeps its own pool."""
        return ()

    def snapshot(self) -> dict[str, Any]:
        """The samples; packed once for as long as they stay."""
        if self._packed is None:
            self._packed = packed(self.kinds, self._columns)
        return {
            "seen": list(self._seen), "held": list(self._held), "capacity": self._capacity, "columns": self._packed,
        }  # fmt: skip

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        self._seen, self._held = list(snapshot["seen"]), list(snapshot["held"])
        self._capacity = snapshot["capacity"]
        self._columns = unpacked(self.kinds, snapshot["columns"], PHASES * self._capacity)
        self._known, self._packed = {}, None


def place_of(phase: float) -> int:
    """Which of the 24 it is; a phase is a number of periods.

    >>> place_of(0.5), place_of(17.999), place_of(-0.01)
    (12, 23, 23)
    """
    return min(PHASES - 1, int(phase % 1.0 * PHASES))
