"""What is watched, and what people can bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drift.allowance import Allowance
from drift.evidence import ColumnKind, Subject
from drift.period import Period
from drift.tolerance import TOLERANCE_MAX_SD

AfterAlarm = Literal["rebase", "hold", "reset"]
"""What an alarm does to the reference.

`rebase`: what came up to it is dropped and a new one collected. `hold`: it stays as it is, and what repeats is one
episode. `reset`: it stays and goes on growing, for alarms known to be false.
"""


LISTING_EVENTS_MAX = 150
"""The lanes run on for a listing whatever they have won: with more events their evidence could overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedColumn:
    """One column of the events."""

    kind: ColumnKind
    subject: Subject
    tolerance_sd: float = 0.0
    """Shift of the mean, in standard deviations of the column, that never matters: no evidence is made of it."""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance_sd <= TOLERANCE_MAX_SD:
            raise ValueError(f"tolerance_sd must be from 0 to {TOLERANCE_MAX_SD:g}, got {self.tolerance_sd!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBudgetConfig:
    """Settings, checked once when built."""

    columns: Mapping[str, WatchedColumn]
    """By name in the events."""
    allowance: Allowance
    loss: Literal["indicator", "numeric"] | None = None
    """`indicator` for losses of 0 and 1, `numeric` for any number, None if there is none: then features share all."""
    seed: int = 0
    after_alarm: AfterAlarm = "rebase"
    reference_rows: int = 1000
    """Events that make the first reference where none is given."""
    loss_rows: int | None = None
    """Examples that make the loss's; None for as many. A reference that is not stable is dropped for the next."""
    fresh_rows: int = 300
    """Events, and examples, that make the next one after a rebase."""
    waiting_rows_max: int = 20_000
    """Rows that are kept of a column which has too little independent data; beyond them it is not waited for."""
    listing_events: int = 120
    """After an alarm the lanes run on for so long, to list every column that has changed."""
    quiet_events: int = 1000
    """An episode of `hold` is over when so many events bring no alarm, or three times as many as it took to see it."""
    rebase_after_events: int = 0
    """An episode of `hold` that lasts so long is the new normal: a new reference is collected. 0 means never."""
    demote_alarms: int = 5
    """A column that raises so many alarms within the events of one false alarm is only observed from then on."""
    shift_sd: float = 0.5
    """With too few rows to see a shift of this size, there is not enough data."""
    period: Period | None = None
    joint: bool = False
    """Whether to watch how numeric columns go together. It costs more than all else: see `joint`."""

    def __post_init__(self) -> None:
        if not self.columns and self.loss is None:
            raise ValueError("columns must be at least one where the loss is not watched, got none")
        least = {"reference_rows": 20, "fresh_rows": 20, "listing_events": 1, "quiet_events": 1, "demote_alarms": 2}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise ValueError(f"{name} must be at least {value}, got {getattr(self, name)!r}")
        if not self.listing_events <= LISTING_EVENTS_MAX:
            raise ValueError(f"listing_events must be at most {LISTING_EVENTS_MAX}, got {self.listing_events!r}")
        if self.after_alarm == "rebase" and not self.listing_events < self.fresh_rows:
            raise ValueError(f"listing_events must be less than fresh_rows, got {self.listing_events!r}")
        if self.rebase_after_events and not self.rebase_after_events > self.listing_events:
            got = self.rebase_after_events
            raise ValueError(f"rebase_after_events must be 0 or more than listing_events, got {got!r}")
        if not self.shift_sd > 0:
            raise ValueError(f"shift_sd must be greater than 0, got {self.shift_sd!r}")
