"""Which alerts are dealt with, and of which incidents somebody has heard. Pure."""

from __future__ import annotations

from collections import OrderedDict

from streams.messages import ENDS
from streams.observability.webhook_formats import SEVERITIES, Told

KNOWN_MAX = 2_000
"""Ids of alerts remembered, and offsets read back for them."""


class Memory:
    """Which alerts are dealt with, and of which incidents somebody has heard."""

    def __init__(self, severity_min: str) -> None:
        self._least = SEVERITIES.index(severity_min)
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()

    def outcome(self, alert: Told) -> str:
        """What to do with it: `delivered`, `repeated` or `skipped`. The end of an incident follows its beginning."""
        if alert.id in self._ids:
            return "repeated"
        loud = SEVERITIES.index(alert.severity) >= self._least
        return "delivered" if loud or (alert.phase in ENDS and alert.incident in self._heard) else "skipped"

    def remember(self, alert: Told) -> None:
        """It is dealt with."""
        if self.outcome(alert) == "delivered":
            self._keep(self._heard, alert.incident)
        self._keep(self._ids, alert.id)

    @staticmethod
    def _keep(known: OrderedDict[str, None], name: str) -> None:
        known[name] = None
        while len(known) > KNOWN_MAX:
            known.popitem(last=False)
