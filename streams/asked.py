"""What people have asked of the monitor, beside what it has told them: incidents with who looks after them, silences.

Folded from the topics `alerts` and `control`; the monitor's own word is what its next alerts say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from streams.messages import ENDS, Alert, Instruction


class At(NamedTuple):
    """An instruction and when it was stored."""

    ms: int
    said: Instruction


@dataclass(slots=True)
class IncidentState:
    """One incident as of its newest alert."""

    alert: Alert
    """The newest."""
    told_ms: int
    """Record time of its first alert."""
    phases: int = 1
    acknowledged: At | None = None
    """The newest of those that speak of it."""
    closing: At | None = None
    """Somebody has asked to close it."""

    @property
    def open(self) -> bool:
        """Neither recovered nor closed."""
        return self.alert.phase not in ENDS

    @property
    def words(self) -> str:
        """`open`, `acknowledged by ada`, `closing`, `recovered`, `closed by ada`."""
        if self.alert.phase == "closed":
            return f"closed by {self.alert.reason}"
        if not self.open:
            return self.alert.phase
        if self.closing is not None:
            return "closing"
        by = self.alert.acknowledged or (self.acknowledged.said.by if self.acknowledged else "")
        return f"acknowledged by {by or 'somebody'}" if by or self.acknowledged else "open"


class Silence(NamedTuple):
    """A subject that nobody is told of, for a time."""

    subject: str
    until_ms: int
    by: str
    note: str


def incidents_of(alerts: Iterable[tuple[int, Alert]], asked: Iterable[At]) -> list[IncidentState]:
    """Incidents, the newest first; `alerts` are (record time, alert) in the order of the topic."""
    found: dict[str, IncidentState] = {}
    seen: set[str] = set()
    for ms, alert in alerts:
        if alert.id in seen:
            continue  # told twice, after a crash
        seen.add(alert.id)
        known = found.get(alert.incident)
        if known is None:
            found[alert.incident] = IncidentState(alert, ms)
        else:
            known.alert, known.phases = alert, known.phases + 1
    for at in asked:
        incident = found.get(at.said.incident)
        if incident is not None and at.said.action == "acknowledge":
            incident.acknowledged = at
        elif incident is not None and at.said.action == "close":
            incident.closing = at
    return list(found.values())[::-1]


def silences_of(asked: Iterable[At], now_ms: int) -> list[Silence]:
    """Those that last, by subject.

    >>> silence = Instruction(id="1", action="silence", subjects=["loss"], until_ms=9, by="ada")
    >>> silences_of([At(1, silence)], now_ms=5)
    [Silence(subject='loss', until_ms=9, by='ada', note='')]
    >>> silences_of([At(1, silence), At(2, Instruction(id="2", action="unsilence", subjects=["loss"]))], now_ms=5)
    []
    """
    found: dict[str, Silence] = {}
    for _, said in asked:
        for subject in said.subjects:
            if said.action == "silence":
                found[subject] = Silence(subject, said.until_ms, said.by, said.note)
            elif said.action == "unsilence":
                found.pop(subject, None)
    return [found[subject] for subject in sorted(found) if found[subject].until_ms > now_ms]


def named(incidents: Iterable[IncidentState], name: str) -> IncidentState:
    """The incident that a person means by its id or the beginning of it; ValueError says why there is none such."""
    found = [each for each in incidents if name and each.alert.incident.startswith(name)]
    exact = [each for each in found if each.alert.incident == name]
    if len(exact or found) != 1:
        which = f"that {len(found)} incidents begin with" if found else "of no incident that `alerts` still hold"
        raise ValueError(f"must be the id of an incident or the beginning of one, got {name!r}, {which}")
    return (exact or found)[0]
