"""What the monitor has found in this process: the last window as figures, counts of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from drift.strength import strength
from streams.config import Config
from streams.messages import Alert, ColumnMetrics, RetrainRequest, WindowMetrics
from streams.observability.families import Figures
from streams.observability.process_figures import scores

VERDICTS = ("stable", "drift", "not_enough_data")
PHASES = ("started", "escalated", "recovered", "closed")
SEVERITIES = ("info", "warning", "critical")


class Found:
    """Takes what each step of the watch has found."""

    def __init__(self) -> None:
        self.last: WindowMetrics | None = None
        self.windows: Counter[str] = Counter()
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.requests = 0

    def take(
        self, windows: Sequence[WindowMetrics], alerts: Iterable[Alert], requests: Sequence[RetrainRequest]
    ) -> None:
        """One step's."""
        if windows:
            self.last = windows[-1]
        self.windows.update(window.verdict for window in windows)
        self.alerts.update((alert.phase, alert.severity) for alert in alerts)
        self.requests += len(requests)

    def counted(self, figures: Figures) -> None:
        """What has been since this process began."""
        for verdict in VERDICTS:
            figures.add("millrace_windows_total", self.windows[verdict], verdict)
        for phase in PHASES:
            for severity in SEVERITIES:
                figures.add("millrace_alerts_total", self.alerts[phase, severity], phase, severity)
        figures.add("millrace_retrain_requests_total", self.requests)

    def shown(self, config: Config, figures: Figures) -> None:
        """What the last window says, if this process has evaluated one."""
        window = self.last
        if window is None:
            return
        figures.add("millrace_window_rows", window.rows)
        figures.add("millrace_window_end_timestamp_seconds", window.to_ms / 1000)
        figures.add("millrace_label_coverage_ratio", window.labels.get("coverage"))
        for name, delay_ms in window.labels.get("delay_ms", {}).items():
            if delay_ms is not None:
                figures.add("millrace_label_delay_seconds", delay_ms / 1000, name[1:])
        for candidate, role, name, value in scores(config, window.quality, None):
            figures.add("millrace_window_score", value, candidate, role, name)
        _columns(config, window.columns, figures)
        standings = [window.budget.loss, *(column.budget for column in window.columns)]
        held = Counter(standing.holds for standing in standings if standing is not None)
        for holds in (True, False):
            figures.add("millrace_drift_watched_columns", held[holds], str(holds).lower())


def _columns(config: Config, columns: Sequence[ColumnMetrics], figures: Figures) -> None:
    """Every verdict is counted; figures of their own have our own streams and the first features of the file."""
    verdicts: Counter[str] = Counter(column.verdict for column in columns)
    for verdict in VERDICTS:
        figures.add("millrace_drift_columns", verdicts[verdict], verdict)
    shown = {f"feature:{name}" for name in list(config.features)[: config.metrics.features_max]}
    strongest = 0.0
    for column in columns:
        value = column.statistics.get(column.statistic)
        if value is None or column.verdict == "not_enough_data":
            continue
        strongest = max(strongest, strength(column.statistic, value, column.threshold))
        if column.subject in shown or not column.subject.startswith("feature:"):
            figures.add("millrace_drift_statistic", value, column.subject, column.statistic)
            figures.add("millrace_drift_threshold", column.threshold, column.subject, column.statistic)
    figures.add("millrace_drift_strength_max", strongest)
