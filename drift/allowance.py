"""How many false alarms people can bear: one number, in events or in time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNITS_MS = {
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
    "month": 2_629_800_000,
    "year": 31_557_600_000,
}
_TEXT = re.compile(r"(?P<alarms>\d+) per (?:(?P<count>\d[\d_,]*) )?(?P<unit>event|minute|hour|day|week|month|year)s?")
EVENTS_MIN = 100
"""Fewer events per alarm than this leave nothing to tell a change by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """At most `alarms` false alarms per so many events, or per so long, on average."""

    alarms: int
    events: int | None = None
    """One of the two is given."""
    ms: int | None = None

    @classmethod
    def parse(cls, text: str, path: str = "false_alarms") -> Allowance:
        """Read `1 per 100000 events`, `1 per week`, `2 per 3 days`.

        >>> Allowance.parse("1 per 100_000 events").events_per_alarm()
        100000.0
        >>> Allowance.parse("1 per week").events_per_alarm(events_per_ms=0.001)
        604800.0

        Raises:
            ValueError: It is neither, or fewer than 100 events per alarm.
        """
        found = _TEXT.fullmatch(text.strip())
        expected = f'{path} must be like "1 per 100000 events" or "1 per week", got {text!r}'
        if not found:
            raise ValueError(expected)
        alarms, count = int(found["alarms"]), int(re.sub("[_,]", "", found["count"] or "1"))
        if not alarms or not count:
            raise ValueError(expected)
        if found["unit"] != "event":
            return cls(alarms=alarms, ms=count * _UNITS_MS[found["unit"]])
        if count < EVENTS_MIN * alarms:
            raise ValueError(f"{path} must be at least {EVENTS_MIN} events per alarm, got {text!r}")
        return cls(alarms=alarms, events=count)

    def events_per_alarm(self, events_per_ms: float | None = None) -> float:
        """A of the budget; infinite while a budget in time has no measured rate, so nothing is told before."""
        if self.events is not None:
            return self.events / self.alarms
        if not events_per_ms or self.ms is None:
            return math.inf
        return max(float(EVENTS_MIN), self.ms * events_per_ms / self.alarms)


class Rate:
    """Events per millisecond of stream time, measured; the last ten thousand events or so count."""

    STEP_EVENTS = 200
    _KEEP = 0.98

    def __init__(self) -> None:
        self._events = 0.0
        self._ms = 0.0
        self._since: int | None = None

    def measure(self, event_ms: int) -> None:
        """Called every `STEP_EVENTS` events with the time of the latest."""
        if self._since is not None and event_ms > self._since:
            self._events = self._KEEP * self._events + self.STEP_EVENTS
            self._ms = self._KEEP * self._ms + (event_ms - self._since)
        self._since = event_ms if self._since is None else max(self._since, event_ms)

    @property
    def events_per_ms(self) -> float | None:
        """None before the first measurement."""
        return self._events / self._ms if self._ms > 0 else None

    def snapshot(self) -> dict[str, Any]:
        """Three numbers."""
        return {"events": self._events, "ms": self._ms, "since": self._since}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        self._events, self._ms, self._since = snapshot["events"], snapshot["ms"], snapshot["since"]
