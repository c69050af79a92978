"""What an incident tells people, as values: its phases, their subjects, their order and their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drift.evidence import Subject, SubjectKind
from drift.harm import Harm

PhaseName = Literal["started", "escalated", "recovered", "closed"]
Severity = Literal["info", "warning", "critical"]

TITLE_NAMES_MAX = 3
"""Features named in a title; the rest are counted."""
KINDS: tuple[SubjectKind, ...] = ("loss", "feature", "prediction", "confidence", "quality", "labels")
"""In the order people should hear of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSubject:
    """One thing that has changed: why it is believed, since when, and how large the change is."""

    subject: Subject
    aspect: str
    """`value`, `missing`, `category a`, `new category`, `other`, `error`."""
    bet: str
    """The bet that has won: `mean +0.5 sd`, `odds x1.5` …"""
    evidence: float
    """Powers of ten in favour of a change over none."""
    since_ms: int
    """When it began, ms since the epoch."""
    standing: str = ""
    """What the budget promises of it, in words."""
    source: str = ""
    """The statistic that measures the change; empty where there is nothing to compare with."""
    value: float = 0.0
    """Of that statistic, over the rows since the change."""
    threshold: float = 0.0
    """A change worth speaking of; for a loss or a share, what it was before."""
    strength: float = 0.0
    """Value over threshold; 1 is just at it."""
    detail: dict[str, float] = field(default_factory=dict)
    """Further statistics by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A row at which something is told."""

    cut: str
    """Names the row for ever."""
    event: int
    """Events up to it."""
    event_ms: int
    """Record time."""
    harm: Harm
    """As of this row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPhase:
    """One thing to tell people. Equal input gives equal phases, whoever computes them."""

    id: str
    """`<incident>/<phase>/<count>`, count from 1 within the phase's name."""
    incident: str
    """Hash of the pipeline and the cut it started at."""
    phase: PhaseName
    reason: str
    """What made this phase: `loss`, `features: 6`, `hurts` (escalated), `quiet`, `rebased` (recovered), who closed it,
    else empty."""
    severity: Severity
    title: str
    """One line for a person. Feature names are the only foreign text in it."""
    subjects: tuple[IncidentSubject, ...]
    """All since the start: the one that raised the alarm, then by evidence; never empty."""
    since_ms: int
    """When the earliest change is believed to have begun, ms since the epoch."""
    started_ms: int
    """Record time at which the incident was opened."""
    event_ms: int
    """Record time of this phase."""
    cut: str
    events: int
    """Since the alarm."""
    repeats: int
    """How often the evidence has reached the budget again; nobody was told."""
    harm: Harm
    acknowledged: str = ""
    """By whom, if anybody has."""


def subject_of(plain: Mapping[str, Any]) -> IncidentSubject:
    """What `dataclasses.asdict` made of one."""
    return IncidentSubject(**{**plain, "subject": Subject(**plain["subject"]), "detail": dict(plain["detail"])})


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
            return f"data quality has changed: {listed}"
        case "labels":
            return "labels arrive differently"
        case _:
            return f"the {kind} has changed"
