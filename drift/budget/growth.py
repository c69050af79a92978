"""When rows join the pool: after a quarantine, at fixed positions, both growing with the pool.

The quarantine keeps the beginning of a change out of what it is compared with until it is seen. It must stay small
beside the pool, and so must the steps in which the pool grows, or the pool lags behind and the budget is overdrawn:
with a quarantine of a twentieth of the pool a loss raised 223 false alarms where 200 were allowed (A = 10,000,
references of 300 rows), with a hundredth 214, with none 206.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drift.budget.rank_pool import Bins
from drift.budget.share_pool import Marks

_QUARANTINE_MAX, _QUARANTINE_PER_ROW = 500, 100
_STEP_MAX, _STEP_PER_ROW = 500, 100


class Growth:
    """Rows in quarantine of a pool of `rows` rows; the next one is number `position`."""

    def __init__(self, rows: int, position: int) -> None:
        self.rows = rows
        """Rows that the pool was made of or that have joined."""
        self.position = position
        self.growing = True
        self._waiting: list[tuple[Bins, Marks]] = []
        self._waiting_rows = 0
        self.next_at = 0
        """Position at which the pool may next grow, always beyond `position`."""
        self._plan()

    def _plan(self) -> None:
        step = min(_STEP_MAX, max(1, self.rows // _STEP_PER_ROW))
        self.next_at = (self.position // step + 1) * step

    def take(self, bins: Bins, marks: Marks) -> tuple[Bins, Marks] | None:
        """One more batch, columns are rows; returns what joins the pool now, None for nothing."""
        count = bins.shape[1]
        self.position += count
        if self.growing:
            self._waiting.append((bins, marks))
            self._waiting_rows += count
        if self.position < self.next_at:
            return None
        joins = self._waiting_rows - min(_QUARANTINE_MAX, self.rows // _QUARANTINE_PER_ROW)
        joining = None
        if joins > 0:
            waiting = [np.concatenate(parts, axis=1) for parts in zip(*self._waiting, strict=True)]
            joining = waiting[0][:, :joins], waiting[1][:, :joins]
            self._waiting = [(waiting[0][:, joins:], waiting[1][:, joins:])]
            self._waiting_rows -= joins
            self.rows += joins
        self._plan()
        return joining

    def stop(self) -> None:
        """No row joins until `go_on`; those in quarantine never will."""
        self.growing = False
        self._waiting, self._waiting_rows = [], 0

    def go_on(self) -> None:
        """Rows from here on join again."""
        self.growing = True

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        parts = list(zip(*self._waiting, strict=True))
        bins, marks = (np.concatenate(side, axis=1) for side in parts) if parts else (np.empty(0), np.empty(0))
        return {
            "rows": self.rows,
            "position": self.position,
            "growing": self.growing,
            "next_at": self.next_at,
            "waiting": self._waiting_rows,
            "bins": bins.astype("<i2").tobytes(),
            "marks": marks.astype("i1").tobytes(),
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any], numeric: int, shares: int) -> Growth:
        """The growth that `snapshot` was taken of, of that many numeric and 0/1 streams."""
        waiting = snapshot["waiting"]
        growth = cls(snapshot["rows"], snapshot["position"])
        growth.growing, growth.next_at = snapshot["growing"], snapshot["next_at"]
        if waiting:
            bins = np.frombuffer(snapshot["bins"], dtype="<i2").astype(np.int16).reshape(numeric, waiting)
            growth._waiting = [(bins, np.frombuffer(snapshot["marks"], dtype="i1").reshape(shares, waiting))]
            growth._waiting_rows = waiting
        return growth
