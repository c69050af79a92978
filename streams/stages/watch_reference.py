"""What windows and alerts are compared with, and when that is another: `drift.reference.kind`.

Two things are told apart. The **base** is fixed: the budget watches from it, alerts are measured against it, and it is
stored once, by digest. Windows are shown against it, too, or against rows that move with the stream
(`drift.references`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drift.evidence import ColumnKind
from drift.period import Period
from drift.reference import Reference
from drift.references import Past, Reservoir, Seasonal, Sliding
from drift.window import SlidingWindow
from streams.config import Config

_WORDS = {
    "first": "the first {rows:,} events",
    "file": "the rows of a file",
    "sliding": "the {rows:,} events before each window; alarms are held against those before every {rows:,}: "
    "a change too slow to show within so many is normal, and raises none",
    "reservoir": "a sample of {rows:,} of all events since its start; alarms are held against all of them",
    "seasonal": "events of the same phase, a sample of all since its start; alarms are held against all of them",
    "retrain": "the {rows:,} events after the last retrain request",
    "promotion": "the {rows:,} events after the last promotion",
}


class WatchReference:
    """The base and, of some kinds, the rows that move."""

    def __init__(self, config: Config, kinds: Mapping[str, ColumnKind], base: Reference | None) -> None:
        drift = config.drift
        self.kind, self.rows = drift.reference.kind, drift.reference.rows
        self._name, self._kinds = config.name, kinds
        self._window_rows = drift.window_rows
        self._period = Period.parse(drift.period) if drift.period else None
        self.base = base
        """None while it is collected."""
        self._past: Past | None = None
        self._entered = 0
        """Rows of the window that have left it."""
        self._move_at = 0
        """Of a sliding reference: rows of the window at which the budget watches from the latest."""
        self._models: dict[int, str] = {}
        """By partition, whose predictions it has."""
        self._model = ""
        """The one that was promoted last."""

    @property
    def moves(self) -> bool:
        """Whether windows are compared with rows that move."""
        return self.kind in {"sliding", "reservoir", "seasonal"}

    @property
    def words(self) -> str:
        """For people: what windows are compared with, and what that does to the budget."""
        return _WORDS[self.kind].format(rows=self.rows)

    # -- a base --------------------------------------------------------------------------------------------------

    def phases(self, number: int, times_ms: Sequence[int]) -> list[float]:
        """Of the rows of these times up to event `number`; empty without a period."""
        period = self._period
        if period is None:
            return []
        return [period.phase(at, ms) for at, ms in enumerate(times_ms, number - len(times_ms))]

    def collected(self, columns: Mapping[str, Any], phases: Sequence[float]) -> Reference:
        """The base is complete, its columns are encoded; the next row is the first of a window."""
        self.base = base = Reference(self._kinds, columns)
        self._past = self._past_of(base, phases)
        self._entered, self._move_at = 0, self.rows
        return base

    def _past_of(self, base: Reference, phases: Sequence[float]) -> Past | None:
        match self.kind:
            case "sliding":
                return Sliding(base, phases)
            case "reservoir":
                return Reservoir(base, self._name)
            case "seasonal":
                return Seasonal(base, phases, self._name)
            case _:
                return None

    def drop(self) -> None:
        """A new one is to be collected."""
        self.base = self._past = None

    def promoted(self, partition: int, model: str) -> bool:
        """Whether a prediction is the first of a model that was promoted; other partitions follow when they will."""
        before, known = self._models.get(partition), set(self._models.values())
        self._models[partition] = model
        if model in {self._model, before} or (before is None and model in known):
            return False
        first, self._model = not self._model, model
        return not first

    # -- what is compared with what ------------------------------------------------------------------------------

    def of_window(self, number: int, times_ms: Sequence[int]) -> Reference | None:
        """For the window whose rows are those up to event `number`, of these times."""
        return self.base if self._past is None else self._past.against(self.phases(number, times_ms))

    def of_alert(self, number: int, times_ms: Sequence[int]) -> Reference | None:
        """For the rows since a change: what was normal before it, however far the windows have slid."""
        return self.base if self.kind == "sliding" else self.of_window(number, times_ms)

    def passed(self, window: SlidingWindow, number: int, *, holding: bool) -> None:
        """A window is due: rows before it have left it; `holding` while an incident holds the reference."""
        past = self._past
        if past is None:
            return
        left = max(0, window.rows_seen - self._window_rows)
        first = len(window) - (window.rows_seen - self._entered)
        rows = slice(first, first + left - self._entered)
        self._entered = left
        if holding:  # until no row of an incident is among them
            self._move_at = window.rows_seen + self.rows + self._window_rows
        if rows.start == rows.stop or (holding and self.kind != "sliding"):
            return
        times = window.times_ms()[rows]
        past.enter(window.encoded(rows), self.phases(number - (len(window) - rows.stop), times))

    def moved(self, window: SlidingWindow) -> tuple[Reference, Sequence[float]] | None:
        """A sliding reference's next base and its phases, when it is due; None when it is not."""
        if not isinstance(self._past, Sliding) or window.rows_seen < self._move_at:
            return None
        self._move_at = window.rows_seen + self.rows
        self.base = self._past.against(())
        return self.base, self._past.phases_of()

    # -- checkpoint ----------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Msgpack-able; the base itself is stored apart."""
        return {
            "past": self._past.snapshot() if self._past is not None else None,
            "entered": self._entered,
            "move_at": self._move_at,
            "models": sorted(self._models.items()),
            "model": self._model,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, with the base that it was taken beside."""
        self._entered, self._move_at = saved["entered"], saved["move_at"]
        self._models, self._model = dict(saved["models"]), saved["model"]
        self._past = None
        if saved["past"] is not None and self.base is not None:
            self._past = self._past_of(self.base, ())
            if self._past is not None:
                self._past.restore(saved["past"])
