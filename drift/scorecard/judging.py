"""What a contender's alarms are worth: false ones by the stream, right ones by delay, misses and blame."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scipy.special import chdtri

from drift.budget.joint import JOINT
from drift.scorecard.contenders import Raised
from drift.scorecard.trials import Stream

PER = 100_000
"""Events that false alarms are told for."""
CONFIDENCE = 0.9


@dataclass(slots=True, kw_only=True)
class FalseAlarms:
    """Alarms on rows without a change."""

    alarms: int = 0
    events: int = 0

    def add(self, raised: Sequence[Raised], events: int) -> None:
        """Those of one more stream."""
        self.alarms += len(raised)
        self.events += events

    @property
    def rate(self) -> float:
        """For each 100,000 events; NaN without any."""
        return PER * self.alarms / self.events if self.events else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The rates that so many alarms are compatible with, each end at 95 % (Garwood's exact interval)."""
        if not self.events:
            return 0.0, math.inf
        low, high = poisson_interval(self.alarms)
        return PER * low / self.events, PER * high / self.events


def poisson_interval(count: int) -> tuple[float, float]:
    """Means that a count is compatible with, 90 %.

    >>> [round(each, 2) for each in poisson_interval(0)], [round(each, 2) for each in poisson_interval(10)]
    ([0.0, 3.0], [5.43, 16.96])
    """
    tail = (1 - CONFIDENCE) / 2
    low = float(chdtri(2 * count, 1 - tail)) / 2 if count else 0.0
    return low, float(chdtri(2 * (count + 1), tail)) / 2


@dataclass(slots=True, kw_only=True)
class Detections:
    """How one kind of change was seen, over its trials."""

    delays: list[float] = field(default_factory=list)
    """In events; infinite for a miss."""
    blamed: int = 0
    """Trials in which a column that did change was blamed first."""

    def add(self, stream: Stream, raised: Iterable[Raised]) -> None:
        """One more trial; alarms before the change do not count."""
        at = stream.change_at
        assert at is not None
        first = next((alarm for alarm in raised if alarm.row > at), None)
        self.delays.append(math.inf if first is None else first.row - at)
        self.blamed += first is not None and (
            first.column in stream.changed or (first.column == JOINT and len(stream.changed) > 1)
        )

    def merge(self, other: Detections) -> None:
        """Other trials as well."""
        self.delays += other.delays
        self.blamed += other.blamed

    @property
    def trials(self) -> int:
        """How often it was tried."""
        return len(self.delays)

    @property
    def misses(self) -> int:
        """Trials without an alarm after the change."""
        return sum(math.isinf(delay) for delay in self.delays)

    @property
    def median(self) -> float:
        """Of the delays, a miss being infinite; NaN without trials."""
        return statistics.median(self.delays) if self.delays else math.nan

    @property
    def blame(self) -> float:
        """Share of the detections that blamed rightly; NaN without any."""
        seen = self.trials - self.misses
        return self.blamed / seen if seen else math.nan


@dataclass(slots=True, kw_only=True)
class Score:
    """Everything known of one contender."""

    name: str
    about: str
    drawn: FalseAlarms = field(default_factory=FalseAlarms)
    """On rows drawn from the stretch."""
    as_it_came: FalseAlarms = field(default_factory=FalseAlarms)
    """On the rows in their own order."""
    detections: dict[str, Detections] = field(default_factory=dict)
    """By scenario; those that it cannot see by its nature are absent."""
    cost_us: float = math.nan
    """Per event."""

    @property
    def overall(self) -> Detections:
        """All trials together."""
        found = Detections()
        for each in self.detections.values():
            found.merge(each)
        return found
