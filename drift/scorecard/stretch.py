"""Rows that are taken to be stable: columns, losses, times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.columns import Column, check_kinds
from drift.evidence import ColumnKind

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Columns of one length, as pandas would type them; the losses of the same rows where there are any.

    >>> stretch = Stretch(kinds={"amount": "numeric"}, columns={"amount": np.array([1.0, 2.0, 3.0])})
    >>> stretch.rows, stretch.take(np.array([2, 0])).columns["amount"].tolist()
    (3, [3.0, 1.0])
    """

    kinds: Mapping[str, ColumnKind]
    columns: Mapping[str, Column]
    losses: Floats | None = None
    """Of each row's prediction as it was served, NaN where there was none."""
    swapped_losses: Floats | None = None
    """What each would be with another label; beside `losses` or not at all."""
    indicator: bool = True
    """Whether a loss is 0 or 1."""
    times_ms: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_kinds("stretch", self.kinds)
        sizes = {self.columns[name].size for name in self.kinds}
        sizes |= {each.size for each in (self.losses, self.swapped_losses, self.times_ms) if each is not None}
        if len(sizes) > 1:
            raise ValueError(f"stretch must be columns of one length, got {sorted(sizes)}")
        if (self.losses is None) != (self.swapped_losses is None):
            raise ValueError("stretch must have swapped_losses beside losses, got one of them")

    @property
    def rows(self) -> int:
        """How many."""
        return next(iter(self.columns.values())).size

    def take(self, places: Places | slice) -> Stretch:
        """The rows at these places."""

        def taken(array: Column | None) -> Any:  # noqa: ANN401 - as typed as it came
            return None if array is None else array[places]

        return replace(
            self,
            columns={name: column[places] for name, column in self.columns.items()},
            losses=taken(self.losses),
            swapped_losses=taken(self.swapped_losses),
            times_ms=taken(self.times_ms),
        )

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Rows as a stream's events."""
        lists = [self.columns[name].tolist() for name in self.kinds]
        return [dict(zip(self.kinds, values, strict=True)) for values in zip(*lists, strict=True)]
