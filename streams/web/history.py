"""Windows as the page keeps them: a few numbers of each, the newest ones only."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from streams.messages import WindowMetrics

WINDOWS_MAX = 10_000
"""Of history; some 4 kB each with twenty columns and four candidates."""
COLUMNS_MAX = 500
"""Of a window; the page says so when there are more."""
ALARMS_MAX = 20
SCORES = ("accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc", "mae", "rmse", "r2")
"""Whose margins are kept."""

Verdict = Literal["stable", "drift", "not_enough_data"]
VERDICTS: tuple[Verdict, ...] = ("stable", "drift", "not_enough_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A detector that fired."""

    subject: str
    detector: str
    event_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One column of one window."""

    value: float | None
    threshold: float
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """Value over threshold; None where nothing was judged."""
        if self.value is None or not self.threshold > 0 or self.verdict == "not_enough_data":
            return None
        return self.value / self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One evaluated window, without what nobody draws."""

    id: str
    number: int
    rows: int
    from_ms: int
    to_ms: int
    verdict: Verdict
    incident: str | None
    reference: str
    coverage: float | None
    scores: Mapping[str, Mapping[str, float | None]]
    """By candidate and metric."""
    margins: Mapping[str, Sequence[float]]
    """By candidate, in the order of `SCORES`: half the width of the score's interval, NaN where there is none."""
    alarms: tuple[Alarm, ...]
    subjects: tuple[str, ...]
    """Shared between windows: one tuple for all that have the same columns."""
    values: Sequence[float]
    thresholds: Sequence[float]
    verdicts: bytes
    columns_total: int

    def point(self, at: int) -> Point:
        """The column at this place in `subjects`."""
        value = self.values[at]
        return Point(
            value=None if math.isnan(value) else value,
            threshold=self.thresholds[at],
            verdict=VERDICTS[self.verdicts[at]],
        )

    def margin(self, name: str, metric: str) -> float | None:
        """How far off a candidate's score may be; None where the window does not say."""
        half = self.margins[name][SCORES.index(metric)] if name in self.margins else math.nan
        return None if math.isnan(half) else half

    def of(self, subject: str) -> Point | None:
        """None where the window has no such column."""
        return self.point(self.subjects.index(subject)) if subject in self.subjects else None


def number_or_none(value: object) -> float | None:
    """A finite number, or None for anything else that came over the wire.

    >>> number_or_none(1), number_or_none(float("inf")), number_or_none("1"), number_or_none(9**999)
    (1.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def window_of(metrics: WindowMetrics) -> Window:
    """What is kept of one record."""
    columns = metrics.columns[:COLUMNS_MAX]
    values = (number_or_none(column.statistics.get(column.statistic)) for column in columns)
    return Window(
        id=metrics.id,
        number=metrics.window,
        rows=metrics.rows,
        from_ms=metrics.from_ms,
        to_ms=metrics.to_ms,
        verdict=metrics.verdict,
        incident=metrics.incident,
        reference=metrics.reference,
        coverage=number_or_none(metrics.labels.get("coverage")),
        scores={name: _scores(said) for name, said in metrics.quality.items()},
        margins={name: _margins(said) for name, said in metrics.quality.items() if isinstance(said, dict)},
        alarms=tuple(_alarms(metrics.alarms)),
        subjects=tuple(column.subject for column in columns),
        values=array("d", (math.nan if value is None else value for value in values)),
        thresholds=array("d", (column.threshold for column in columns)),
        verdicts=bytes(VERDICTS.index(column.verdict) for column in columns),
        columns_total=len(metrics.columns),
    )


def _scores(said: Any) -> dict[str, float | None]:  # noqa: ANN401 - JSON of any shape
    if not isinstance(said, dict):
        return {}
    return {str(metric): number_or_none(value) for metric, value in said.items() if not isinstance(value, dict)}


def _margins(said: Mapping[str, Any]) -> Sequence[float]:
    told = margins_of(said, "margins")
    return array("f", (told.get(name, math.nan) for name in SCORES))


def margins_of(said: Mapping[str, Any], key: str) -> dict[str, float]:
    """Half the widths of intervals that came with scores: finite, and none below 0.

    >>> margins_of({"margins": {"f1": 0.02, "accuracy": -1, "mae": "x"}}, "margins"), margins_of({}, "margins")
    ({'f1': 0.02}, {})
    """
    told = said.get(key)
    numbers = {str(name): number_or_none(half) for name, half in told.items()} if isinstance(told, dict) else {}
    return {name: half for name, half in numbers.items() if half is not None and half >= 0}


def _alarms(found: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    for alarm in found[:ALARMS_MAX]:
        event_ms = number_or_none(alarm.get("event_ms"))
        yield Alarm(
            subject=str(alarm.get("subject", "")),
            detector=str(alarm.get("detector", "")),
            event_ms=0 if event_ms is None else int(event_ms),
        )


class History:
    """The newest windows in the order they were told; the same window told again changes nothing."""

    def __init__(self, windows_max: int = WINDOWS_MAX) -> None:
        self.windows_max = windows_max
        self._windows: deque[Window] = deque()
        self._ids: set[str] = set()
        self.dropped = 0
        """Windows seen and no longer kept."""

    def add(self, window: Window) -> bool:
        """Whether it is new."""
        if window.id in self._ids:
            return False
        if len(self._windows) >= self.windows_max:
            self._ids.discard(self._windows.popleft().id)
            self.dropped += 1
        self._windows.append(window)
        self._ids.add(window.id)
        return True

    def __len__(self) -> int:
        return len(self._windows)

    def last(self) -> Window | None:
        """The newest."""
        return self._windows[-1] if self._windows else None

    def newest(self, count: int | None = None) -> list[Window]:
        """The last `count`, oldest first; all of them without a count."""
        skipped = 0 if count is None else max(0, len(self._windows) - count)
        return [window for number, window in enumerate(self._windows) if number >= skipped]


def buckets(windows: Sequence[Window], buckets_max: int) -> list[Sequence[Window]]:
    """Neighbours put together, so that at most so many places are drawn; every window is in exactly one.

    >>> [len(bucket) for bucket in buckets([None] * 10, 4)]
    [2, 3, 2, 3]
    """
    count = min(len(windows), buckets_max)
    edges = [number * len(windows) // count for number in range(count + 1)] if count else []
    return [windows[start:stop] for start, stop in pairwise(edges)]


def worst(points: Sequence[Point | None]) -> Point | None:
    """The strongest of a bucket: what was judged before what was not, the highest ratio; None without any."""
    found = [point for point in points if point is not None]
    judged = [point for point in found if point.ratio is not None]
    if judged:
        return max(judged, key=lambda point: (point.verdict == "drift", point.ratio or 0.0))
    return found[-1] if found else None


def strongest(part: Sequence[Window], at: int, subjects: tuple[str, ...]) -> Point | None:
    """As `worst` of the column `subjects[at]` in each window, without a point for each: a heat map has 200,000."""
    best, best_rank, unjudged = None, (False, -1.0), None
    for window in part:
        place = at
        if window.subjects is not subjects:
            if subjects[at] not in window.subjects:
                continue
            place = window.subjects.index(subjects[at])
        value, threshold = window.values[place], window.thresholds[place]
        verdict = VERDICTS[window.verdicts[place]]
        if verdict == "not_enough_data" or not threshold > 0 or value != value:  # noqa: PLR0124 - nan
            unjudged = (window, place)
        elif best is None or (verdict == "drift", value / threshold) > best_rank:
            best, best_rank = (window, place), (verdict == "drift", value / threshold)
    found = best or unjudged
    return None if found is None else found[0].point(found[1])
