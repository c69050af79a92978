"""Where the evidence of all sections together reaches the threshold, on two clocks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EVENT, EXAMPLE = 1, 0
"""Items in the order of the log."""


class Path(NamedTuple):
    """M of one section: before its next row, and after each of those that are judged."""

    before: float
    after: Floats


def first_crossing(order: bytearray, threshold: float, events: Sequence[Path], examples: Path | None) -> int | None:
    """The first item at which M reaches the threshold; None if it does not.

    Args:
        order: Items, `EVENT` or `EXAMPLE`.
        threshold: What M must reach.
        events: Of the sections whose clock are events; rows that are judged beyond the items do not matter.
        examples: Of the loss.

    >>> rising = np.array([1.0, 2.0, 3.0])
    >>> first_crossing(bytearray([EVENT, EXAMPLE, EVENT]), 3.0, [Path(0.0, rising)], Path(0.0, rising))
    2
    """
    if EXAMPLE not in order:
        totals = np.full(len(order), examples.before if examples else 0.0)
        for path in events:
            totals += path.after[: len(order)]
    else:
        kinds = np.frombuffer(order, dtype=np.uint8)
        passed = np.cumsum(kinds, dtype=np.int64)
        totals = np.zeros(len(order))
        if examples:  # first, as above: the last digits depend on the order
            totals += np.concatenate([[examples.before], examples.after])[np.arange(1, kinds.size + 1) - passed]
        for path in events:
            totals += np.concatenate([[path.before], path.after])[passed]
    reached = totals >= threshold
    at = int(reached.argmax())
    return at if reached[at] else None
