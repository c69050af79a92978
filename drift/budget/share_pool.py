"""Streams of 0 and 1 (an error, a category, a missing value) as coins of a known bias.

The conformal rank of a 0 or 1 among k ones and n - k zeros is uniform while nothing changes; cut at p = (k + 1/2) /
(n + 1) it is a coin that shows 1 with probability p, whatever the true share s. Not quite: p itself depends on the row,
and on average p is missed by up to |s - 1/2| / (n + 1), which is little and fades as the pool grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.budget.uniforms import stream_keys, uniforms

Floats = NDArray[np.float64]
Marks = NDArray[np.int8]

NO_MARK = 2
"""Neither 0 nor 1: the row says nothing about this stream."""


class SharePool:
    """Ones and rows of several 0/1 streams."""

    def __init__(self, names: Sequence[str], ones: Sequence[int], rows: Sequence[int], seed: int) -> None:
        self._keys = stream_keys(seed, names)
        self._ones = np.array(ones, dtype=np.int64).reshape(-1, 1)
        self._rows = np.array(rows, dtype=np.int64).reshape(-1, 1)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows in each pool, shape `(n_streams,)`."""
        return self._rows[:, 0]

    @property
    def shares(self) -> Floats:
        """The coins' biases p = (k + 1/2) / (n + 1), shape `(n_streams,)`, strictly between 0 and 1."""
        return ((self._ones + 0.5) / (self._rows + 1.0))[:, 0]

    def coins(self, marks: Marks, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each row's coin shows 1; both of shape `(n_streams, n_rows)`. Of no use where there is no mark."""
        draws = uniforms(self._keys, positions)
        # u < p, with u = U (k+1) / (n+1) for a 1 and (k + U (n-k+1)) / (n+1) for a 0.
        one = draws * (self._ones + 1.0) < self._ones + 0.5
        zero = draws * (self._rows - self._ones + 1.0) < 0.5  # noqa: PLR2004 - of p
        return np.where(marks == 1, one, zero)

    def join(self, marks: Marks) -> None:
        """Let rows into the pool, shape `(n_streams, n_rows)`."""
        self._ones += (marks == 1).sum(axis=1, keepdims=True)
        self._rows += (marks != NO_MARK).sum(axis=1, keepdims=True)

    def snapshot(self) -> dict[str, Any]:
        """Ones and rows."""
        return {"ones": self._ones[:, 0].tolist(), "rows": self._rows[:, 0].tolist()}

    @classmethod
    def restore(cls, names: Sequence[str], snapshot: Mapping[str, Any], seed: int) -> SharePool:
        """The pool that `snapshot` was taken of."""
        return cls(names, snapshot["ones"], snapshot["rows"], seed)
