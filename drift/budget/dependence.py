"""Dependence in time of one numeric stream: is there any, an autoregression that takes it out, what is left of n rows.

Sources: G. M. Ljung, G. E. P. Box, Biometrika 65 (1978), 297-303; the Levinson-Durbin recursion for Yule-Walker
equations, P. J. Brockwell, R. A. Davis, "Time Series: Theory and Methods", 1991, section 5.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

Floats = NDArray[np.float64]

LAGS_MAX = 24
"""Largest order of an autoregression."""
ROWS_PER_LAG = 50
TEST_LAGS = 12
INDEPENDENT_P = 0.001
"""Above it a stream counts as independent in time."""


@dataclass(frozen=True, slots=True)
class Autoregression:
    """z_t = sum of coefficients[i] z_(t-1-i) + noise; no coefficients for a stream without dependence."""

    coefficients: tuple[float, ...]
    independent_share: float
    """Effective sample size of the mean over rows: gamma_0 (1 - sum of coefficients)^2 / sigma^2, at most 1."""


def autocovariances(z: Floats, lags: int) -> Floats:
    """Of lags 0 to `lags`, about the mean, divided by the number of rows; shape `(lags + 1,)`."""
    centred = z - z.mean()
    return np.array([centred[lag:] @ centred[: z.size - lag] for lag in range(lags + 1)]) / z.size


def ljung_box(z: Floats) -> float:
    """p-value of independence over 12 lags; 1 for too few rows or a constant.

    >>> wave = np.sin(np.arange(200) / 5)
    >>> ljung_box(wave) < 1e-6
    True
    """
    rows = z.size
    if rows <= 2 * TEST_LAGS:
        return 1.0
    gammas = autocovariances(z, TEST_LAGS)
    if not gammas[0] > 0:
        return 1.0
    correlations = gammas[1:] / gammas[0]
    statistic = rows * (rows + 2) * (correlations**2 / (rows - np.arange(1, TEST_LAGS + 1))).sum()
    return float(chdtrc(TEST_LAGS, statistic))


def autoregression(gammas: Floats, rows: int) -> Autoregression:
    """The one of the smallest AIC, of order at most `rows / 50`, from autocovariances of at least that many lags.

    >>> found = autoregression(0.5 ** np.arange(25) / 0.75, rows=1000)
    >>> [round(a, 6) for a in found.coefficients], round(found.independent_share, 6)
    ([0.5], 0.333333)
    """
    noise = float(gammas[0])
    if not noise > 0:
        return Autoregression((), 1.0)
    coefficients: list[float] = []
    best, best_aic, best_noise = coefficients, rows * math.log(noise), noise
    for order in range(1, min(LAGS_MAX, len(gammas) - 1, rows // ROWS_PER_LAG) + 1):
        ahead = float(gammas[order]) - sum(a * float(gammas[order - 1 - i]) for i, a in enumerate(coefficients))
        reflection = ahead / noise
        coefficients = [a - reflection * b for a, b in zip(coefficients, reversed(coefficients), strict=True)]
        coefficients.append(reflection)
        noise *= 1 - reflection * reflection
        if not noise > 0:
            break
        aic = rows * math.log(noise) + 2 * order
        if aic < best_aic - 1e-9 * rows:
            best, best_aic, best_noise = coefficients, aic, noise
    share = float(gammas[0]) * (1 - sum(best)) ** 2 / best_noise
    return Autoregression(tuple(best), min(1.0, share))
