"""Who decides that something has changed: verdicts of windows and alarms of detectors become signals.

The seam is `Decider`. `PersistentThreshold` is the plain one: a verdict must hold for several windows in a
row, since single windows of a few hundred rows cross the usual thresholds by chance (Evidently's default of
0.1 flags 68 to 99 % of stable windows of 100 rows). It keeps no promise about false alarms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from drift.evidence import ColumnEvidence, DetectorAlarm, Signal, Subject, WindowEvidence


class Decider(Protocol):
    """Turns the evidence of each window, in their order, into signals. Called once per window."""

    def decide(self, evidence: WindowEvidence) -> tuple[Signal, ...]:
        """Every change that holds as of this window, not only the new ones; in an order of its own."""

    def rebase(self) -> None:
        """The reference was replaced: what was found against the old one is void."""

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes; a copy."""

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped.

        Raises:
            ValueError: It is not a snapshot of this decider.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistentThresholdConfig:
    """Settings, checked once when built."""

    windows_min: int = 3
    """Windows in a row that must show a change before it is signalled."""
    rows_min: int = 200
    """Rows of a window below which its data quality is not judged. Columns bring their own verdict."""
    missing_share_rise: float = 0.05
    """Rise of a feature's missing share above the reference's that counts, in (0, 1]."""
    new_category_share_rise: float = 0.05
    """Share of rows with a category the reference never had."""
    out_of_range_share_rise: float = 0.05
    """Share of rows outside the reference's range."""
    confirm_loss: bool = False
    """Whether a detector on the loss counts only with the level of the loss beside it, see `loss_level`."""
    feature_detectors: bool = False
    """Whether a detector on something else than the loss makes a signal too. The loss's always do."""

    def __post_init__(self) -> None:
        for name in ("windows_min", "rows_min"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        for name in ("missing_share_rise", "new_category_share_rise", "out_of_range_share_rise"):
            if not 0 < getattr(self, name) <= 1:  # also rejects NaN
                raise ValueError(f"{name} must be greater than 0 and at most 1, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class _Finding:
    """One thing looked at in one window."""

    subject: Subject
    source: str
    value: float
    threshold: float
    changed: bool | None
    """None: too little data to say."""
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Streak:
    """Windows in a row that showed one change."""

    windows: int
    since_ms: int
    value: float
    threshold: float
    detail: dict[str, float]


class PersistentThreshold:
    """Signals what has been over its threshold for `windows_min` windows in a row.

    A change is dated to the start of the first of those windows: it happened inside that window, and
    too early is the safe side. A window with too little data neither extends a streak nor breaks it, and
    what was signalled stays signalled with its last value: silence is no recovery. A loss detector counts
    at once, in the window it fired in, and the loss stays signalled while it is up.
    """

    def __init__(self, config: PersistentThresholdConfig | None = None) -> None:
        self._config = config or PersistentThresholdConfig()
        self._streaks: dict[tuple[Subject, str], _Streak] = {}

    def decide(self, evidence: WindowEvidence) -> tuple[Signal, ...]:
        """Every change that holds as of this window, sorted by subject and source."""
        streaks = {}
        for finding in self._findings(evidence):
            key = (finding.subject, finding.source)
            streak = self._extended(self._streaks.get(key), finding, evidence.from_ms)
            if streak is not None:
                streaks[key] = streak
        self._streaks = streaks  # columns that are no longer there are forgotten
        persistent = [
            Signal(
                subject=subject,
                source=source,
                value=streak.value,
                threshold=streak.threshold,
                since_ms=streak.since_ms,
                detail=dict(streak.detail),
            )
            for (subject, source), streak in streaks.items()
            if streak.windows >= self._config.windows_min
        ]
        confirmed = evidence.loss is not None or not self._config.confirm_loss
        counted = (
            alarm
            for alarm in evidence.alarms
            if (confirmed if alarm.subject.kind == "loss" else self._config.feature_detectors)
        )
        return tuple(sorted([*persistent, *_alarm_signals(counted), *_loss_signals(evidence)], key=_order))

    def rebase(self) -> None:
        """Forget every streak."""
        self._streaks = {}

    def snapshot(self) -> dict[str, Any]:
        """Streaks in a stable order."""
        return {
            "decider": "persistent_threshold",
            "streaks": [
                [subject.kind, subject.name, source, s.windows, s.since_ms, s.value, s.threshold, dict(s.detail)]
                for (subject, source), s in sorted(
                    self._streaks.items(), key=lambda item: (item[0][0].kind, item[0][0].name, item[0][1])
                )
            ],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        if snapshot.get("decider") != "persistent_threshold":
            raise ValueError(f"decider must be persistent_threshold, got {snapshot.get('decider')!r}")
        self._streaks = {
            (Subject(kind=kind, name=name), source): _Streak(windows, since_ms, value, threshold, dict(detail))
            for kind, name, source, windows, since_ms, value, threshold, detail in snapshot["streaks"]
        }

    def _findings(self, evidence: WindowEvidence) -> Iterator[_Finding]:
        for column in evidence.columns:
            yield _column_finding(column)
            yield from self._quality_findings(column, enough=evidence.rows >= self._config.rows_min)

    def _quality_findings(self, column: ColumnEvidence, *, enough: bool) -> Iterator[_Finding]:
        quality = column.quality
        if quality is None:
            return
        subject = Subject(kind="quality", name=column.subject.name)
        rise = quality.missing_share - quality.reference_missing_share
        shares = {"missing_share": quality.missing_share, "reference_missing_share": quality.reference_missing_share}
        for source, value, threshold, detail in (
            ("missing_share", rise, self._config.missing_share_rise, shares),
            ("new_category_share", quality.new_category_share, self._config.new_category_share_rise, {}),
            ("out_of_range_share", quality.out_of_range_share, self._config.out_of_range_share_rise, {}),
        ):
            yield _Finding(subject, source, value, threshold, value > threshold if enough else None, detail)

    @staticmethod
    def _extended(streak: _Streak | None, finding: _Finding, from_ms: int) -> _Streak | None:
        if finding.changed is None:
            return streak
        if not finding.changed:
            return None
        windows, since_ms = (streak.windows + 1, streak.since_ms) if streak else (1, from_ms)
        return _Streak(windows, since_ms, finding.value, finding.threshold, dict(finding.detail))


def _column_finding(column: ColumnEvidence) -> _Finding:
    if column.verdict == "not_enough_data":
        return _Finding(column.subject, column.statistic, 0.0, column.threshold, None)
    others = {name: value for name, value in column.statistics.items() if name != column.statistic}
    value = column.statistics[column.statistic]
    changed = column.verdict == "drift"
    return _Finding(column.subject, column.statistic, value, column.threshold, changed, others)


def _alarm_signals(alarms: Iterator[DetectorAlarm]) -> Iterator[Signal]:
    """One signal for each detector of each subject, dated to the first row it fired at."""
    first: dict[tuple[Subject, str], DetectorAlarm] = {}
    fired: dict[tuple[Subject, str], int] = {}
    for alarm in alarms:
        key = (alarm.subject, alarm.detector)
        fired[key] = fired.get(key, 0) + 1
        if key not in first or alarm.row < first[key].row:
            first[key] = alarm
    for (subject, detector), alarm in first.items():
        detail = {"row": float(alarm.row), "fired": float(fired[subject, detector])}
        yield Signal(subject=subject, source=detector, value=1.0, threshold=1.0, since_ms=alarm.event_ms, detail=detail)


def _loss_signals(evidence: WindowEvidence) -> Iterator[Signal]:
    """The loss while it stays above what it was before the alarm."""
    if (rise := evidence.loss) is not None:
        yield Signal(
            subject=Subject(kind="loss"),
            source="loss_level",
            value=rise.now,
            threshold=rise.bound,
            since_ms=rise.since_ms,
            detail={"before": rise.before},
        )


def _order(signal: Signal) -> tuple[str, str, str]:
    return signal.subject.kind, signal.subject.name, signal.source
