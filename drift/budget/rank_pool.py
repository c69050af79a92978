"""Ranks of numbers among all that came before: the pool of bin counts behind every numeric bet.

A value's rank in the pool, with ties broken by chance, is uniform while nothing changes, whatever the distribution
(V. Vovk et al., "Algorithmic Learning in a Random World", 2005). The pool must grow: against a fixed reference the
reference's own sampling error adds up, and the budget is overdrawn 6 times at 5,000 rows, 100 times at 500.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.budget.uniforms import stream_keys, uniforms

Floats = NDArray[np.float64]
Bins = NDArray[np.int16]

NO_BIN: int = -1
"""Stands for a missing value."""
_BINS_WANTED = 256
_TAIL_RANKS = (0, 1, 2, 4, 8, 16)
"""Order statistics from both ends that are edges too, or a change of the tails would drown in the outermost bin."""


def edges_of(values: Floats) -> Floats:
    """Ascending edges, shape `(n_edges,)`; a value's bin is the number of edges that are at most the value.

    A few distinct values get a bin each **and one for each gap and outside range**, or a feature that was constant
    would have no bin for anything else. More of them are cut at order statistics.

    >>> edges_of(np.array([1.0] * 20)).searchsorted([0.0, 1.0, 2.0], "right")
    array([0, 1, 2])
    """
    ordered = np.sort(values)
    distinct = np.unique(ordered)
    rows = ordered.size
    if distinct.size <= min(_BINS_WANTED, rows // 4):
        return np.unique(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    spaced = (np.arange(1, _BINS_WANTED) * rows) // _BINS_WANTED if rows > _BINS_WANTED else np.arange(1, rows)
    tails = [rank for rank in _TAIL_RANKS if rank < rows // 4]
    ranks = {*spaced.tolist(), *tails, *(rows - 1 - rank for rank in tails)}
    return np.unique(ordered[sorted(ranks)])


class Binned(NamedTuple):
    """One stream's reference."""

    edges: Floats
    counts: NDArray[np.int64]
    """One more than edges."""

    @classmethod
    def of(cls, values: Floats) -> Binned:
        """From present values."""
        edges = edges_of(values)
        return cls(edges, np.bincount(edges.searchsorted(values, "right"), minlength=edges.size + 1))


class RankPool:
    """Bin counts of several numeric streams, each with bins of its own, one more than it has edges."""

    def __init__(self, names: Sequence[str], references: Sequence[Binned], seed: int) -> None:
        self._keys = stream_keys(seed, names)
        self._edges = [each.edges for each in references]
        self._width = 1 + max((each.size for each in self._edges), default=0)
        streams = len(self._edges)
        self._counts = np.zeros((streams, self._width))  # floats, as their sums: casting costs more than adding
        for row, (_, found) in zip(self._counts, references, strict=True):
            row[: found.size] = found
        self._first_bin = (np.arange(streams) * self._width)[:, None]
        self._first_sum = (np.arange(streams) * (self._width + 1))[:, None]
        self._accumulate()

    def _accumulate(self) -> None:
        below = np.zeros((len(self._edges), self._width + 1))
        np.cumsum(self._counts, axis=1, out=below[:, 1:])
        self._below = below.reshape(-1)
        self._sizes = below[:, -1:]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Values in each pool, shape `(n_streams,)`."""
        return self._sizes[:, 0].astype(np.int64)

    def bins(self, values: Floats) -> Bins:
        """The bin of each value, `NO_BIN` for NaN; both of shape `(n_streams, n_rows)`."""
        found = np.empty(values.shape, dtype=np.int16)
        for edges, row, into in zip(self._edges, values, found, strict=True):
            into[:] = edges.searchsorted(row, "right")
        missing = np.isnan(values)
        if missing.any():
            found[missing] = NO_BIN
        return found

    def ranks(self, bins: Bins, positions: NDArray[np.int64]) -> Floats:
        """Each value's rank in (0, 1), uniform while its stream does not change; NaN where there is no bin."""
        draws = uniforms(self._keys, positions)
        place = bins + self._first_sum
        missing = bins == NO_BIN
        holes = bool(missing.any())
        if holes:
            place[missing] = 0
        below = self._below[place]
        place += 1
        draws *= self._below[place] - below + 1.0
        draws += below
        draws /= self._sizes + 1.0
        if holes:
            draws[missing] = np.nan
        return draws

    def join(self, bins: Bins) -> None:
        """Let values into the pool, shape `(n_streams, n_rows)`."""
        flat = (bins + self._first_bin).ravel()
        missing = bins == NO_BIN
        if missing.any():
            flat = flat[~missing.ravel()]
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)
        self._accumulate()

    def snapshot(self) -> dict[str, Any]:
        """Edges and counts, as bytes."""
        return {
            "edges": [edges.astype("<f8").tobytes() for edges in self._edges],
            "counts": [
                row[: edges.size + 1].astype("<i8").tobytes()
                for edges, row in zip(self._edges, self._counts, strict=True)
            ],
        }

    @classmethod
    def restore(cls, names: Sequence[str], snapshot: Mapping[str, Any], seed: int) -> RankPool:
        """The pool that `snapshot` was taken of."""
        packed = zip(snapshot["edges"], snapshot["counts"], strict=True)
        streams = [Binned(np.frombuffer(edges, "<f8"), np.frombuffer(counts, "<i8")) for edges, counts in packed]
        return cls(names, streams, seed)
