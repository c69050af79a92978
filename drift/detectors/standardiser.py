"""Numbers of any unit brought to one scale, since River's detectors have thresholds in the unit of their input.

ADWIN's bound assumes a range of about 1: on values of 0.001 it is blind, on values of 1,000 careless.
Page-Hinkley's threshold is a plain sum. So the first values
are kept to learn a robust centre and scale, which then stand still: a scale that followed the data would hide
the change. A detector that fired learns a new one.
"""

from __future__ import annotations

import statistics

LEARNT_FROM_ROWS = 200
"""Values that only teach the scale; the detector sees none of them."""
CLIP = 3.0
"""Largest standard score passed on. Heavy tails decide it: in 100,000 Pareto(2.5) values Page-Hinkley raised
246 false alarms at 100, 52 at 8, 16 at 5 and 3 at 3."""
NORMAL_IQR = 1.349
"""Interquartile range of a standard normal, so that a scale means one standard deviation."""


class Standardiser:
    """Median and interquartile range of the first values, then (value - centre) / scale within ±3.

    >>> standardiser = Standardiser()
    >>> set(map(standardiser.transform, range(1000, 1200)))
    {None}
    >>> round(standardiser.transform(1100), 2), standardiser.transform(1e9)
    (0.01, 3.0)
    """

    def __init__(self, learning: tuple[float, ...] = (), scale: tuple[float, float] | None = None) -> None:
        self._learning = list(learning)
        self._scale = scale

    @property
    def learning(self) -> tuple[float, ...]:
        """The values kept so far; empty once the scale is fixed."""
        return tuple(self._learning)

    @property
    def scale(self) -> tuple[float, float] | None:
        """(centre, scale) once fixed."""
        return self._scale

    def transform(self, value: float) -> float | None:
        """The standard score, or None while the scale is still being learnt."""
        if self._scale is None:
            self._learning.append(value)
            if len(self._learning) == LEARNT_FROM_ROWS:
                self._scale = centre_and_scale(self._learning)
                self._learning = []
            return None
        centre, scale = self._scale
        return max(-CLIP, min(CLIP, (value - centre) / scale))


def centre_and_scale(values: list[float]) -> tuple[float, float]:
    """Median and IQR / 1.349 of at least two finite values; never a scale of 0.

    Without an interquartile range the standard deviation, and for a constant its own size.

    >>> centre_and_scale([3.0] * 8)
    (3.0, 3.0)
    """
    lower, centre, upper = statistics.quantiles(values, n=4)
    scale = (upper - lower) / NORMAL_IQR or statistics.pstdev(values) or abs(centre) or 1.0
    return centre, scale
