"""What an incident tells people, as values: its phases, their subjects, their order and their words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from drift.evidence import Signal, Subject, SubjectKind
from drift.strength import strength

PhaseName = Literal["started", "escalated", "recovered"]
Severity = Literal["info", "warning", "critical"]

TITLE_NAMES_MAX = 3
"""Features named in a title; the rest are counted."""
KINDS: tuple[SubjectKind, ...] = ("loss", "feature", "prediction", "confidence", "quality", "labels")
"""In the order people should hear of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSubject:
    """What is known of one subject by one source: its strongest value so far."""

    subject: Subject
    source: str
    value: float
    threshold: float
    since_ms: int
    """The earliest time any window gave."""
    strength: float
    """Value over threshold, for p-values the inverse; 1 is just at the threshold."""
    detail: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPhase:
    """One thing to tell people. Equal input gives equal phases, whoever computes them."""

    id: str
    """`<incident>/<phase>/<count>`, count from 1 within the phase's name."""
    incident: str
    """Hash of the pipeline and the cut it started at."""
    phase: PhaseName
    reason: str
    """What made this phase: `loss`, `features: 6` (escalated), `quiet`, `rebased` (recovered), else empty."""
    severity: Severity
    title: str
    """One line for a person. Feature names are the only foreign text in it."""
    subjects: tuple[IncidentSubject, ...]
    """All since the start, the strongest first; never empty."""
    since_ms: int
    """When the earliest change is believed to have begun, ms since the epoch."""
    started_ms: int
    """Record time at which the incident was opened."""
    event_ms: int
    """Record time of this phase."""
    cut: str
    windows: int
    """Windows since the start, this one included."""


def incident_subject(signal: Signal) -> IncidentSubject:
    """A signal with its strength."""
    return IncidentSubject(
        subject=signal.subject,
        source=signal.source,
        value=signal.value,
        threshold=signal.threshold,
        since_ms=signal.since_ms,
        strength=strength(signal.source, signal.value, signal.threshold),
        detail=dict(signal.detail),
    )


def ranked(subjects: Iterable[IncidentSubject]) -> tuple[IncidentSubject, ...]:
    """The strongest first; of equals the loss, then by name."""
    return tuple(
        sorted(
            subjects, key=lambda item: (-item.strength, KINDS.index(item.subject.kind), item.subject.name, item.source)
        )
    )


def title(subjects: Iterable[IncidentSubject]) -> str:
    """`the loss has risen, 5 features have changed: amount, age, city and 2 more`."""
    names: dict[SubjectKind, list[str]] = {}
    for item in subjects:
        known = names.setdefault(item.subject.kind, [])
        if item.subject.name not in known:
            known.append(item.subject.name)
    return ", ".join(_clause(kind, names[kind]) for kind in KINDS if kind in names)


def _clause(kind: SubjectKind, names: list[str]) -> str:
    more = f" and {len(names) - TITLE_NAMES_MAX} more" if len(names) > TITLE_NAMES_MAX else ""
    listed = ", ".join(names[:TITLE_NAMES_MAX]) + more
    match kind:
        case "loss":
            return "the loss has risen"
        case "feature":
            return f"{len(names)} {'feature has' if len(names) == 1 else 'features have'} changed: {listed}"
        case "quality":
            return f"data quality has fallen: {listed}"
        case "labels":
            return "labels arrive differently"
        case _:
            return f"the {kind} has changed"
