"""Samples of a categorical column, and the tests that compare counts per value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import chdtrc, ndtr

from drift.binning import Floats, Shares, aligned_counts
from drift.columns import Column


class CategoricalSample:
    """Rows per category of one column of `str` or None, in order of first appearance.

    >>> sample = CategoricalSample(np.array(["b", None, "a", "b"], dtype=object))
    >>> sample.rows, sample.size, sample.counts
    (4, 3, {'b': 2, 'a': 1})
    """

    def __init__(self, column: Column) -> None:
        self.rows = column.size
        self.counts: dict[Hashable, int] = dict(Counter(column.tolist()))
        self.size = self.rows - self.counts.pop(None, 0)

    @cached_property
    def keys(self) -> set[Hashable]:
        """The categories, in a set filled in order of first appearance."""
        return set(iter(self.counts))

    @property
    def distinct(self) -> int:
        """Number of categories."""
        return len(self.counts)


class CategoricalPair:
    """A window's categories against the reference's; neither may be empty."""

    def __init__(self, reference: CategoricalSample, current: CategoricalSample) -> None:
        self.reference = reference
        self.current = current

    @cached_property
    def shares(self) -> Shares:
        """Shares per category of the union."""
        counts, currents = self.counts
        return Shares(counts / self.reference.size, currents / self.current.size)

    @cached_property
    def counts(self) -> tuple[Floats, Floats]:
        """Rows per category of the union."""
        return aligned_counts(self.reference.counts, self.reference.keys, self.current.counts)

    @property
    def sizes(self) -> tuple[int, int]:
        """Present rows of the reference and of the window."""
        return self.reference.size, self.current.size


def chisquare(counts: tuple[Floats, Floats], sizes: tuple[int, int]) -> float:
    """P-value of Pearson's test of the window's counts against the reference's shares.

    It takes the reference for the exact truth, so it flags stable data too often, and one row of a category that
    the reference lacks gives 0.

    >>> round(chisquare((np.array([500.0, 500.0]), np.array([60.0, 40.0])), (1000, 100)), 4)
    0.0455
    """
    reference, observed = counts
    expected = reference * (sizes[1] / sizes[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.sum((observed - expected) ** 2 / expected)
    return float(chdtrc(observed.size - 1.0, statistic))


def z(reference: Mapping[Hashable, int], current: Mapping[Hashable, int], sizes: tuple[int, int]) -> float:
    """Two-sided p-value of the z-test on the share of the smallest value against all others, pooled variance.

    Meant for two values; of more, Evidently and so this compares the first in sorted order with the rest.

    >>> round(z({"no": 500, "yes": 500}, {"no": 60, "yes": 40}, (1000, 100)), 4)
    0.0565
    """
    if len(reference) == 1 and reference.keys() == current.keys():
        return 1.0
    values_of_one_type: set[Any] = set(reference) | set(current)
    first = min(values_of_one_type)
    n, m = sizes
    p = float(n - reference.get(first, 0)) / n
    q = float(m - current.get(first, 0)) / m
    pooled = (p * n + q * m) / (n + m)
    score = (p - q) / np.sqrt(pooled * (1 - pooled) * (1.0 / n + 1.0 / m))
    return float(2 * (1 - ndtr(np.abs(score))))
