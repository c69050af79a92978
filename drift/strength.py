"""How far past its threshold a statistic is, comparable between statistics, to say what comes first."""

from __future__ import annotations

import math

P_VALUES = frozenset(
    {
        "anderson",
        "chisquare",
        "cramer_von_mises",
        "empirical_mmd",
        "es",
        "fisher_exact",
        "g_test",
        "ks",
        "mannw",
        "t_test",
        "TVD",
        "z",
    }
)
"""Evidently's statistics that are p-values, by Evidently's names: small is drift. The others are distances."""

STRENGTH_MAX = 1e300
"""For a p-value of 0, or a threshold of 0: finite, so that it survives every encoding."""


def strength(source: str, value: float, threshold: float) -> float:
    """Value over threshold, for p-values the inverse: 1 is just at the threshold, 2 twice as far.

    >>> strength("psi", 0.5, 0.25), strength("ks", 0.01, 0.05), strength("ks", 0.0, 0.05)
    (2.0, 5.0, 1e+300)
    """
    above, below = (threshold, value) if source in P_VALUES else (value, threshold)
    if math.isnan(above) or math.isnan(below):
        return 0.0
    return min(above / below, STRENGTH_MAX) if below > 0 else STRENGTH_MAX
