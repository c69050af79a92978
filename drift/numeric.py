"""Samples of a numeric column, and the distances between two of them by their distribution functions.

Bit for bit what Evidently gets from `scipy.stats.ks_2samp` and `scipy.stats.wasserstein_distance`. Both need each
sample's distribution function at every value of either. scipy searches 6,000 values twice; here the reference is
sorted once, the window's values are placed in it, and the rest is counting: about 70 instead of 220 microseconds at
5,000 against 1,000 rows.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Hashable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drift.binning import DISTINCT_MAX, Floats, Shares, aligned_counts, histogram_shares
from drift.columns import Column

_Gaps = tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp]]

_STD_MIN = 0.001
"""Evidently's least divisor of the Wasserstein distance."""
_EXACT_ROWS_MAX = 10_000
"""Rows a side up to which scipy's Kolmogorov-Smirnov test is exact."""
_EXACT_MAX = 2**53
"""Integers up to here are exact in float64."""
_P_VALUES_MAX = 4096
"""Exact Kolmogorov-Smirnov p-values remembered per reference, at about 100 bytes each."""


class NumericSample:
    """The present values of one numeric or integer column, with what comparisons need of them computed once.

    NaN and infinities count as missing, as in Evidently.

    >>> sample = NumericSample(np.array([3.0, 1.0, np.nan, 1.0]))
    >>> sample.rows, sample.size, sample.ordered.tolist(), sample.counts
    (4, 3, [1.0, 1.0, 3.0], {3.0: 1, 1.0: 2})
    """

    def __init__(self, column: Column) -> None:
        self.rows = column.size
        self.values = column
        if column.dtype.kind == "f":
            finite = np.isfinite(column)
            if not finite.all():
                self.values = column[finite]
        self.size = self.values.size
        self.ordered = np.sort(self.values)

    @cached_property
    def floats(self) -> Floats:
        """The values in ascending order as float64."""
        return self.ordered.astype(np.float64, copy=False)

    @cached_property
    def distinct(self) -> int:
        """Number of distinct values."""
        return int(np.count_nonzero(self.ordered[1:] != self.ordered[:-1])) + 1 if self.size else 0

    @cached_property
    def counts(self) -> dict[Hashable, int]:
        """Rows per value, in order of first appearance."""
        return dict(Counter(self.values.tolist()))

    @cached_property
    def keys(self) -> set[Hashable]:
        """The distinct values, in a set filled in order of first appearance."""
        return set(iter(self.counts))

    @cached_property
    def std(self) -> float:
        """Standard deviation with ddof 0 by pandas' two passes over the values in row order."""
        values = self.values.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = values.sum() / values.size
            return float(np.sqrt(((mean - values) ** 2).sum() / values.size))

    @cached_property
    def ranks(self) -> NDArray[np.intp]:
        """How many of `floats` are at most each of them, shape `(size,)`."""
        return self.floats.searchsorted(self.floats, "right")

    @cached_property
    def p_values(self) -> dict[tuple[int, float], float]:
        """Kolmogorov-Smirnov p-values already worked out against this sample, by (other size, distance)."""
        return {}

    @cached_property
    def fits_float(self) -> bool:
        """Whether float64 holds every value exactly."""
        if self.ordered.dtype.kind == "f" or not self.size:
            return True
        return bool(self.ordered[0] >= -_EXACT_MAX and self.ordered[-1] <= _EXACT_MAX)


class NumericPair:
    """A window's sample against the reference's; neither may be empty.

    >>> low, high = np.arange(50.0), np.arange(50.0) + 10
    >>> pair = NumericPair(NumericSample(low), NumericSample(high))
    >>> round(pair.ks_distance, 4), round(pair.wasserstein, 4)
    (0.2, 0.693)
    """

    def __init__(self, reference: NumericSample, current: NumericSample) -> None:
        self.reference = reference
        self.current = current

    @cached_property
    def shares(self) -> Shares | None:
        """Shares per bin; None where the joint range can hold no bins."""
        if self.reference.distinct > DISTINCT_MAX:
            return histogram_shares(self.reference.ordered, self.current.ordered)
        counts, currents = self.counts
        return Shares(counts / self.reference.size, currents / self.current.size)

    @cached_property
    def counts(self) -> tuple[Floats, Floats]:
        """Rows per value of the union, for statistics on values rather than bins."""
        return aligned_counts(self.reference.counts, self.reference.keys, self.current.counts)

    @property
    def sizes(self) -> tuple[int, int]:
        """Present rows of the reference and of the window."""
        return self.reference.size, self.current.size

    @cached_property
    def ks_distance(self) -> float:
        """Largest distance between the two distribution functions, in [0, 1]."""
        integers = self.reference.ordered.dtype.kind == self.current.ordered.dtype.kind == "i"
        if integers and not (self.reference.fits_float and self.current.fits_float):
            before, after = self.reference.ordered, self.current.ordered
            ranks = before.searchsorted(before, "right"), after.searchsorted(after, "right")
            at_reference, at_current, _, _ = _gaps(before, after, ranks)
        else:
            at_reference, at_current, _, _ = self._float_gaps
        lowest = min(at_reference.min(), at_current.min())
        highest = max(at_reference.max(), at_current.max())
        distance = max(-float(lowest), float(highest))
        n, m = self.sizes
        if max(n, m) > _EXACT_ROWS_MAX:
            return distance + 0.0  # no negative zero
        steps = n * m // math.gcd(n, m)  # scipy's exact test makes it the fraction it is
        return round(distance * steps) / steps

    @property
    def ks(self) -> float:
        """Two-sided p-value of the Kolmogorov-Smirnov test, exact up to 10,000 rows a side.

        The exact value costs scipy 1 ms when the samples agree and up to 40 ms when they do not; it depends on the
        sizes and the distance alone, so each is worked out once per reference.
        """
        known, key = self.reference.p_values, (self.current.size, self.ks_distance)
        if key not in known:
            from scipy.stats import ks_2samp  # noqa: PLC0415 -- 1 s and 60 MB, paid only where p-values are wanted

            if len(known) >= _P_VALUES_MAX:
                known.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # "exact unsuccessful, switching to asymp"
                known[key] = float(ks_2samp(self.reference.ordered, self.current.ordered).pvalue)
        return known[key]

    @cached_property
    def wasserstein(self) -> float:
        """First Wasserstein distance in standard deviations of the reference, at least 0."""
        at_reference, at_current, before, starts = self._float_gaps
        reference, current = self.reference.floats, self.current.floats
        reference_place = before + np.arange(reference.size)
        current_place = starts + np.arange(current.size)
        values = np.empty(reference.size + current.size)
        gaps = np.empty(values.size)
        values[reference_place], values[current_place] = reference, current
        gaps[reference_place], gaps[current_place] = at_reference, at_current
        with np.errstate(over="ignore", invalid="ignore"):
            distance = np.vecdot(np.abs(gaps[:-1]), np.diff(values))
            return float(distance / max(self.reference.std, _STD_MIN))

    @cached_property
    def _float_gaps(self) -> _Gaps:
        return _gaps(self.reference.floats, self.current.floats, (self.reference.ranks, self.current.ranks))


def _gaps(reference: Column, current: Column, ranks: tuple[NDArray[np.intp], NDArray[np.intp]]) -> _Gaps:
    """Compare the distribution functions of two sorted samples.

    Returns:
        The reference's function minus the window's at each reference value and at each window value; how many window
        values are at most each reference value; how many reference values are less than each window value.
    """
    starts = reference.searchsorted(current, "left")
    before = np.bincount(starts, minlength=reference.size + 1)[:-1].cumsum()  # c <= r[i] iff its start is <= i
    nearest = np.minimum(starts, reference.size - 1)
    at_most = np.where(reference[nearest] == current, ranks[0][nearest], starts)
    at_reference = ranks[0] / reference.size - before / current.size
    at_current = at_most / reference.size - ranks[1] / current.size
    return at_reference, at_current, before, starts
