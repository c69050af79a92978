"""What one step of the watch found out, to be stored, published and rendered by its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drift.phases import IncidentPhase
from drift.reference import Reference
from drift.window import SlidingWindow
from streams.messages import Alert, Cut, RetrainRequest, WindowMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDue:
    """An incident has started: the very rows of its window, for a report."""

    phase: IncidentPhase | None
    """The start it belongs to, None on demand."""
    number: int
    """Of the window."""
    cut: Cut
    reference: Reference
    window: SlidingWindow
    """A copy."""
    labels: Mapping[str, Any]
    """Labels known by now, by event id."""


@dataclass(slots=True)
class Seen:
    """What one step found out."""

    rows: int = 0
    metrics: list[WindowMetrics] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    requests: list[RetrainRequest] = field(default_factory=list)
    reports: list[ReportDue] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    """New ones, to be stored before the next checkpoint."""
