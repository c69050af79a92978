"""The Shiryaev-Roberts bank: lanes that gather evidence for a change, at a rate that is known while there is none.

R <- (R + 1) e for each lane, M = sum of w R with weights that sum to at most 1. While nothing changes M - n is a
martingale, whatever the dependence between the streams, so M reaches A after at least A events on average. Beside it
each lane keeps a CUSUM, C <- max(C, 1) e, whose start is where a change most likely began.

Sources: A. N. Shiryaev, Theory Probab. Appl. 8 (1963), 22-46; S. W. Roberts, Technometrics 8 (1966), 411-430;
E. S. Page, Biometrika 41 (1954), 100-115.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 50
"""Positions that share one start of the products. Sums and products run from there whatever the batches are, so that
their last digits do not depend on them; and 50 stakes cannot overflow."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the bank would be after each of some rows; nothing has changed yet. All but `total` `(n_lanes, n_rows)`."""

    products: Floats
    inverses: Floats
    sums: Floats
    evidence: Floats
    total: Floats
    """M after each row, shape `(n_rows,)`."""


class Bank:
    """Lanes on one clock.

    The recursions are written as products since the start of a block: R = P (R0 + S) with P the product of the stakes
    and S the sum of its inverses before each row.
    """

    def __init__(self, weights: Floats, position: int) -> None:
        self.weights = weights.reshape(-1, 1)
        self.reset(position)

    def reset(self, position: int) -> None:
        """Forget all evidence; the next row is number `position`."""
        lanes = self.weights.size
        self.position = position
        self.total = 0.0
        """M after the last row."""
        self._start_evidence = np.zeros((lanes, 1))
        self._product = np.ones(lanes)
        self._sum = np.zeros(lanes)
        self._start_cusum = np.zeros(lanes)
        self._inverse_max = np.zeros(lanes)
        self._began = np.full(lanes, position, dtype=np.int64)

    @property
    def rows_to_block(self) -> int:
        """Rows that may be run at once."""
        return BLOCK - self.position % BLOCK

    def run(self, stakes: Floats) -> Run:
        """Rows of stakes, shape `(n_lanes, n_rows)`, overwritten; at most `rows_to_block` of them, at least one."""
        stakes[:, 0] *= self._product
        products = np.multiply.accumulate(stakes, axis=1, out=stakes)
        inverses = np.empty_like(products)
        inverses[:, 0] = 1.0 / self._product
        np.divide(1.0, products[:, :-1], out=inverses[:, 1:])
        sums = inverses.copy()
        sums[:, 0] += self._sum
        np.add.accumulate(sums, axis=1, out=sums)
        evidence = sums + self._start_evidence
        evidence *= products
        return Run(products, inverses, sums, evidence, _down(self.weights * evidence))

    def take(self, run: Run, start: int, stop: int) -> None:
        """Make rows `start` to `stop` of a run, at least one, the bank's past; those before `start` already are."""
        inverses = run.inverses[:, start:stop]
        at = inverses.argmax(axis=1)
        highest = inverses[np.arange(at.size), at]
        later = highest > np.maximum(self._inverse_max, self._start_cusum)
        self._began[later] = self.position + at[later]
        np.maximum(self._inverse_max, highest, out=self._inverse_max)
        self._product = run.products[:, stop - 1].copy()
        self._sum = run.sums[:, stop - 1].copy()
        self.total = float(run.total[stop - 1])
        self.position += stop - start
        if self.position % BLOCK == 0:
            self._start_evidence = run.evidence[:, stop - 1 : stop].copy()
            self._start_cusum = self.cusum()
            lanes = self.weights.size
            self._product, self._sum, self._inverse_max = np.ones(lanes), np.zeros(lanes), np.zeros(lanes)

    def evidence(self) -> Floats:
        """R of each lane, shape `(n_lanes,)`."""
        evidence: Floats = self._product * (self._sum + self._start_evidence[:, 0])
        return evidence

    def cusum(self) -> Floats:
        """C of each lane: the odds that a change at the likeliest moment explains what came since."""
        cusum: Floats = self._product * np.maximum(self._start_cusum, self._inverse_max)
        return cusum

    def began(self, lane: int) -> int:
        """Position of the first row of the change that a lane's CUSUM sees."""
        return int(self._began[lane])

    def snapshot(self) -> dict[str, Any]:
        """Arrays as bytes."""
        return {
            "position": self.position,
            "total": self.total,
            "weights": self.weights.astype("<f8").tobytes(),
            "start_evidence": self._start_evidence.astype("<f8").tobytes(),
            "product": self._product.astype("<f8").tobytes(),
            "sum": self._sum.astype("<f8").tobytes(),
            "start_cusum": self._start_cusum.astype("<f8").tobytes(),
            "inverse_max": self._inverse_max.astype("<f8").tobytes(),
            "began": self._began.astype("<i8").tobytes(),
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Bank:
        """The bank that `snapshot` was taken of."""

        def floats(name: str) -> Floats:
            return np.frombuffer(snapshot[name], dtype="<f8").copy()

        bank = cls(floats("weights"), snapshot["position"])
        bank.total = snapshot["total"]
        bank._start_evidence = floats("start_evidence").reshape(-1, 1)
        bank._product, bank._sum = floats("product"), floats("sum")
        bank._start_cusum, bank._inverse_max = floats("start_cusum"), floats("inverse_max")
        bank._began = np.frombuffer(snapshot["began"], dtype="<i8").copy()
        return bank


def _down(rows: Floats) -> Floats:
    """Sums of columns, added row by row: a single column would be summed pairwise, with other last digits."""
    if rows.shape[1] > 1:
        return rows.sum(axis=0)
    return np.repeat(rows, 2, axis=1).sum(axis=0)[:1]
