"""How a column's values are spread, beside the reference's, in few bins: for a picture, never for a judgement.

The statistics have bins of their own, as Evidently makes them. These are chosen to be looked at, and their number is
bounded whatever the column holds.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from drift.categorical import CategoricalSample
from drift.columns import Column
from drift.numeric import NumericSample
from drift.reference import Reference, sample_of
from drift.statistics import Sample

BINS_MAX = 16
"""Of a picture: the outer two of a number hold what lies beyond."""
VALUES_MAX = 12
"""Told by name, and one bin for all others; a number of at most so many distinct values is told by value."""
NAME_CHARS_MAX = 40
_TAIL = 0.01
"""Share of the reference on each side that does not widen the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Rows per bin of both sides. With `values`, one bin for each and one for all others."""

    reference: tuple[int, ...]
    current: tuple[int, ...]
    values: tuple[str, ...] = ()
    low: float = 0.0
    """Of numbers: between `low` and `high` lie bins of one width, before and after them one for what is beyond."""
    high: float = 0.0


def histograms(reference: Reference, columns: Mapping[str, Column], names: Iterable[str]) -> dict[str, Histogram]:
    """By column; what has no values on one side is left out.

    >>> reference = Reference.from_columns({"age": "numeric"}, {"age": np.arange(100.0)})
    >>> found = histograms(reference, {"age": np.arange(50.0, 150.0)}, ["age"])["age"]
    >>> found.low, found.high, found.reference[:3], found.current[-3:]
    (0.0, 99.0, (0, 8, 7), (7, 8, 50))
    """
    found = {}
    for name in names:
        drawn = _histogram(reference.samples[name], sample_of(reference.kinds[name], columns[name]))
        if drawn is not None:
            found[name] = drawn
    return found


def _histogram(reference: Sample, current: Sample) -> Histogram | None:
    if not reference.size or not current.size:
        return None
    if isinstance(reference, NumericSample) and isinstance(current, NumericSample):
        if reference.distinct > VALUES_MAX:
            return _of_numbers(reference, current)
        return _of_values(reference.counts, current.counts)
    assert isinstance(reference, CategoricalSample)
    assert isinstance(current, CategoricalSample)
    return _of_values(reference.counts, current.counts)


def _of_numbers(reference: NumericSample, current: NumericSample) -> Histogram | None:
    ordered = reference.floats
    tail = int(_TAIL * (ordered.size - 1))
    low, high = float(ordered[tail]), float(ordered[-1 - tail])
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(low, high, BINS_MAX - 1)
    if not (edges[:-1] < edges[1:]).all():  # most of it is one value, or the range is too wide for a number
        return None
    sides = []
    for sample in (reference, current):
        below = sample.floats.searchsorted(edges, "left")
        below[-1] = sample.floats.searchsorted(high, "right")
        sides.append(tuple(np.diff(below, prepend=0, append=sample.size).tolist()))
    return Histogram(reference=sides[0], current=sides[1], low=low, high=high)


def _of_values(reference: Mapping[Hashable, int], current: Mapping[Hashable, int]) -> Histogram:
    """The commonest of either side by share, in the reference's order: its own first, then what is new."""
    rows, current_rows = sum(reference.values()), sum(current.values())

    def rank(value: Hashable) -> tuple[float, str]:
        return -max(reference.get(value, 0) / rows, current.get(value, 0) / current_rows), _name(value)

    chosen = heapq.nsmallest(VALUES_MAX, {*reference, *current}, key=rank)
    chosen.sort(key=lambda value: (-reference.get(value, 0), -current.get(value, 0), _name(value)))
    before = [reference.get(value, 0) for value in chosen]
    since = [current.get(value, 0) for value in chosen]
    return Histogram(
        values=tuple(_name(value) for value in chosen),
        reference=(*before, rows - sum(before)),
        current=(*since, current_rows - sum(since)),
    )


def _name(value: Hashable) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= NAME_CHARS_MAX else text[: NAME_CHARS_MAX - 1] + "…"
