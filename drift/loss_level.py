"""The level of the loss around an alarm: has it risen, by how much, and is it still up?

A detector says at one row that the loss has risen, and starts afresh. Whether the rise is real and lasts is another
question, and the one that people ask. So the level before the alarm is kept, and the loss counts as risen while the
latest examples lie above it by more than chance: three standard errors of their mean, as of the examples before. A
detector that fires early is given as many examples as make a level before it counts as mistaken. Before there are
examples for both levels (twice `rows`) an alarm cannot be confirmed and is dropped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from drift.evidence import LossRise

STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossLevelConfig:
    """Settings, checked once when built."""

    rows: int = 500
    """Latest examples that are the level now; twice as many before them are the level before."""

    def __post_init__(self) -> None:
        if not self.rows >= 10:  # noqa: PLR2004 - a mean of fewer says nothing
            raise ValueError(f"rows must be at least 10, got {self.rows!r}")


class LossLevel:
    """Losses of the latest examples, and what they were before the alarm that is open.

    >>> level = LossLevel(LossLevelConfig(rows=100))
    >>> for loss in [0.0, 0.0, 0.0, 1.0] * 100 + [1.0, 1.0, 1.0, 0.0] * 10:
    ...     level.update(loss)
    >>> level.alarmed(event_ms=5)
    >>> rise = level.rise()
    >>> round(rise.before, 2), round(rise.now, 2), rise.since_ms
    (0.25, 0.45, 5)
    """

    def __init__(self, config: LossLevelConfig | None = None) -> None:
        self._config = config or LossLevelConfig()
        self._losses: deque[float] = deque(maxlen=3 * self._config.rows)
        self._before: tuple[float, float, int] | None = None  # mean, bound, since_ms
        self._patience = 0  # examples until an alarm that the level does not confirm is dropped

    def update(self, loss: float) -> None:
        """Fold in one example's loss; a number that is not finite is left out."""
        if math.isfinite(loss):
            self._losses.append(loss)
            self._patience -= 1

    def alarmed(self, *, event_ms: int) -> None:
        """A detector has fired: what came before the latest rows is the level to come back to.

        Nothing happens while a rise is open, or with fewer examples than both levels need.
        """
        rows = self._config.rows
        if self._before is not None or len(self._losses) < 2 * rows:
            return
        older = list(islice(self._losses, len(self._losses) - rows))
        mean = math.fsum(older) / len(older)
        variance = math.fsum((loss - mean) ** 2 for loss in older) / len(older)
        self._before = (mean, mean + STANDARD_ERRORS * math.sqrt(variance / rows), event_ms)
        self._patience = rows

    def rise(self) -> LossRise | None:
        """The open rise as of the latest examples; None while they are at the level before, and closed if for long."""
        if self._before is None:
            return None
        mean, bound, since_ms = self._before
        rows = self._config.rows
        now = math.fsum(islice(self._losses, max(0, len(self._losses) - rows), None)) / min(rows, len(self._losses))
        if now <= bound:
            if self._patience <= 0:
                self._before = None
            return None
        self._patience = 0
        return LossRise(before=mean, now=now, bound=bound, since_ms=since_ms)

    def rebase(self) -> None:
        """What the loss is now is normal."""
        self._before = None

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes."""
        return {"losses": list(self._losses), "before": self._before, "patience": self._patience}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._losses.clear()
        self._losses.extend(snapshot["losses"])
        self._patience = snapshot["patience"]
        before = snapshot["before"]
        self._before = None if before is None else (before[0], before[1], before[2])
