"""From drift's values to the records that go on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from drift.budget import LOSS, AlarmBudget, Blame, Sensitivity, Standing, in_words
from drift.effects import Effect
from drift.evidence import ColumnEvidence, DetectorAlarm, Subject, Verdict
from drift.harm import Harm
from drift.phases import IncidentPhase, IncidentSubject
from drift.retrain import RetrainRequest as Request
from streams.config import Config
from streams.messages import Alert, BudgetMetrics, ColumnMetrics, ColumnStanding, Cut, Hurt, RetrainRequest


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


def budget(watching: AlarmBudget, false_alarms: str, reference: str) -> BudgetMetrics:
    """The budget as it is, and in words what it is held against."""
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
        reference=reference,
    )


def column(
    evidence: ColumnEvidence, found: Standing | None, sensitivity: Sensitivity | None, *, changed: bool
) -> ColumnMetrics:
    """One column of a window; `changed` if the open incident is about it."""
    quality = evidence.quality
    verdict: Verdict = evidence.verdict
    if changed:
        verdict = "drift"
    elif sensitivity is not None:
        verdict = sensitivity.verdict
    return ColumnMetrics(
        subject=str(evidence.subject),
        verdict=verdict,
        statistic=evidence.statistic,
        threshold=evidence.threshold,
        statistics=dict(evidence.statistics),
        reference_rows=evidence.reference_rows,
        current_rows=evidence.current_rows,
        missing_share=quality.missing_share if quality else 0.0,
        new_category_share=quality.new_category_share if quality else 0.0,
        out_of_range_share=quality.out_of_range_share if quality else 0.0,
        budget=None if found is None else standing(found, sensitivity),
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


def alert(phase: IncidentPhase, cut: Cut, since: Mapping[str, int], served: tuple[str, int], config: Config) -> Alert:
    """One phase of an incident; `since` is how far the inputs were read when it began."""
    return Alert(
        id=phase.id,
        incident=phase.incident,
        phase=phase.phase,
        severity=phase.severity,
        title=phase.title,
        subjects=[_subject(item) for item in phase.subjects],
        since_ms=phase.since_ms,
        since=dict(since),
        hurt=hurt(phase.harm),
        false_alarms=config.drift.false_alarms,
        cut=cut,
        events=phase.events,
        repeats=phase.repeats,
        model=served[0],
        version=served[1],
        report=report_place(phase.incident) if config.reports.on_incident else None,
        reason=phase.reason,
        acknowledged=phase.acknowledged,
    )


def subject(blame: Blame, since_ms: int, effect: Effect | None, losses: tuple[float, float] | None) -> IncidentSubject:
    """What has changed; `losses` are its means before and since."""
    found = IncidentSubject(
        subject=blame.subject,
        aspect=blame.aspect,
        bet=blame.bet,
        evidence=blame.strength,
        since_ms=since_ms,
        standing=blame.standing,
    )
    if blame.subject.kind == "loss" and losses is not None:
        before, since = losses
        size = since / before if before > 0 else 1.0
        return replace(found, source="mean_loss", value=since, threshold=before, strength=size)
    if effect is None:
        return found
    return replace(
        found,
        source=effect.source,
        value=effect.value,
        threshold=effect.threshold,
        strength=effect.strength,
        detail=effect.detail,
    )


def hurt(harm: Harm) -> Hurt:
    """What is known of the loss around a change."""
    return Hurt(
        verdict=harm.verdict,
        words=harm.words,
        examples_before=harm.examples_before,
        examples_since=harm.examples_since,
        before=harm.before,
        since=harm.since,
        low=harm.low,
        high=harm.high,
    )


def retrain_request(request: Request, cut: Cut) -> RetrainRequest:
    """A request to fit a model anew."""
    return RetrainRequest(
        id=request.id,
        incident=request.incident,
        cause=request.cause,
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
    return asdict(item) | {"subject": str(item.subject)}
