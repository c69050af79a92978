"""The bets: each multiplies its stake by a number that is 1 on average while nothing changes.

On numbers, against the normal score of a rank: likelihood ratios of a shifted mean and of a changed spread. On 0/1
streams: likelihood ratios of odds multiplied by a factor. A lane is one bet on one stream. Bets are e-values, the
lanes an e-detector: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors", arXiv 2203.03532.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

SHIFTS_SD = (0.125, 0.25, 0.5, 1.0)
SPREADS = (0.7, 1.25, 1.6)
LOSS_ODDS = (1.2, 1.5, 2.5, 0.6)
CATEGORY_ODDS = (1.5, 2.5, 0.6)
RARE_ODDS = (2.0, 8.0, 0.4)
"""Missing values and all rare categories: most often there were none, and then only a bold bet wins soon."""
NEW_ODDS = (2.0, 8.0)
"""Categories never seen: that they become fewer is no news."""
NUMERIC_LANES = tuple(f"mean {sign}{shift:g} sd" for shift in SHIFTS_SD for sign in "+-") + tuple(
    f"spread x{spread:g}" for spread in SPREADS
)
FALLS = frozenset(
    {*(f"mean -{shift:g} sd" for shift in SHIFTS_SD), f"spread x{SPREADS[0]:g}", f"odds x{LOSS_ODDS[-1]:g}"}
)
"""Bets that win when a loss falls."""
CELLS = 1024
"""Cells of a rank that share one stake; finer ones changed no delay that was measured."""
_SUB_CELLS = 8
WHITENED_POWER = 1 / 1.1
"""Ranks of residuals are not quite independent, and a weaker bet leaves room for it: by Jensen it stays below 1."""


def share_lanes(odds: Sequence[float]) -> tuple[str, ...]:
    """Names of the lanes of a 0/1 stream."""
    return tuple(f"odds x{factor:g}" for factor in odds)


@cache
def numeric_table() -> Floats:
    """Stakes of shape `(2 * 1024 + 1, 11)`: by cell, by cell for residuals, and 1 for a missing value.

    Over the first 1,024 cells each lane is normalised to a mean of exactly 1.
    """
    z = ndtri((np.arange(CELLS * _SUB_CELLS) + 0.5) / (CELLS * _SUB_CELLS))
    rows = [np.exp(sign * shift * z - shift * shift / 2) for shift in SHIFTS_SD for sign in (1, -1)]
    rows += [np.exp(z * z / 2 - z * z / (2 * spread * spread)) / spread for spread in SPREADS]
    table = np.stack(rows).reshape(len(rows), CELLS, _SUB_CELLS).mean(axis=2)
    table /= table.mean(axis=1, keepdims=True)
    stakes = np.concatenate([table, table**WHITENED_POWER, np.ones((len(rows), 1))], axis=1).T.copy()
    stakes.flags.writeable = False
    return stakes


def numeric_stakes(ranks: Floats, whitened: NDArray[np.bool_]) -> Floats:
    """Stakes of shape `(n_rows, n_streams, 11)` for ranks of shape `(n_streams, n_rows)`, NaN where missing.

    Args:
        ranks: In (0, 1).
        whitened: Of each stream, whether it is ranks of residuals; shape `(n_streams,)`.
    """
    missing = np.isnan(ranks)
    cells = np.minimum((np.where(missing, 0.0, ranks) if missing.any() else ranks) * CELLS, CELLS - 1).astype(np.intp)
    cells += np.where(whitened, CELLS, 0)[:, None]
    cells[missing] = 2 * CELLS
    return numeric_table().take(cells.T, axis=0, mode="clip")


def share_stakes(shares: Floats, odds: Floats) -> tuple[Floats, Floats]:
    """What each lane multiplies its stake by when its coin shows 1, and when it shows 0; all of shape `(n_lanes,)`.

    >>> won, lost = share_stakes(np.array([0.2]), np.array([1.5]))
    >>> round(float(0.2 * won[0] + 0.8 * lost[0]), 12)
    1.0
    """
    raised = odds * shares / (1.0 - shares + odds * shares)
    return raised / shares, (1.0 - raised) / (1.0 - shares)


def tolerance_discounts(tolerance_sd: float) -> Floats:
    """What each numeric lane's stake is multiplied by so that it is no more than fair under a tolerated shift.

    Shape `(11,)`. A normal score shifted by up to `tolerance_sd` then wins nothing on average, so such a shift never
    adds up. Leaving out the lanes on shifts below twice the tolerance is not enough: those left lose in the long run,
    yet win so much so often that a shift of 0.1 sd, tolerated, raised an alarm within 20,000 events of 1,000,000.

    >>> dict(zip(NUMERIC_LANES, tolerance_discounts(0.1).round(4).tolist()))["mean +0.5 sd"]
    0.9512
    """
    means = [math.exp(-shift * tolerance_sd) for shift in SHIFTS_SD for _ in range(2)]
    spreads = [min(1.0, math.exp(-(spread * spread - 1) * tolerance_sd * tolerance_sd / 2)) for spread in SPREADS]
    return np.array(means + spreads)
