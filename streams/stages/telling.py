"""From drift's values to the records that go on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from drift.budget import LOSS, AlarmBudget, Sensitivity, Standing, in_words
from drift.evidence import ColumnEvidence, DetectorAlarm, Subject
from drift.phases import IncidentPhase, IncidentSubject
from drift.retrain import RetrainRequest as Request
from streams.messages import Alert, BudgetMetrics, ColumnMetrics, ColumnStanding, Cut, RetrainRequest


def standing(found: Standing, sensitivity: Sensitivity | None) -> ColumnStanding:
    """How one column stands under the budget."""
    if sensitivity is None:
        return ColumnStanding(standing=found.words, holds=found.promise == "holds")
    return ColumnStanding(
        standing=found.words,
        holds=found.promise == "holds",
        sensitivity=sensitivity.words,
        smallest=sensitivity.smallest if math.isfinite(sensitivity.smallest) else None,
        unit=sensitivity.unit,
    )


def budget(watching: AlarmBudget, false_alarms: str) -> BudgetMetrics:
    """The budget as it is."""
    standings = watching.standings()
    loss = next((each for each in standings if each.column == LOSS), None)
    return BudgetMetrics(
        false_alarms=false_alarms,
        events_per_alarm=watching.threshold if math.isfinite(watching.threshold) else None,
        standing=in_words(standings),
        events=watching.events,
        examples=watching.examples,
        alarms=watching.alarms,
        loss=standing(loss, watching.sensitivities().get(LOSS)) if loss else None,
    )


def column(evidence: ColumnEvidence, budget: ColumnStanding | None) -> ColumnMetrics:
    """One column of a window."""
    quality = evidence.quality
    return ColumnMetrics(
        subject=str(evidence.subject),
        verdict=evidence.verdict,
        statistic=evidence.statistic,
        threshold=evidence.threshold,
        statistics=dict(evidence.statistics),
        reference_rows=evidence.reference_rows,
        current_rows=evidence.current_rows,
        missing_share=quality.missing_share if quality else 0.0,
        new_category_share=quality.new_category_share if quality else 0.0,
        out_of_range_share=quality.out_of_range_share if quality else 0.0,
        budget=budget,
    )


def alarm(found: DetectorAlarm) -> dict[str, Any]:
    """A detector that fired; `alarm_from` reads it back."""
    return {
        "subject": str(found.subject),
        "detector": found.detector,
        "row": found.row,
        "event_ms": found.event_ms,
    }


def alarm_from(told: Mapping[str, Any]) -> DetectorAlarm:
    """What `alarm` told."""
    kind, _, name = told["subject"].partition(":")
    return DetectorAlarm(
        subject=Subject(kind=kind, name=name), detector=told["detector"], row=told["row"], event_ms=told["event_ms"]
    )


def report_place(incident: str) -> str:
    """Where an incident's report is, below the reports' folder."""
    return f"{incident}/report.html"


def alert(phase: IncidentPhase, cut: Cut, model: str, version: int, report: str | None) -> Alert:
    """One phase of an incident."""
    return Alert(
        id=phase.id,
        incident=phase.incident,
        phase=phase.phase,
        severity=phase.severity,
        title=phase.title,
        subjects=[_subject(item) for item in phase.subjects],
        since_ms=phase.since_ms,
        cut=cut,
        windows=phase.windows,
        model=model,
        version=version,
        report=report,
        reason=phase.reason,
    )


def retrain_request(request: Request, cut: Cut) -> RetrainRequest:
    """A request to fit a model anew."""
    return RetrainRequest(
        id=request.id,
        incident=request.incident,
        model=request.model,
        version=request.version,
        reason=request.reason,
        evidence=[_subject(item) for item in request.evidence],
        since_ms=request.since_ms,
        basis=request.basis,
        ranges=request.ranges,
        examples=request.examples,
        cut=cut,
    )


def _subject(item: IncidentSubject) -> dict[str, Any]:
    return {
        "subject": str(item.subject),
        "source": item.source,
        "value": item.value,
        "threshold": item.threshold,
        "strength": item.strength,
        "since_ms": item.since_ms,
        "detail": item.detail,
    }
