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

BLOCK = 100
"""Positions that share one start of the products. Sums and products run from there whatever the batches are, so that
their last digits do not depend on them. Stakes lie within 1/60 and 60: so many of them, and those of a listing before,
cannot overflow."""

_ARRAYS = {"weights": "weights", "product": "_product", "sum": "_sum", "highest": "_highest"}


@dataclass(frozen=True, slots=True)
class Run:
    """What the bank would be after each of some rows; nothing has changed yet. All but `total` `(n_rows, n_lanes)`."""

    products: Floats
    inverses: Floats
    sums: Floats
    evidence: Floats
    """w R."""
    total: Floats
    """M after each row, shape `(n_rows,)`."""


class Bank:
    """Lanes on one clock.

    The recursions are written as products since the start of a block: w R = P S with P the product of the stakes and S
    the sum of w R at the start and of w / P before each row; C = P max(C at the start, 1 / P before any row).
    """

    def __init__(self, weights: Floats, position: int) -> None:
        self.weights = weights
        self.reset(position)

    def reset(self, position: int) -> None:
        """Forget all evidence; the next row is number `position`."""
        self.position = position
        self.total = 0.0
        """M after the last row."""
        self._product = np.ones(self.weights.size)
        self._sum = np.zeros(self.weights.size)
        self._highest = np.zeros(self.weights.size)  # C at the start of the block, or w / P, whichever is more
        self._began = np.full(self.weights.size, position, dtype=np.int64)

    @property
    def rows_to_block(self) -> int:
        """Rows that may be run at once."""
        return BLOCK - self.position % BLOCK

    def run(self, stakes: Floats) -> Run:
        """Rows of stakes, shape `(n_rows, n_lanes)`; at most `rows_to_block` of them, at least one.

        Row by row over all lanes: twice as fast as `accumulate`, whose every step waits for the one before.
        """
        products, inverses, sums = np.empty_like(stakes), np.empty_like(stakes), np.empty_like(stakes)
        last, multiply, add = self._product, np.multiply, np.add
        for stake, product in zip(stakes, products, strict=True):
            last = multiply(last, stake, product)
        np.divide(self.weights, self._product, inverses[0])
        np.divide(self.weights, products[:-1], inverses[1:])
        last = self._sum
        for inverse, total in zip(inverses, sums, strict=True):
            last = add(last, inverse, total)
        evidence = sums * products
        return Run(products, inverses, sums, evidence, np.add.reduce(evidence, axis=1))

    def take(self, run: Run, start: int, stop: int) -> None:
        """Make rows `start` to `stop` of a run, at least one, the bank's past; those before `start` already are."""
        inverses = np.ascontiguousarray(run.inverses[start:stop].T)
        at = inverses.argmax(axis=1)
        highest = inverses[np.arange(at.size), at]
        later = highest > self._highest
        self._began[later] = self.position + at[later]
        np.maximum(self._highest, highest, out=self._highest)
        self._product = run.products[stop - 1].copy()
        self._sum = run.sums[stop - 1].copy()
        self.total = float(run.total[stop - 1])
        self.position += stop - start
        if self.position % BLOCK == 0:
            self._highest *= self._product
            self._sum *= self._product
            self._product = np.ones(self.weights.size)

    def weighed(self) -> Floats:
        """Weighted R of each lane, shape `(n_lanes,)`."""
        weighed: Floats = self._product * self._sum
        return weighed

    def evidence(self) -> Floats:
        """R of each lane, shape `(n_lanes,)`; 0 for one without weight."""
        alive = self.weights > 0
        return np.divide(self.weighed(), self.weights, out=np.zeros(alive.size), where=alive)

    def cusum(self, lane: int) -> float:
        """C: the odds that a change at the likeliest moment explains what came since."""
        weight = float(self.weights[lane])
        return float(self._product[lane] * self._highest[lane]) / weight if weight else 0.0

    def began(self, lane: int) -> int:
        """Position of the first row of the change that a lane's CUSUM sees."""
        return int(self._began[lane])

    def forget(self, lanes: NDArray[np.bool_]) -> None:
        """What these lanes have gathered is void; they begin anew."""
        self._sum[lanes] = self._highest[lanes] = 0.0
        self._product[lanes] = 1.0
        self._began[lanes] = self.position
        self.total = float(self.weighed().sum())

    def silence(self, lanes: NDArray[np.bool_]) -> None:
        """These lanes weigh nothing any more, and what they have gathered is void."""
        self.weights = np.where(lanes, 0.0, self.weights)
        self.forget(lanes)

    def snapshot(self) -> dict[str, Any]:
        """Arrays as bytes."""
        return {
            "position": self.position,
            "total": self.total,
            **{name: getattr(self, place).astype("<f8").tobytes() for name, place in _ARRAYS.items()},
            "began": self._began.astype("<i8").tobytes(),
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Bank:
        """The bank that `snapshot` was taken of."""
        bank = cls(np.empty(0), snapshot["position"])
        for name, place in _ARRAYS.items():
            setattr(bank, place, np.frombuffer(snapshot[name], dtype="<f8").copy())
        bank.total = snapshot["total"]
        bank._began = np.frombuffer(snapshot["began"], dtype="<i8").copy()
        return bank
