"""Incidents: what an alarm of the budget, and all that shows with it, is told as: one story in few phases.

At most one incident is open. An alarm opens it, what shows while it is open joins it whatever its subject, and it ends
when nothing differs any more or when what differs has become normal. One cause seldom shows in one column, and people
want one message about it. Two causes at once are therefore one incident.

Phases: `started` at the alarm, with the one subject that raised it; `escalated` when the list of everything that has
changed with it is complete and longer, when a kind of subject joins that was not there (the loss above all), when more
than twice the features told so far have changed, or when it turns out to hurt; `recovered` at the end, or `closed` by a
person: then what it was about is settled until nothing differs any more, and only what is not opens another. Subjects
are only ever added, so escalations are at most 1 + 5 (kinds) + log2(features) + 1, and none is told twice. What goes on
and brings nothing new is counted, not told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from drift.evidence import Subject
from drift.phases import (
    KINDS,
    IncidentPhase,
    IncidentSubject,
    Moment,
    PhaseName,
    Severity,
    subject_of,
    title,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsConfig:
    """Settings, checked once when built."""

    pipeline: str
    """Part of every id: pipelines share topics' readers."""
    features_many: int = 3
    """So many changed features are a `warning`; what hurts is always `critical`."""
    strength_large: float = 3.0
    """A change so many times the threshold of its statistic is a `warning`."""

    def __post_init__(self) -> None:
        if not self.features_many >= 1:
            raise ValueError(f"features_many must be at least 1, got {self.features_many!r}")
        if not self.strength_large >= 1:
            raise ValueError(f"strength_large must be at least 1, got {self.strength_large!r}")


@dataclass(slots=True, kw_only=True)
class _Open:
    """The open incident between two rows."""

    incident: str
    started_ms: int
    event: int
    """At which it was opened."""
    escalations: int
    repeats: int
    features_told: int
    hurts_told: bool
    acknowledged: str
    """By whom, if anybody has."""
    subjects: dict[Subject, IncidentSubject]
    """In the order in which they joined."""


class Incidents:
    """Fold alarms and what follows them into phases. Each method is called at its row, in order.

    >>> from drift.harm import UNKNOWN
    >>> incidents = Incidents(IncidentsConfig(pipeline="shop"))
    >>> loss = IncidentSubject(subject=Subject(kind="loss"), aspect="error", bet="odds x1.5", evidence=6.0, since_ms=5)
    >>> moment = Moment(cut="a", event=70, event_ms=9, harm=UNKNOWN)
    >>> [phase.title for phase in incidents.alarmed([loss], moment)]
    ['the loss has risen']
    >>> [phase.phase for phase in incidents.ended("quiet", replace(moment, cut="b", event=1200))]
    ['recovered']
    """

    def __init__(self, config: IncidentsConfig) -> None:
        self._config = config
        self._open: _Open | None = None
        self._settled: frozenset[Subject] = frozenset()
        """What a closed incident was about, as long as it may still differ."""

    @property
    def open_incident(self) -> str | None:
        """Id of the open incident."""
        return self._open.incident if self._open else None

    def changed(self) -> frozenset[Subject]:
        """What the open incident is about."""
        return frozenset(self._open.subjects) if self._open else frozenset()

    def alarmed(self, subjects: Iterable[IncidentSubject], moment: Moment) -> tuple[IncidentPhase, ...]:
        """An alarm, with the subject that raised it; while an incident is open it only joins it."""
        if self._open is not None:
            return self.joined(subjects, moment)
        news = [item for item in subjects if item.subject not in self._settled]
        if not news:
            return ()
        self._open = _Open(
            incident=incident_id(self._config.pipeline, moment.cut),
            started_ms=moment.event_ms,
            event=moment.event,
            escalations=0,
            repeats=0,
            features_told=0,
            hurts_told=False,
            acknowledged="",
            subjects=_merged({}, news),
        )
        self._open.features_told = _features(self._open)
        return (self._phase(self._open, "started", "", moment),)

    def listed(self, subjects: Iterable[IncidentSubject], moment: Moment) -> tuple[IncidentPhase, ...]:
        """Everything that has changed with the alarm, some events after it: told if it is more than was told."""
        incident = self._open
        if incident is None:
            return self.alarmed(subjects, moment)
        before = len(incident.subjects)
        kinds = self._kinds_joined(incident, subjects)
        if len(incident.subjects) == before:
            return ()
        return self._escalated(incident, ", ".join(kinds) or f"features: {_features(incident)}", moment)

    def repeated(self, subjects: Iterable[IncidentSubject], moment: Moment) -> tuple[IncidentPhase, ...]:
        """The evidence has reached the budget again."""
        if self._open is not None:
            self._open.repeats += 1
        return self.joined(subjects, moment)

    def joined(self, subjects: Iterable[IncidentSubject], moment: Moment) -> tuple[IncidentPhase, ...]:
        """More subjects, told if they make the incident another one."""
        incident = self._open
        if incident is None:
            return self.alarmed(subjects, moment)
        kinds = self._kinds_joined(incident, subjects)
        if kinds:
            return self._escalated(incident, ", ".join(kinds), moment)
        features = _features(incident)
        if features > 2 * incident.features_told:
            return self._escalated(incident, f"features: {features}", moment)
        return ()

    def hurts(self, moment: Moment) -> tuple[IncidentPhase, ...]:
        """It is certain by now that the loss is worse for it: told once."""
        if self._open is None or self.hurts_told or moment.harm.verdict != "worse":
            return ()
        return self._escalated(self._open, "hurts", moment)

    @property
    def hurts_told(self) -> bool:
        """Whether people know that the open incident hurts, as they do of one about the loss; also without one."""
        return self._open is None or self._open.hurts_told or _about_loss(self._open)

    def ended(self, reason: Literal["quiet", "rebased"], moment: Moment) -> tuple[IncidentPhase, ...]:
        """Nothing differs any more, or what differs is the reference from here on."""
        self._settled = frozenset()
        if self._open is None:
            return ()
        phase = self._phase(self._open, "recovered", reason, moment)
        self._open = None
        return (phase,)

    def acknowledge(self, incident: str, by: str) -> None:
        """Somebody looks after it: said with whatever is told of it from now on. Nothing if it is not open."""
        if self.open_incident == incident and self._open is not None:
            self._open.acknowledged = by

    def closed(self, incident: str, by: str, moment: Moment) -> tuple[IncidentPhase, ...]:
        """A person ends it, and wants to hear no more of what it is about; nothing if it is not open."""
        if self._open is None or self._open.incident != incident:
            return ()
        phase = self._phase(self._open, "closed", by, moment)
        self._settled, self._open = frozenset(self._open.subjects), None
        return (phase,)

    def now(self, moment: Moment) -> IncidentPhase | None:
        """The open incident as it is, told to nobody."""
        return self._phase(self._open, "escalated", "", moment) if self._open else None

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes; a copy."""
        settled = [asdict(subject) for subject in sorted(self._settled, key=str)]
        if self._open is None:
            return {"open": None, "settled": settled}
        plain = {name: getattr(self._open, name) for name in _Open.__slots__ if name != "subjects"}
        subjects = [asdict(subject) for subject in self._open.subjects.values()]
        return {"open": {**plain, "subjects": subjects}, "settled": settled}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._open, self._settled = None, frozenset(Subject(**plain) for plain in snapshot["settled"])
        if snapshot["open"] is not None:
            plain = dict(snapshot["open"])
            subjects = {item.subject: item for item in map(subject_of, plain.pop("subjects"))}
            self._open = _Open(**plain, subjects=subjects)

    def _kinds_joined(self, incident: _Open, subjects: Iterable[IncidentSubject]) -> list[str]:
        before = {subject.kind for subject in incident.subjects}
        incident.subjects = _merged(incident.subjects, subjects)
        after = {subject.kind for subject in incident.subjects}
        return [kind for kind in KINDS if kind in after - before]

    def _escalated(self, incident: _Open, reason: str, moment: Moment) -> tuple[IncidentPhase, ...]:
        incident.escalations += 1
        incident.features_told = _features(incident)
        incident.hurts_told = incident.hurts_told or moment.harm.verdict == "worse"
        return (self._phase(incident, "escalated", reason, moment),)

    def _phase(self, incident: _Open, phase: PhaseName, reason: str, moment: Moment) -> IncidentPhase:
        count = incident.escalations if phase == "escalated" else 1
        subjects = tuple(incident.subjects.values())
        return IncidentPhase(
            id=f"{incident.incident}/{phase}/{count}",
            incident=incident.incident,
            phase=phase,
            reason=reason,
            severity=self._severity(incident, moment),
            title=title(subjects),
            subjects=subjects,
            since_ms=min(subject.since_ms for subject in subjects),
            started_ms=incident.started_ms,
            event_ms=moment.event_ms,
            cut=moment.cut,
            events=moment.event - incident.event,
            repeats=incident.repeats,
            harm=moment.harm,
            acknowledged=incident.acknowledged,
        )

    def _severity(self, incident: _Open, moment: Moment) -> Severity:
        hurts = incident.hurts_told or moment.harm.verdict == "worse"
        if hurts or _about_loss(incident):
            return "critical"
        large = max(item.strength for item in incident.subjects.values()) >= self._config.strength_large
        return "warning" if large or _features(incident) >= self._config.features_many else "info"


def incident_id(pipeline: str, cut: str) -> str:
    """16 hex digits that only this pipeline and this cut have.

    >>> incident_id("shop", "12:400") == incident_id("shop", "12:400") != incident_id("shop1", "2:400")
    True
    """
    return hashlib.sha256(f"{len(pipeline)}:{pipeline}{cut}".encode()).hexdigest()[:16]


def _about_loss(incident: _Open) -> bool:
    return any(subject.kind == "loss" for subject in incident.subjects)


def _features(incident: _Open) -> int:
    return sum(subject.kind == "feature" for subject in incident.subjects)


def _merged(
    known: Mapping[Subject, IncidentSubject], found: Iterable[IncidentSubject]
) -> dict[Subject, IncidentSubject]:
    """Per subject the word with most evidence, the earliest time and the largest change; new ones at the end."""
    merged = dict(known)
    for new in found:
        old = merged.get(new.subject)
        if old is None:
            merged[new.subject] = new
            continue
        said = max(old, new, key=lambda item: item.evidence)
        size = new if new.source else old  # the newest: over more rows
        merged[new.subject] = replace(
            said,
            since_ms=min(old.since_ms, new.since_ms),
            **{name: getattr(size, name) for name in ("source", "value", "threshold", "strength", "detail")},
        )
    return merged
