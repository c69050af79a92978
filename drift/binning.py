"""Shares of two samples over common bins, and the divergences between them.

Evidently bins a numeric column with more than 20 distinct reference values by Sturges' rule over the *joint* range,
and anything else by value. Every function here repeats its arithmetic operation by operation, in its order: float
sums depend on it in the last bit. Source: Evidently 0.7, `calculations/stattests/utils.py`, numpy's
`histogram_bin_edges(bins="sturges")`, scipy's `entropy` and `jensenshannon`.

The order of values that are binned by value is the iteration order of a Python set, as in Evidently. For text it
follows the process's hash seed, so the last bit of such a statistic may differ between two processes, here exactly
as there; within one process both agree. `PYTHONHASHSEED=0` makes it the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from drift.columns import Column

Floats = NDArray[np.float64]

DISTINCT_MAX = 20
"""A numeric column with at most so many distinct reference values is compared value by value."""

_SHARE_TINY = 0.0001
"""What an empty bin counts as in PSI and KL, unless a filled bin is as small."""


@dataclass(frozen=True)
class Shares:
    """Share of the rows per bin, both of shape `(n_bins,)`, each side summing to 1 up to rounding."""

    reference: Floats
    current: Floats

    @cached_property
    def filled(self) -> tuple[Floats, Floats]:
        """Both sides with empty bins replaced by a small share, as PSI and KL need."""
        return _fill(self.reference), _fill(self.current)


def sturges_edges(reference: Column, current: Column) -> Floats | None:
    """Edges of equal-width bins over the joint range of two *sorted* samples; numpy's, for the concatenation.

    None where numpy refuses: the range overflows, or is too narrow to hold the bins. At least one sample must hold
    two distinct values.
    """
    if reference.dtype.kind != current.dtype.kind:
        reference, current = reference.astype(np.float64), current.astype(np.float64)
    first, last = min(reference[0], current[0]).item(), max(reference[-1], current[-1]).item()
    spread = last - first  # of Python numbers: exact for integers, as numpy's unsigned difference
    width = spread / (math.log2(reference.size + current.size) + 1.0)
    if not 0 < spread < math.inf:
        return None
    if reference.dtype.kind == "i" and width < 1:
        width = 1
    n_bins = math.ceil(spread / width) if width else 1
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(first, last, n_bins + 1, dtype=np.float64)
    return edges if bool((edges[:-1] < edges[1:]).all()) else None


def histogram_shares(reference: Column, current: Column) -> Shares | None:
    """Shares of two sorted samples over `sturges_edges`; None where there are no such edges."""
    edges = sturges_edges(reference, current)
    if edges is None:
        return None
    return Shares(_histogram(reference, edges) / reference.size, _histogram(current, edges) / current.size)


def aligned_counts(
    reference: Mapping[Hashable, int], keys: set[Hashable], current: Mapping[Hashable, int]
) -> tuple[Floats, Floats]:
    """Rows of both samples per value of the union, in Evidently's order of it.

    Args:
        reference: Rows per value.
        keys: Its values, in a set filled in order of first appearance.
        current: Rows per value, in order of first appearance.
    """
    # Evidently: list(set(reference.unique()) | set(current.unique())). A set's order depends on the order it was
    # filled in and on how its table grew, so both sets are filled from plain iterables and joined by `|`.
    union = list(keys | set(iter(current)))
    return (
        np.array([reference.get(key, 0) for key in union], dtype=np.float64),
        np.array([current.get(key, 0) for key in union], dtype=np.float64),
    )


def psi(shares: Shares) -> float:
    """Population stability index, 0 for equal shares, unbounded.

    >>> round(psi(Shares(np.array([0.5, 0.5]), np.array([0.8, 0.2]))), 4)
    0.4159
    """
    reference, current = shares.filled
    return float(np.sum((reference - current) * np.log(reference / current)))


def kl_div(shares: Shares) -> float:
    """Kullback-Leibler divergence of the reference from the window, in nats, 0 for equal shares, unbounded."""
    reference, current = shares.filled
    current = current / np.sum(current, axis=0, keepdims=True)
    reference = reference / np.sum(reference, axis=0, keepdims=True)
    return float(np.sum(rel_entr(reference, current), axis=0))


def jensenshannon(shares: Shares) -> float:
    """Jensen-Shannon distance with the natural logarithm, in [0, 0.8326].

    >>> round(jensenshannon(Shares(np.array([1.0, 0.0]), np.array([0.0, 1.0]))), 4)
    0.8326
    """
    reference = shares.reference / np.sum(shares.reference, axis=0, keepdims=True)
    current = shares.current / np.sum(shares.current, axis=0, keepdims=True)
    middle = (reference + current) / 2.0
    total = np.sum(rel_entr(reference, middle), axis=0) + np.sum(rel_entr(current, middle), axis=0)
    with np.errstate(invalid="ignore"):  # rounding can leave the sum below zero: NaN, as scipy
        return float(np.sqrt(total / 2.0))


def _histogram(ordered: Column, edges: Floats) -> NDArray[np.intp]:
    below = np.empty(edges.size, dtype=np.intp)
    below[:-1] = ordered.searchsorted(edges[:-1], "left")
    below[-1:] = ordered.searchsorted(edges[-1:], "right")  # the last bin includes its right edge
    return np.diff(below)


def _fill(shares: Floats) -> Floats:
    empty = shares == 0
    if not empty.any():
        return shares
    smallest = shares[~empty].min()
    return np.where(empty, smallest / 10**6 if smallest <= _SHARE_TINY else _SHARE_TINY, shares)
