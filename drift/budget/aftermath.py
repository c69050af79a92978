"""What follows an alarm: the lanes run on for a listing, repeats are merged, a column that cries wolf is found out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drift.budget.config import AlarmBudgetConfig

PATIENCE = 3
"""A change that took n events to be seen, and is still there, shows again within three times as many, or it is gone."""
_PLAIN = (
    "number", "column", "listing_at", "quiet_at", "rebase_at", "repeats", "quiet_events", "examples", "examples_at",
)  # fmt: skip


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
        """With a reference that is held: event at which the episode may be over."""
        self.rebase_at: int | None = None
        """With a reference that is held: event at which the change is the new normal."""
        self.repeats = 0
        self.quiet_events = config.quiet_events
        """Of this episode."""
        self.examples = 0
        """Without a repeat for so many the loss counts as quiet; 0 while the episode is not about the loss."""
        self.examples_at = 0
        """Example before which it is not."""
        self._raised: list[tuple[int, str]] = []

    @property
    def listing(self) -> bool:
        """Whether an alarm's listing is awaited."""
        return self.listing_at is not None

    @property
    def episode(self) -> bool:
        """Whether a reference is held and the listing is done."""
        return self.quiet_at is not None

    @property
    def next_at(self) -> int | None:
        """Event at which something is due."""
        if self.listing_at is not None or self.quiet_at is None:
            return self.listing_at
        return self.quiet_at if self.rebase_at is None else min(self.quiet_at, self.rebase_at)

    def raised(self, event: int, column: str) -> None:
        """An alarm."""
        self.number += 1
        self.column = column
        self.listing_at = event + self._config.listing_events
        self.repeats = self.examples = 0
        self.quiet_events = self._config.quiet_events
        self._raised.append((event, column))

    def took(self, event: int, delay_events: float) -> None:
        """An alarm, or a repeat, at `event` was seen so many events after its change."""
        self.quiet_events = max(self.quiet_events, round(PATIENCE * delay_events))
        if self.quiet_at is not None:
            self.quiet_at = event + self.quiet_events

    def about_loss(self, example: int, delay_examples: int) -> None:
        """The loss has changed, and silence is no recovery: it is over after examples, not after events without any."""
        self.examples = max(self.examples, PATIENCE * delay_examples, 1)
        self.examples_at = example + self.examples

    def listed(self, event: int) -> None:
        """The listing is done."""
        alarm_at = event - self._config.listing_events
        self.listing_at = None
        if self._config.after_alarm == "hold":
            self.quiet_at = event + self.quiet_events
            after = self._config.rebase_after_events
            self.rebase_at = alarm_at + after if after else None

    def repeated(self) -> None:
        """The evidence has reached the budget again within an episode."""
        self.repeats += 1

    def waits_for_examples(self, example: int) -> bool:
        """Whether the episode is about the loss, and too few examples have come to call it quiet."""
        return self.examples > 0 and example < self.examples_at

    def over(self) -> None:
        """The episode has ended, or everything starts over."""
        self.listing_at = self.quiet_at = self.rebase_at = None

    def cries_wolf(self, event: int, threshold: float) -> bool:
        """Whether the column of the last alarm has raised too many within the events of one false alarm."""
        self._raised = [(at, column) for at, column in self._raised if event - at < threshold]
        return sum(column == self.column for _, column in self._raised) >= self._config.demote_alarms

    def snapshot(self) -> dict[str, Any]:
        """Plain types."""
        return {name: getattr(self, name) for name in _PLAIN} | {"raised": [list(each) for each in self._raised]}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`."""
        for name in _PLAIN:
            setattr(self, name, snapshot[name])
        self._raised = [(at, column) for at, column in snapshot["raised"]]
