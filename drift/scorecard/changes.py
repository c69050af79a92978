"""What can happen to data, one kind of change each: columns in, changed columns out, row by row.

An effect is prepared on stable rows, from which it learns scales and shares, and then changes any other rows. What it
does to a row depends on that row, on how strong the change is there and on draws that depend on the row's position
alone: rows may come in any batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from drift.budget.whitening import Scale
from drift.columns import Column
from drift.evidence import ColumnKind
from drift.scorecard.stretch import Floats

NEW_CATEGORY = "(new)"
"""What is born."""
_INTEGER_MAX = 2.0**62
_PAIR_ROWS_MAX = 5000

Columns = Mapping[str, Column]
Draws = Callable[[str], Floats]
"""Uniform numbers in [0, 1), one a row, by the name of what they are for."""


class Effect(Protocol):
    """A change that is prepared."""

    def __call__(self, columns: Columns, strength: Floats, draws: Draws, /) -> dict[str, Column]:
        """The columns that change, anew; `strength` in [0, 1] a row, 0 for as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One kind of change."""

    name: str
    about: str
    """`{size}` stands for the size in its unit."""
    kinds: frozenset[ColumnKind]
    """Of columns that it can happen to; empty for the loss."""
    prepare: Callable[[Columns, Sequence[str], float], Effect]
    """From stable columns, the names of those that change, and the size. Raises ValueError where it cannot happen."""
    size_min: float
    """Sizes are greater."""
    size_max: float
    columns: int = 1
    """How many columns it needs at once."""


NUMBERS: frozenset[ColumnKind] = frozenset({"numeric", "integer"})
_CATEGORIES: frozenset[ColumnKind] = frozenset({"categorical"})


def finite(column: Column) -> Floats:
    """The present values of a numeric column."""
    numbers: Floats = column.astype(np.float64)
    return numbers[np.isfinite(numbers)]


def _scales(columns: Columns, names: Sequence[str]) -> dict[str, Scale]:
    found = {}
    for name in names:
        values = finite(columns[name])
        if not values.size or (values == values[0]).all():
            raise ValueError(f"{name} must be a column of different numbers, got one value or none")
        found[name] = Scale.of(values)
    return found


def _whole(column: Column) -> bool:
    """Whether all are whole numbers; among missing ones they come as floats."""
    values = finite(column)
    return bool((values == np.floor(values)).all())


def _as_before(column: Column, changed: Floats, draws: Draws, name: str) -> Column:
    """Whole numbers stay whole, rounded at random: a shift of a quarter is not lost."""
    rounded = np.floor(changed + draws(f"round/{name}"))
    return np.clip(rounded, -_INTEGER_MAX, _INTEGER_MAX).astype(np.int64) if column.dtype.kind == "i" else rounded


def _shift(columns: Columns, names: Sequence[str], size: float) -> Effect:
    scales, whole = _scales(columns, names), {name for name in names if _whole(columns[name])}

    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        moved = {name: rows[name] + strength * size * scale.size for name, scale in scales.items()}
        return {
            name: _as_before(rows[name], moved[name], draws, name) if name in whole else moved[name] for name in names
        }

    return effect


def _scale(columns: Columns, names: Sequence[str], size: float) -> Effect:
    scales, whole = _scales(columns, names), {name for name in names if _whole(columns[name])}

    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        factor = size**strength
        changed = {}
        for name, scale in scales.items():
            wider = np.where(strength > 0, scale.centre + (rows[name] - scale.centre) * factor, rows[name])
            changed[name] = _as_before(rows[name], wider, draws, name) if name in whole else wider
        return changed

    return effect


def _missing(_columns: Columns, names: Sequence[str], size: float) -> Effect:
    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        changed = {}
        for name in names:
            gone, column = draws(f"missing/{name}") < size * strength, rows[name]
            if not gone.any():
                continue
            column = column.copy() if column.dtype.kind in "fO" else column.astype(np.float64)
            column[gone] = None if column.dtype.kind == "O" else np.nan
            changed[name] = column
        return changed

    return effect


def _birth(_columns: Columns, names: Sequence[str], size: float) -> Effect:
    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        changed = {}
        for name in names:
            changed[name] = rows[name].copy()
            changed[name][draws(f"birth/{name}") < size * strength] = NEW_CATEGORY
        return changed

    return effect


def shares(column: Column) -> dict[str, float]:
    """Of each category among the present values, the greatest first."""
    present = [value for value in column.tolist() if value is not None]
    found, counts = np.unique(np.array(present, dtype=str), return_counts=True)
    ordered = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda each: (-each[1], each[0]))
    return {category: count / len(present) for category, count in ordered}


def _death(columns: Columns, names: Sequence[str], size: float) -> Effect:
    """The category whose share is nearest to `size` dies: its rows become others, by their shares."""
    plans = {}
    for name in names:
        found = shares(columns[name])
        if len(found) < 2:  # noqa: PLR2004 - one that dies and one that it becomes
            raise ValueError(f"{name} must have two categories, got {len(found)}")
        dying = min(found, key=lambda category: (abs(found[category] - size), category))
        others = np.array([category for category in found if category != dying], dtype=object)
        weights = np.cumsum([found[category] for category in others])
        plans[name] = dying, others, weights / weights[-1]

    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        changed = {}
        for name, (dying, others, weights) in plans.items():
            column = rows[name].copy()
            dies = (column == dying) & (draws(f"dies/{name}") < strength)
            drawn = np.minimum(weights.searchsorted(draws(f"becomes/{name}"), "right"), others.size - 1)
            column[dies] = others[drawn[dies]]
            changed[name] = column
        return changed

    return effect


def _correlation(columns: Columns, names: Sequence[str], size: float) -> Effect:
    """The second column follows the first with this correlation of normal scores; its own distribution stays."""
    leader, follower = names
    _scales(columns, names)
    levels, values = np.sort(finite(columns[leader])), np.sort(finite(columns[follower]))

    def effect(rows: Columns, strength: Floats, draws: Draws) -> dict[str, Column]:
        numbers: Floats = rows[leader].astype(np.float64)
        below, upto = levels.searchsorted(numbers, "left"), levels.searchsorted(numbers, "right")
        rank = (below + draws("tie") * (upto - below) + 0.5) / (levels.size + 1)
        score = size * ndtri(rank) + np.sqrt(1 - size * size) * ndtri(np.maximum(draws("noise"), 1e-12))
        drawn = values[np.minimum((ndtr(score) * values.size).astype(np.intp), values.size - 1)]
        follows = (draws("follows") < strength) & np.isfinite(numbers)
        column = rows[follower]
        whole = drawn.astype(np.int64) if column.dtype.kind == "i" else drawn
        return {follower: np.where(follows, whole, column)}

    return effect


def loosest_pair(columns: Columns, names: Sequence[str]) -> tuple[str, str]:
    """Two of these numeric columns, of which at least two must vary, that go together least, by rank correlation."""
    ranks = {}
    for name in names:
        values: Floats = columns[name][:_PAIR_ROWS_MAX].astype(np.float64)
        ranks[name] = rankdata(np.where(np.isfinite(values), values, np.inf))
    pairs = list(combinations(names, 2))
    return min(pairs, key=lambda pair: abs(float(np.corrcoef(ranks[pair[0]], ranks[pair[1]])[0, 1])))


def _swap(_columns: Columns, _names: Sequence[str], _size: float) -> Effect:
    return lambda _rows, _strength, _draws: {}


_CATALOG = (
    Change(
        name="shift", about="mean {size:+g} sd", kinds=NUMBERS, prepare=_shift, size_min=-10, size_max=10,
    ),
    Change(name="scale", about="spread x{size:g}", kinds=NUMBERS, prepare=_scale, size_min=0, size_max=100),
    Change(
        name="missing", about="{size:.0%} more missing", kinds=NUMBERS | _CATEGORIES, prepare=_missing, size_min=0,
        size_max=1,
    ),
    Change(
        name="birth", about="a new category takes {size:.0%}", kinds=_CATEGORIES, prepare=_birth, size_min=0,
        size_max=1,
    ),
    Change(
        name="death", about="a category of about {size:.0%} dies", kinds=_CATEGORIES, prepare=_death, size_min=0,
        size_max=1,
    ),
    Change(
        name="correlation", about="correlation {size:g}", kinds=NUMBERS, prepare=_correlation, size_min=-1,
        size_max=0.999, columns=2,
    ),
    Change(name="swap", about="{size:.0%} of labels swapped", kinds=frozenset(), prepare=_swap, size_min=0, size_max=1),
)  # fmt: skip

CHANGES: Mapping[str, Change] = MappingProxyType({change.name: change for change in _CATALOG})
"""Every kind by name. In all sizes a standard deviation is the robust one, IQR / 1.349."""
