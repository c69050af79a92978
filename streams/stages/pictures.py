"""Histograms on the columns of a window, of a bounded number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from drift.columns import Column
from drift.histogram import histograms
from drift.reference import Reference
from drift.strength import strength
from streams.messages import ColumnMetrics, Histogram

PICTURES_MAX = 30
"""Of one window, whatever the number of features: some 200 bytes each."""


def pictured(
    told: Sequence[ColumnMetrics], names: Sequence[str], reference: Reference, shown: Mapping[str, Column]
) -> list[ColumnMetrics]:
    """The same columns, those farthest from the reference with their histograms; `names` are those of the window."""
    chosen = sorted(range(len(told)), key=lambda number: -_far(told[number]))[:PICTURES_MAX]
    drawn = histograms(reference, shown, [names[number] for number in chosen])
    return [
        msgspec.structs.replace(
            column,
            histogram=Histogram(
                reference=list(found.reference),
                current=list(found.current),
                values=list(found.values),
                low=found.low,
                high=found.high,
            ),
        )
        if (found := drawn.get(name)) is not None
        else column
        for name, column in zip(names, told, strict=True)
    ]


def _far(column: ColumnMetrics) -> float:
    value = column.statistics.get(column.statistic)
    return 0.0 if value is None else strength(column.statistic, value, column.threshold)
