"""Whether a process is ready and whether it is well, decided from what it is asked and when. Time is handed in.

Ready: the group has said what is ours, and the state of all of it is loaded. A process with nothing to do, a second
monitor or a worker beyond the number of partitions, is ready to take over. Unwell: nothing moves although more and
more waits, and nobody else is to blame: Kafka answers, the store takes what it is given, no state is being loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

GAP_S = 5.0
"""Longer than this between two looks, the process itself was stopped: that time counts as this much."""


class Progress:
    """How long nothing has moved although the lag has grown.

    >>> progress = Progress()
    >>> for second, lag in enumerate([0, 10, 20, 30]):
    ...     progress.look(float(second), {"shop.features/0": 7}, lag)
    >>> progress.stalled_s
    3.0
    >>> progress.look(4.0, {"shop.features/0": 8}, 39)
    >>> progress.stalled_s
    0.0
    """

    def __init__(self) -> None:
        self.stalled_s = 0.0
        self._at_s: float | None = None
        self._positions: Mapping[str, int] = {}
        self._lag = 0

    def look(self, at_s: float, positions: Mapping[str, int], lag: int, excuse: str = "") -> None:
        """Where all inputs stand, by a clock that never goes back; with an `excuse` nothing has to move."""
        passed = 0.0 if self._at_s is None else min(at_s - self._at_s, GAP_S)
        first, self._at_s = self._at_s is None, at_s
        if first or excuse or positions != self._positions or lag <= self._lag:
            self.stalled_s, self._positions, self._lag = 0.0, dict(positions), lag
        else:
            self.stalled_s += passed


State = Literal["joining", "restoring", "working", "standing_by", "reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a process says of itself."""

    state: State
    ready: bool
    waits_for: str = ""
    """Whom it waits for, if that is why nothing moves."""
    stalled_s: float = 0.0
    well: bool = True

    def answer(self, *, ready: bool) -> tuple[int, dict[str, Any]]:
        """Status and JSON of `/readyz` (`ready`) or `/healthz`."""
        good = self.ready if ready else self.well
        told: dict[str, Any] = {"ready" if ready else "healthy": good, "state": self.state}
        if self.waits_for:
            told["waits_for"] = self.waits_for
        if self.stalled_s:
            told["stalled_seconds"] = round(self.stalled_s, 1)
        return (200 if good else 503), told
