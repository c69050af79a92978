"""What came of a demo: each alert held against the change that was put in, scores beside baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.demo.changes import Change
from streams.messages import Alert, Cut, ModelVersion, RetrainRequest

METRIC = {"binary": "accuracy", "multiclass": "accuracy", "regression": "mae"}
"""The score shown first, by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """An alert and where it stands beside the truth."""

    alert: Alert
    events: int
    """Events that had been sent when the newest row of its window was predicted."""
    change: Change | None
    """The last change before it; None makes it a false alarm."""
    after: int
    """Events since that change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole demo, for people and as JSON."""

    events: int
    examples: int
    windows: int
    seconds: float
    changes: tuple[Change, ...]
    alerts: tuple[ToldAlert, ...]
    requests: tuple[RetrainRequest, ...]
    scores: Mapping[str, Any]
    """Prequential scores by candidate and baseline."""
    metric: str
    reports: tuple[str, ...] = ()
    promises: Mapping[str, bool | None] = field(default_factory=dict)
    """What `millrace verify` found of each promise at the end."""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def false_alarms(self) -> int:
        """Incidents that started before the first change (all of them when there was none)."""
        return sum(told.change is None and told.alert.phase == "started" for told in self.alerts)

    def seen(self, change: Change) -> ToldAlert | None:
        """The first alert that tells of this change: one that starts or escalates after it and before the next.

        Of a concept change only an alert that names the loss.
        """
        for told in self.alerts:
            if told.change != change or told.alert.phase == "recovered":
                continue
            if change.kind == "covariate" or any(item["subject"] == "loss" for item in told.alert.subjects):
                return told
        return None


def tell_alerts(
    alerts: Sequence[Alert], changes: Sequence[Change], events_at: Callable[[Cut], int]
) -> tuple[ToldAlert, ...]:
    """Each alert with the number of events at its cut and the change before it."""
    told = []
    for alert in alerts:
        events = events_at(alert.cut)
        before = [change for change in changes if change.at < events]
        change = before[-1] if before else None
        told.append(ToldAlert(alert=alert, events=events, change=change, after=events - change.at if change else 0))
    return tuple(told)


def newest_scores(versions: Sequence[ModelVersion]) -> Mapping[str, Any]:
    """Of the greatest version of the first shard."""
    return max(versions, key=lambda version: version.version).scores if versions else {}


def as_json(story: Story) -> dict[str, Any]:
    """Everything that can be checked, as plain JSON."""
    return {
        "events": story.events,
        "examples": story.examples,
        "windows": story.windows,
        "seconds": round(story.seconds, 2),
        "metric": story.metric,
        "scores": {
            name: {"total": scores["total"].get(story.metric), "window": scores["window"].get(story.metric)}
            for name, scores in story.scores.items()
        },
        "changes": [
            {
                "kind": change.kind,
                "at": change.at,
                "what": change.what,
                "seen_after_events": seen.after if (seen := story.seen(change)) else None,
                "alert": seen.alert.id if seen else None,
            }
            for change in story.changes
        ],
        "false_alarms": story.false_alarms,
        "alerts": [
            {
                "id": told.alert.id,
                "phase": told.alert.phase,
                "severity": told.alert.severity,
                "title": told.alert.title,
                "events": told.events,
                "after_change": told.change.kind if told.change else None,
                "after_events": told.after if told.change else None,
            }
            for told in story.alerts
        ],
        "retrain_requests": [
            {"id": r.id, "model": r.model, "version": r.version, "ranges": r.ranges, "examples": r.examples}
            for r in story.requests
        ],
        "reports": list(story.reports),
        "promises": dict(story.promises),
        "notes": list(story.notes),
    }
