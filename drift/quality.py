"""Data quality of one column of a window, against its reference."""

from __future__ import annotations

from drift.categorical import CategoricalSample
from drift.evidence import Quality
from drift.numeric import NumericSample
from drift.statistics import Sample


def quality_of(reference: Sample, current: Sample) -> Quality:
    """Shares of the window's rows that are missing, of a new category, or out of the reference's range.

    Infinities count as missing. Where the reference has no value at all, nothing is new or out of range. Raises
    TypeError if one sample holds numbers and the other categories.

    >>> import numpy as np
    >>> quality = quality_of(NumericSample(np.array([0.0, 10.0])), NumericSample(np.array([5.0, 11.0, np.nan, -1.0])))
    >>> quality.missing_share, quality.out_of_range_share
    (0.25, 0.5)
    """
    new = outside = 0
    if isinstance(reference, CategoricalSample) and isinstance(current, CategoricalSample):
        if reference.size:
            new = sum(rows for category, rows in current.counts.items() if category not in reference.counts)
    elif isinstance(reference, NumericSample) and isinstance(current, NumericSample):
        if reference.size:
            below = int(current.ordered.searchsorted(reference.ordered[0], "left"))
            outside = below + current.size - int(current.ordered.searchsorted(reference.ordered[-1], "right"))
    else:
        raise TypeError(f"current must be a {type(reference).__name__}, got {type(current).__name__}")
    return Quality(
        missing_share=_share(current.rows - current.size, current.rows),
        reference_missing_share=_share(reference.rows - reference.size, reference.rows),
        new_category_share=_share(new, current.rows),
        out_of_range_share=_share(outside, current.rows),
    )


def _share(part: int, rows: int) -> float:
    return part / rows if rows else 0.0
