"""The catalog of window statistics, under Evidently's names and equal to its numbers in the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from scipy.special import chdtri

from drift import binning, categorical
from drift.binning import Shares
from drift.categorical import CategoricalPair, CategoricalSample
from drift.evidence import ColumnKind
from drift.numeric import NumericPair, NumericSample

Sample = NumericSample | CategoricalSample
Pair = NumericPair | CategoricalPair

_NUMBERS: frozenset[ColumnKind] = frozenset({"numeric", "integer"})
_ALL: frozenset[ColumnKind] = _NUMBERS | {"categorical"}

_ROWS_PER_BIN = 10
"""Effective rows per bin from which chi-square describes the noise of shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One way to put a window and its reference into a number."""

    name: str
    measures: Literal["distance", "p_value"]
    """A distance drifts when large, a p-value when small."""
    kinds: frozenset[ColumnKind]
    threshold: float
    """Evidently's default."""
    compute: Callable[[Pair], float]
    """NaN where it has no value, as where Evidently raises."""
    noise: Callable[[float, float, int], float] | None = None
    """Height that stable data pass with probability `rate`, from (rate, effective rows, bins); None if unknown."""
    ceiling: float = math.inf
    """No value is greater."""
    inclusive: bool = True
    """Whether the threshold itself is drift."""

    def drifted(self, value: float, threshold: float) -> bool:
        """Evidently's verdict on a value; False for NaN."""
        if value == threshold:
            return self.inclusive
        return value < threshold if self.measures == "p_value" else value > threshold


def pair_of(reference: Sample, current: Sample) -> Pair:
    """Both samples of one column side by side. Raises TypeError if one holds numbers and the other categories."""
    if isinstance(reference, NumericSample) and isinstance(current, NumericSample):
        return NumericPair(reference, current)
    if isinstance(reference, CategoricalSample) and isinstance(current, CategoricalSample):
        return CategoricalPair(reference, current)
    raise TypeError(f"current must be a {type(reference).__name__}, got {type(current).__name__}")


def effective_rows(sizes: tuple[int, int]) -> float:
    """Rows of a single sample with the same noise as this pair: half the harmonic mean of their sizes.

    >>> round(effective_rows((5000, 1000)))
    833
    """
    return sizes[0] * sizes[1] / (sizes[0] + sizes[1])


def _over_shares(divergence: Callable[[Shares], float]) -> Callable[[Pair], float]:
    def compute(pair: Pair) -> float:
        shares = pair.shares
        return math.nan if shares is None else divergence(shares)

    return compute


def _chi(rate: float, bins: int) -> float:
    return float(chdtri(max(bins - 1, 1), rate))


def _jensenshannon_noise(rate: float, rows: float, bins: int) -> float:
    # Chi-square in the limit. A bin that only one side has adds up to 2 ln 2 times its term of chi-square: with the
    # limit alone, 92 % of stable windows of 1,000 flat categories were flagged at 1,000 rows.
    sparse = 2 * math.log(2) if rows < _ROWS_PER_BIN * bins else 1.0
    return math.sqrt(sparse * _chi(rate, bins) / (8 * rows))


def _ks_distance_noise(rate: float, rows: float, _bins: int) -> float:
    # The Kolmogorov limit, an upper bound for discrete data too: P(D >= d) <= 2 exp(-2 rows d^2).
    return math.sqrt(math.log(2 / rate) / (2 * rows))


def _of_numbers(name: Literal["ks", "ks_distance", "wasserstein"]) -> Callable[[Pair], float]:
    def compute(pair: Pair) -> float:
        return float(getattr(pair, name))

    return compute


_CATALOG = (
    Statistic(
        name="psi",
        measures="distance",
        kinds=_ALL,
        threshold=0.1,
        compute=_over_shares(binning.psi),
        noise=lambda rate, rows, bins: _chi(rate, bins) / rows,
    ),
    Statistic(
        name="jensenshannon",
        measures="distance",
        kinds=_ALL,
        threshold=0.1,
        compute=_over_shares(binning.jensenshannon),
        noise=_jensenshannon_noise,
        ceiling=math.sqrt(math.log(2)),
    ),
    Statistic(
        name="kl_div",
        measures="distance",
        kinds=_ALL,
        threshold=0.1,
        compute=_over_shares(binning.kl_div),
        noise=lambda rate, rows, bins: _chi(rate, bins) / (2 * rows),
    ),
    Statistic(
        name="wasserstein", measures="distance", kinds=_NUMBERS, threshold=0.1, compute=_of_numbers("wasserstein")
    ),
    Statistic(
        name="ks_distance",  # not a name of Evidently's: the distance its p-value `ks` is computed from
        measures="distance",
        kinds=_NUMBERS,
        threshold=0.1,
        compute=_of_numbers("ks_distance"),
        noise=_ks_distance_noise,
        ceiling=1.0,
    ),
    Statistic(name="ks", measures="p_value", kinds=_NUMBERS, threshold=0.05, compute=_of_numbers("ks")),
    Statistic(
        name="chisquare",
        measures="p_value",
        kinds=_ALL,
        threshold=0.05,
        compute=lambda pair: categorical.chisquare(pair.counts, pair.sizes),
        inclusive=False,
    ),
    Statistic(
        name="z",
        measures="p_value",
        kinds=_ALL,
        threshold=0.05,
        compute=lambda pair: categorical.z(pair.reference.counts, pair.current.counts, pair.sizes),
        inclusive=False,
    ),
)

STATISTICS: Mapping[str, Statistic] = MappingProxyType({statistic.name: statistic for statistic in _CATALOG})
"""Every statistic by name. `ks_distance` alone is no name of Evidently's.

>>> import numpy as np
>>> pair = NumericPair(NumericSample(np.arange(100.0)), NumericSample(np.arange(50.0)))
>>> {name: round(STATISTICS[name].compute(pair), 4) for name in ("psi", "ks_distance", "wasserstein")}
{'psi': 3.9877, 'ks_distance': 0.5, 'wasserstein': 0.8661}
"""
