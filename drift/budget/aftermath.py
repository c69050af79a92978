"""What follows an alarm: the lanes run on for a listing, repeats are merged, a column that cries wolf is found out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drift.budget.config import AlarmBudgetConfig


class Aftermath:
    """Counters in events; positions are absolute."""

    def __init__(self, config: AlarmBudgetConfig) -> None:
        self._config = config
        self.number = 0
        """Of the last alarm, counting from 1."""
        self.column = ""
        """That raised it."""
        self.listing_at: int | None = None
        """Event at which the listing is due; until then no alarm is raised."""
        self.quiet_at: int | None = None
        """With a reference that is held: event at which the episode is over."""
        self.repeats = 0
        self._raised: list[tuple[int, str]] = []

    @property
    def listing(self) -> bool:
        """Whether an alarm's listing is awaited."""
        return self.listing_at is not None

    @property
    def next_at(self) -> int | None:
        """Event at which something is due."""
        return self.listing_at if self.listing else self.quiet_at

    def raised(self, event: int, column: str) -> None:
        """An alarm."""
        self.number += 1
        self.column = column
        self.listing_at = event + self._config.listing_events
        self.repeats = 0
        self._raised.append((event, column))

    def listed(self, event: int) -> None:
        """The listing is done."""
        self.listing_at = None
        if self._config.after_alarm == "hold":
            self.quiet_at = event + self._config.quiet_events

    def repeated(self, event: int) -> None:
        """The evidence has reached the budget again within an episode."""
        self.repeats += 1
        self.quiet_at = event + self._config.quiet_events

    def cries_wolf(self, event: int, threshold: float) -> bool:
        """Whether the column of the last alarm has raised too many within the events of one false alarm."""
        self._raised = [(at, column) for at, column in self._raised if event - at < threshold]
        return sum(column == self.column for _, column in self._raised) >= self._config.demote_alarms

    def snapshot(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "number": self.number,
            "column": self.column,
            "listing_at": self.listing_at,
            "quiet_at": self.quiet_at,
            "repeats": self.repeats,
            "raised": [list(each) for each in self._raised],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        self.number, self.column, self.repeats = snapshot["number"], snapshot["column"], snapshot["repeats"]
        self.listing_at, self.quiet_at = snapshot["listing_at"], snapshot["quiet_at"]
        self._raised = [(at, column) for at, column in snapshot["raised"]]
