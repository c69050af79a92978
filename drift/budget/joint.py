"""A change of how columns go together, each by itself as before: an online classifier of now against then.

Every 100 events the second moments of the last 250 and 1,000 events are held against those of all before. Where they
differ by more than noise, the difference is a direction, and a row's score along it tells rows of now from rows of
then: the first step of a quadratic logistic classifier. The score of the next row is ranked among those of stored
rows, and bets on a high rank enter the bank. The direction is from the past alone, so the bets are fair.

The stored rows are the last 2,000 of the past, not a pool that grows for ever: bets are weakened as those on residuals
are. Without that 54 false alarms were raised where 40 were allowed (A = 1,000), with it 28, at the same delays.

Rows are normal scores in sixteenths and directions in 1,024ths, so every sum is exact in floats: neither the split of
the batches nor the machine's matrix product changes a digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from drift.budget.bets import CELLS, NUMERIC_LANES, numeric_table
from drift.budget.uniforms import stream_keys, uniforms

Floats = NDArray[np.float64]

JOINT = "(joint)"
"""Stands for all numeric columns together; no feature can have the name."""
ROWS_MIN = 1_000
"""Of a reference. From 300 rows, directions are such noise that eight of nine alarms on stable data were false."""
WINDOWS = (250, 1000)
STEP = 100
STORE_ROWS = 2000
_NOISE = 2.0
"""Standard errors of a correlation that a difference must exceed to count."""
_SCORE_STEP, _DIRECTION_STEP = 16.0, 1024.0
_SCORE_MAX = 5.0
_RANK_MIN = 1e-6
_BETS = ("mean +0.25 sd", "mean +0.5 sd", "mean +1 sd")
_TABLE_COLUMNS = [NUMERIC_LANES.index(bet) for bet in _BETS]
JOINT_LANES = tuple(f"score {bet[5:]}, {window} rows" for window in WINDOWS for bet in _BETS)


def normal_scores(ranks: Floats) -> Floats:
    """Of ranks of shape `(n_streams, n_rows)`, NaN where missing, in sixteenths, shape `(n_rows, n_streams)`.

    >>> normal_scores(np.array([[0.5, 0.84, np.nan, 0.0]]))[:, 0].tolist()
    [0.0, 1.0, 0.0, -4.75]
    """
    z = ndtri(np.clip(ranks, _RANK_MIN, 1 - _RANK_MIN))
    scores: Floats = np.round(np.clip(np.nan_to_num(z, nan=0.0), -_SCORE_MAX, _SCORE_MAX) * _SCORE_STEP) / _SCORE_STEP
    return np.ascontiguousarray(scores.T)


class Joint:
    """From the normal scores of a reference, shape `(n_rows, n_streams)`."""

    def __init__(self, reference: Floats, seed: int) -> None:
        self._keys = stream_keys(seed, [f"{JOINT}/{window}" for window in WINDOWS])
        self._moments = reference.T @ reference
        self._rows = reference.shape[0]
        self._store = reference[-STORE_ROWS:]
        self._recent = reference[:0]
        self._directions: list[Floats | None] = [None] * len(WINDOWS)
        self._ranked: list[Floats] = [np.empty(0)] * len(WINDOWS)

    def stakes(self, scores: Floats, positions: NDArray[np.int64]) -> Floats:
        """Stakes of the next rows, shape `(n_rows, 6)`; 1 while there is no direction."""
        stakes = np.ones((scores.shape[0], len(JOINT_LANES)))
        draws = uniforms(self._keys, positions)
        for window, direction in enumerate(self._directions):
            if direction is None:
                continue
            found, ranked = _along(scores, direction), self._ranked[window]
            below = ranked.searchsorted(found, "left")
            ties = ranked.searchsorted(found, "right") - below
            cells = ((below + draws[window] * (ties + 1.0)) / (ranked.size + 1.0) * CELLS).astype(np.intp)
            won = numeric_table()[CELLS + np.minimum(cells, CELLS - 1)][:, _TABLE_COLUMNS]
            stakes[:, window * len(_BETS) : (window + 1) * len(_BETS)] = won
        return stakes

    def take(self, scores: Floats, position: int, *, growing: bool) -> None:
        """Make rows the past, up to `position`; they never go beyond a multiple of `STEP`."""
        self._recent = np.concatenate([self._recent, scores])
        if position % STEP:
            return
        old, self._recent = self._recent[: -WINDOWS[-1]], self._recent[-WINDOWS[-1] :]
        if growing and old.size:
            self._moments = self._moments + old.T @ old
            self._rows += old.shape[0]
            self._store = np.concatenate([self._store, old])[-STORE_ROWS:]
        self._turn()

    def _turn(self) -> None:
        """Directions and scores of the stored rows anew."""
        for place, window in enumerate(WINDOWS):
            self._directions[place] = direction = self._difference(window)
            if direction is not None:
                self._ranked[place] = np.sort(_along(self._store, direction))

    def _difference(self, window: int) -> Floats | None:
        if self._recent.shape[0] < window:
            return None
        now = self._recent[-window:]
        difference = (now.T @ now) / window - self._moments / self._rows
        np.fill_diagonal(difference, 0.0)
        difference[np.abs(difference) <= _NOISE / window**0.5] = 0.0
        direction: Floats = np.round(difference * _DIRECTION_STEP) / _DIRECTION_STEP
        return direction if direction.any() else None

    def snapshot(self) -> dict[str, Any]:
        """Scores as bytes of one sixteenth each."""
        return {
            "streams": self._moments.shape[0],
            "moments": self._moments.astype("<f8").tobytes(),
            "rows": self._rows,
            "store": (self._store * _SCORE_STEP).astype("i1").tobytes(),
            "recent": (self._recent * _SCORE_STEP).astype("i1").tobytes(),
            "directions": [b"" if each is None else each.astype("<f8").tobytes() for each in self._directions],
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any], seed: int) -> Joint:
        """The classifier that `snapshot` was taken of, as if never stopped."""
        streams = snapshot["streams"]

        def scores(name: str) -> Floats:
            return np.frombuffer(snapshot[name], dtype="i1").reshape(-1, streams) / _SCORE_STEP

        joint = cls(np.empty((0, streams)), seed)
        joint._moments = np.frombuffer(snapshot["moments"], dtype="<f8").reshape(streams, streams)
        joint._rows, joint._store, joint._recent = snapshot["rows"], scores("store"), scores("recent")
        for place, data in enumerate(snapshot["directions"]):
            if data:
                direction = np.frombuffer(data, dtype="<f8").reshape(streams, streams)
                joint._directions[place] = direction
                joint._ranked[place] = np.sort(_along(joint._store, direction))
        return joint


def _along(scores: Floats, direction: Floats) -> Floats:
    along: Floats = ((scores @ direction) * scores).sum(axis=1)
    return along
