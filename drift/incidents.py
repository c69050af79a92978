"""Incidents: signals that overlap in time, told as one story in few phases.

Merge rule: at most one incident is open. The first window with a signal opens it, every later signal joins
it whatever its subject, and it ends after `windows_quiet` windows in a row without any. One cause seldom
shows in one column, and people want one message about it. Two causes at once are therefore one incident.

Phases: `started` always; `escalated` when a kind of subject joins that was not there (the loss above all),
or when more than twice the features told so far have changed; `recovered` at the end. Subjects are only ever
added, so escalations are at most 5 (kinds) + log2 (features), and none is told twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from drift.evidence import Signal, Subject
from drift.phases import KINDS, IncidentPhase, IncidentSubject, PhaseName, Severity, incident_subject, ranked, title


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsConfig:
    """Settings, checked once when built."""

    pipeline: str
    """Part of every id: pipelines share topics' readers."""
    windows_quiet: int = 5
    """Windows in a row without a signal that end an incident."""
    features_many: int = 3
    """So many changed features are a `warning`; the loss is always `critical`."""

    def __post_init__(self) -> None:
        for name in ("windows_quiet", "features_many"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass(slots=True, kw_only=True)
class _Open:
    """The open incident between two windows."""

    incident: str
    started_ms: int
    windows: int
    escalations: int
    quiet: int
    features_told: int
    subjects: dict[tuple[Subject, str], IncidentSubject]


class Incidents:
    """Merge signals into incidents. `update` is called once per evaluated window, in order.

    >>> incidents = Incidents(IncidentsConfig(pipeline="shop", windows_quiet=1))
    >>> loss = Signal(subject=Subject(kind="loss"), source="adwin", value=1.0, threshold=1.0, since_ms=5)
    >>> [phase.title for phase in incidents.update([loss], cut="a", window=1, event_ms=9)]
    ['the loss has risen']
    >>> [phase.phase for phase in incidents.update([], cut="b", window=2, event_ms=19)]
    ['recovered']
    """

    def __init__(self, config: IncidentsConfig) -> None:
        self._config = config
        self._open: _Open | None = None
        self._window = 0

    @property
    def open_incident(self) -> str | None:
        """Id of the open incident."""
        return self._open.incident if self._open else None

    def update(self, signals: Iterable[Signal], *, cut: str, window: int, event_ms: int) -> tuple[IncidentPhase, ...]:
        """Fold in the signals of one window; their order does not matter. At most one phase.

        Args:
            signals: Every change that holds as of this window.
            cut: Names the window for ever; the id of an incident that starts here derives from it.
            window: Counts up; gaps are fine.
            event_ms: Record time of the window's end.

        Raises:
            ValueError: `window` does not follow the last one.
        """
        if window <= self._window:
            raise ValueError(f"window must be greater than {self._window}, got {window!r}")
        self._window = window
        if self._open:
            self._open.windows += 1
        found = [incident_subject(signal) for signal in signals]
        if not found:
            return self._quiet(cut, event_ms)
        if self._open is None:
            self._open = _Open(
                incident=incident_id(self._config.pipeline, cut),
                started_ms=event_ms,
                windows=1,
                escalations=0,
                quiet=0,
                features_told=0,
                subjects=_merged({}, found),
            )
            self._open.features_told = self._features()
            return (self._phase("started", "", cut, event_ms),)
        return self._joined(self._open, found, cut, event_ms)

    def rebase(self, *, cut: str, event_ms: int) -> tuple[IncidentPhase, ...]:
        """The reference was replaced by new data: what was a change is now normal, and the incident ends.

        Windows may be counted from 1 again.
        """
        self._window = 0
        return self._ended("rebased", cut, event_ms) if self._open else ()

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes; a copy."""
        if self._open is None:
            return {"window": self._window, "open": None}
        # Lists in the order of arrival would differ between equal states: sorted.
        subjects = [asdict(subject) for subject in ranked(self._open.subjects.values())]
        plain = {name: getattr(self._open, name) for name in _Open.__slots__ if name != "subjects"}
        return {"window": self._window, "open": {**plain, "subjects": subjects}}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._window = snapshot["window"]
        self._open = None
        if snapshot["open"] is not None:
            plain = dict(snapshot["open"])
            subjects = [
                IncidentSubject(**{**item, "subject": Subject(**item["subject"]), "detail": dict(item["detail"])})
                for item in plain.pop("subjects")
            ]
            self._open = _Open(**plain, subjects=_merged({}, subjects))

    def _quiet(self, cut: str, event_ms: int) -> tuple[IncidentPhase, ...]:
        if self._open is None:
            return ()
        self._open.quiet += 1
        return self._ended("quiet", cut, event_ms) if self._open.quiet >= self._config.windows_quiet else ()

    def _joined(
        self, incident: _Open, found: list[IncidentSubject], cut: str, event_ms: int
    ) -> tuple[IncidentPhase, ...]:
        incident.quiet = 0
        kinds_before = {subject.kind for subject, _ in incident.subjects}
        incident.subjects = _merged(incident.subjects, found)
        kinds_new = [kind for kind in KINDS if kind in {item.subject.kind for item in found} - kinds_before]
        features = self._features()
        if kinds_new:
            reason = ", ".join(kinds_new)
        elif features > 2 * incident.features_told:
            reason = f"features: {features}"
        else:
            return ()
        incident.escalations += 1
        incident.features_told = features
        return (self._phase("escalated", reason, cut, event_ms),)

    def _ended(self, reason: str, cut: str, event_ms: int) -> tuple[IncidentPhase, ...]:
        phase = self._phase("recovered", reason, cut, event_ms)
        self._open = None
        return (phase,)

    def _features(self) -> int:
        assert self._open is not None
        return len({subject.name for subject, _ in self._open.subjects if subject.kind == "feature"})

    def _phase(self, phase: PhaseName, reason: str, cut: str, event_ms: int) -> IncidentPhase:
        assert self._open is not None
        count = self._open.escalations if phase == "escalated" else 1
        subjects = ranked(self._open.subjects.values())
        return IncidentPhase(
            id=f"{self._open.incident}/{phase}/{count}",
            incident=self._open.incident,
            phase=phase,
            reason=reason,
            severity=self._severity(),
            title=title(subjects),
            subjects=subjects,
            since_ms=min(subject.since_ms for subject in subjects),
            started_ms=self._open.started_ms,
            event_ms=event_ms,
            cut=cut,
            windows=self._open.windows,
        )

    def _severity(self) -> Severity:
        assert self._open is not None
        if any(subject.kind == "loss" for subject, _ in self._open.subjects):
            return "critical"
        return "warning" if self._features() >= self._config.features_many else "info"


def incident_id(pipeline: str, cut: str) -> str:
    """16 hex digits that only this pipeline and this cut have.

    >>> incident_id("shop", "12:400") == incident_id("shop", "12:400") != incident_id("shop1", "2:400")
    True
    """
    return hashlib.sha256(f"{len(pipeline)}:{pipeline}{cut}".encode()).hexdigest()[:16]


def _merged(
    known: Mapping[tuple[Subject, str], IncidentSubject], found: Iterable[IncidentSubject]
) -> dict[tuple[Subject, str], IncidentSubject]:
    """Per subject and source the strongest value and the earliest time; the same in any order."""
    merged = dict(known)
    for new in found:
        key = (new.subject, new.source)
        old = merged.get(key, new)
        best = max(old, new, key=lambda item: (item.strength, item.value, item.threshold, sorted(item.detail.items())))
        merged[key] = replace(best, since_ms=min(old.since_ms, new.since_ms))
    return merged
