"""Does it hurt? The loss before a change against the loss since, with an interval that may be looked at any time.

Before is what was heard of events before the change. Since is what was heard *after the alarm*, of events since the
change: the stretch that raised the alarm was chosen for being bad, and would say so of any false alarm of the loss.
Labels that come late go to the side of their event.

Source: asymptotic confidence sequences for means, I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", arXiv 2103.06476. One for each side, the risk
shared; their widths add up, so the interval of the difference is wider than it needs to be.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

HarmVerdict = Literal["worse", "better", "none_seen", "unknown"]

EXAMPLES_MIN = 30
"""On each side; with fewer nothing is said."""
RISK = 0.05
"""Chance that the interval ever leaves out the truth, about."""
_KEPT = 2_000
"""Latest losses, from which the side before is made."""
_TUNED_EXAMPLES = 500
"""Where the interval is narrowest for its risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What is known of the loss around a change."""

    verdict: HarmVerdict
    examples_before: int
    examples_since: int
    before: float | None = None
    """Mean loss of the champion, as served."""
    since: float | None = None
    low: float | None = None
    """Of the difference since - before, with `high`: about 95 % sure, whenever one looks."""
    high: float | None = None

    @property
    def words(self) -> str:
        """For people.

        >>> Harm(verdict="unknown", examples_before=500, examples_since=0).words
        'unknown: no labels yet'
        """
        if self.before is None or self.since is None or self.low is None or self.high is None:
            if self.examples_before < EXAMPLES_MIN:
                return "unknown: too few labels from before it"
            return f"unknown: {self.examples_since or 'no'} label{'' if self.examples_since == 1 else 's'} yet"
        between = f"{self.before:.3g} before, {self.since:.3g} since"
        if self.verdict == "worse":
            return f"the loss is higher by {self.low:.2g} to {self.high:.2g} ({between})"
        if self.verdict == "better":
            return f"the loss is lower by {-self.high:.2g} to {-self.low:.2g} ({between})"
        return f"no harm seen: the loss has changed by {self.low:+.2g} to {self.high:+.2g} ({between})"


UNKNOWN = Harm(verdict="unknown", examples_before=0, examples_since=0)


@dataclass(slots=True)
class _Side:
    """Moments of some losses, one by one (B. P. Welford, Technometrics 4, 1962)."""

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, loss: float) -> None:
        self.rows += 1
        off = loss - self.mean
        self.mean += off / self.rows
        self.squares += off * (loss - self.mean)

    def radius(self, risk: float, guard: float) -> float:
        """Half the width of the mean's interval; `guard` is added to the squares, or a constant would be certain."""
        spread = math.sqrt((self.squares + guard) / self.rows)
        tuned = -2 * math.log(risk)
        weight = (tuned + math.log(tuned + 1)) / _TUNED_EXAMPLES * self.rows
        bound = 2 * (weight + 1) / (self.rows * weight) * math.log(math.sqrt(weight + 1) / risk)
        return spread * math.sqrt(bound)


class HarmMeter:
    """Called with every loss, and around each incident; `indicator` for losses of 0 and 1.

    >>> meter = HarmMeter(indicator=True)
    >>> for number in range(400):
    ...     meter.loss(float(number % 10 == 0), event_ms=number)
    >>> meter.begin(since_ms=400)
    >>> for number in range(400, 600):
    ...     meter.loss(float(number % 2 == 0), event_ms=number)
    >>> meter.harm().words
    'the loss is higher by 0.23 to 0.57 (0.1 before, 0.5 since)'
    """

    def __init__(self, *, indicator: bool) -> None:
        self._guard = 0.25 if indicator else 0.0
        self._recent: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._since_ms: int | None = None
        self._before, self._since = _Side(), _Side()

    def loss(self, value: float, event_ms: int) -> None:
        """One example's loss, and when its event was; a number that is not finite is left out."""
        if not math.isfinite(value):
            return
        self._recent.append((event_ms, value))
        if self._since_ms is not None:
            (self._since if event_ms >= self._since_ms else self._before).add(value)

    def begin(self, since_ms: int) -> None:
        """An alarm: the change began then."""
        self._since_ms = since_ms
        self._before, self._since = _Side(), _Side()
        for event_ms, value in self._recent:
            if event_ms < since_ms:
                self._before.add(value)

    def end(self) -> None:
        """The incident is over."""
        self._since_ms = None

    def recent(self, since_ms: int) -> tuple[float, float] | None:
        """Mean losses before and since a time, among the latest: how large, not whether; None without both."""
        sides = _Side(), _Side()
        for event_ms, value in self._recent:
            sides[event_ms >= since_ms].add(value)
        return (sides[0].mean, sides[1].mean) if sides[0].rows and sides[1].rows else None

    def harm(self) -> Harm:
        """What is known by now."""
        if self._since_ms is None:
            return UNKNOWN
        before, since = self._before, self._since
        counts = {"examples_before": before.rows, "examples_since": since.rows}
        if min(before.rows, since.rows) < EXAMPLES_MIN:
            return Harm(verdict="unknown", **counts)
        difference = since.mean - before.mean
        radius = before.radius(RISK / 2, self._guard) + since.radius(RISK / 2, self._guard)
        low, high = difference - radius, difference + radius
        verdict: HarmVerdict = "worse" if low > 0 else "better" if high < 0 else "none_seen"
        return Harm(verdict=verdict, before=before.mean, since=since.mean, low=low, high=high, **counts)

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes."""
        return {
            "recent": list(self._recent),
            "since_ms": self._since_ms,
            "before": asdict(self._before),
            "since": asdict(self._since),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._recent.clear()
        self._recent.extend((event_ms, value) for event_ms, value in snapshot["recent"])
        self._since_ms = snapshot["since_ms"]
        self._before, self._since = _Side(**snapshot["before"]), _Side(**snapshot["since"])
