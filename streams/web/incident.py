"""Incidents as their alerts tell them: phases of one id, put together; and the requests made for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.messages import ENDS, Alert, RetrainRequest

INCIDENTS_MAX = 500
PHASES_MAX = 100
"""Of one incident; the first one always stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One alert and when the broker took it."""

    alert: Alert
    told_ms: int


@dataclass(slots=True, kw_only=True)
class Incident:
    """One incident; it has at least one phase."""

    id: str
    phases: list[Phase] = field(default_factory=list)
    request: RetrainRequest | None = None

    @property
    def newest(self) -> Alert:
        """What was said last."""
        return self.phases[-1].alert

    @property
    def open(self) -> bool:
        """Neither recovered nor closed yet."""
        return self.newest.phase not in ENDS

    @property
    def started_ms(self) -> int:
        """When people were told first."""
        return self.phases[0].told_ms

    @property
    def severity(self) -> str:
        """The newest word on it."""
        return self.newest.severity

    @property
    def title(self) -> str:
        """One line for a person."""
        return self.newest.title

    @property
    def subjects(self) -> list[Mapping[str, Any]]:
        """All since the start, the strongest first, as the newest phase has them."""
        return list(self.newest.subjects)


class Incidents:
    """The newest ones in the order they began; an alert told twice counts once."""

    def __init__(self, incidents_max: int = INCIDENTS_MAX) -> None:
        self.incidents_max = incidents_max
        self._by_id: dict[str, Incident] = {}
        self._early: dict[str, RetrainRequest] = {}
        """Requests read before the alert they belong to: another topic."""

    def add(self, alert: Alert, told_ms: int) -> bool:
        """Whether it is new."""
        incident = self._by_id.get(alert.incident)
        if incident is None:
            incident = self._by_id[alert.incident] = Incident(
                id=alert.incident, request=self._early.pop(alert.incident, None)
            )
            while len(self._by_id) > self.incidents_max:
                del self._by_id[next(iter(self._by_id))]
        if any(phase.alert.id == alert.id for phase in incident.phases):
            return False
        incident.phases.append(Phase(alert=alert, told_ms=told_ms))
        if len(incident.phases) > PHASES_MAX:
            del incident.phases[1]
        return True

    def request(self, request: RetrainRequest) -> None:
        """Put a request to its incident; the newest counts."""
        incident = self._by_id.get(request.incident)
        if incident is not None:
            incident.request = request
            return
        self._early[request.incident] = request
        while len(self._early) > self.incidents_max:
            del self._early[next(iter(self._early))]

    def get(self, incident: str) -> Incident | None:
        """None for one that is not known (any more)."""
        return self._by_id.get(incident)

    def newest_first(self) -> list[Incident]:
        """All that are kept."""
        return list(reversed(self._by_id.values()))

    def open(self) -> list[Incident]:
        """Those that have not recovered, the newest first."""
        return [incident for incident in self.newest_first() if incident.open]

    def __len__(self) -> int:
        return len(self._by_id)
