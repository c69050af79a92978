"""How columns are spread: histograms of the monitor's windows, kept for incidents and drawn beside the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from streams.messages import Histogram, WindowMetrics
from streams.web.history import number_or_none

INCIDENTS_MAX = 200
SHAPES_MAX = 12
"""Columns of one incident."""
_BINS_MAX = 64
"""A record with more is somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One column's histogram in the window that showed the change best."""

    ratio: float
    """Of its statistic to the threshold."""
    to_ms: int
    histogram: Histogram


class Shapes:
    """Of each incident the columns that moved most, as they were when they stood farthest from the reference."""

    def __init__(self) -> None:
        self._by_incident: dict[str, dict[str, Shape]] = {}

    def add(self, metrics: WindowMetrics) -> None:
        """A window, while an incident is open."""
        if metrics.incident is None or not any(column.histogram for column in metrics.columns):
            return
        kept = self._by_incident.setdefault(metrics.incident, {})
        while len(self._by_incident) > INCIDENTS_MAX:
            del self._by_incident[next(iter(self._by_incident))]
        for column in metrics.columns:
            value = number_or_none(column.statistics.get(column.statistic))
            if column.histogram is None or value is None or not column.threshold > 0:
                continue
            shape = Shape(ratio=value / column.threshold, to_ms=metrics.to_ms, histogram=column.histogram)
            before = kept.get(column.subject)
            if before is None or shape.ratio > before.ratio:
                kept[column.subject] = shape
        for subject in sorted(kept, key=lambda subject: kept[subject].ratio)[:-SHAPES_MAX]:
            del kept[subject]

    def of(self, incident: str, subject: str) -> Shape | None:
        """`quality:amount` is about the values of `feature:amount`, too."""
        kind, colon, name = subject.partition(":")
        return self._by_incident.get(incident, {}).get(f"feature:{name}" if colon and kind == "quality" else subject)

    def __len__(self) -> int:
        return len(self._by_incident)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bin: shares of the reference's rows and of the window's."""

    label: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A histogram to be drawn."""

    bars: Sequence[Bar]
    top: float
    """The highest share."""
    low: float | None
    """Of numbers: the inner bins' range."""
    high: float | None
    about: str
    """In words, for whoever does not see it."""

    @property
    def moved(self) -> list[Bar]:
        """The bins by how much their share has changed."""
        return sorted(self.bars, key=lambda bar: -abs(bar.current - bar.reference))


def picture(told: Histogram | None) -> Picture | None:
    """None for what is no histogram.

    >>> picture(Histogram(reference=[3, 1, 0], current=[1, 1, 0], values=["a", "b"])).about
    'a 75 % before, 50 % now; b 25 % before, 50 % now'
    """
    if told is None or len(told.reference) != len(told.current) or not 0 < len(told.reference) <= _BINS_MAX:
        return None
    before, now = sum(told.reference), sum(told.current)
    if before < 1 or now < 1 or (told.values and len(told.values) + 1 != len(told.reference)):
        return None
    labels = [*told.values, "all others"] if told.values else _ranges(told)
    bars = [
        Bar(label=label, reference=reference / before, current=current / now)
        for label, reference, current in zip(labels, told.reference, told.current, strict=True)
    ]
    if told.values and not (told.reference[-1] or told.current[-1]):
        bars.pop()
    moved = sorted(bars, key=lambda bar: -abs(bar.current - bar.reference))[:3]
    return Picture(
        bars=bars,
        top=max(max(bar.reference, bar.current) for bar in bars),
        low=None if told.values else told.low,
        high=None if told.values else told.high,
        about="; ".join(f"{bar.label} {bar.reference:.0%} before, {bar.current:.0%} now" for bar in moved).replace(
            "%", " %"
        ),
    )


def _ranges(told: Histogram) -> list[str]:
    inner = len(told.reference) - 2
    if inner < 1:
        return ["all"] * len(told.reference)
    edges = [told.low + (told.high - told.low) * number / inner for number in range(inner + 1)]
    between = [f"{start:.4g} to {end:.4g}" for start, end in pairwise(edges)]
    return [f"below {told.low:.4g}", *between, f"above {told.high:.4g}"]
