"""The false-alarm budget as a contender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drift.budget import Alarm, AlarmBudget, AlarmBudgetConfig, Standing
from drift.evidence import ColumnKind, Subject
from drift.reference import Reference
from drift.scorecard.contenders import Raised
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import LOSS, Stream

_ROWS = 200
"""Judged at once."""


class Budgeted:
    """`AlarmBudget` with one pipeline's settings."""

    def __init__(self, name: str, about: str, config: AlarmBudgetConfig) -> None:
        self.name, self.about, self.config = name, about, config
        self._columns = {str(column.subject): name for name, column in config.columns.items()}
        self._reference: tuple[Stretch, Reference] | None = None

    def watches(self, kind: ColumnKind | None) -> bool:
        """Every feature, and the loss where there is one."""
        return kind is not None or self.config.loss is not None

    def meet(self, stream: Stream) -> None:
        """Make the reference."""
        self._reference = stream.reference, _reference(stream.reference)

    def watch(self, stream: Stream) -> Sequence[Raised]:
        """Alarms; what repeats within an episode is none."""
        budget, rows = self._begun(stream.reference), stream.rows
        losses = None if self.config.loss is None or rows.losses is None else rows.losses.tolist()
        times = [0] * rows.rows if rows.times_ms is None else rows.times_ms.tolist()
        raised: list[Raised] = []
        for start in range(0, rows.rows, _ROWS):
            for place in range(start, min(start + _ROWS, rows.rows)):
                budget.event(rows.events[place], times[place])
                if losses is not None:
                    budget.example(losses[place])
            alarms = [found for found in budget.evaluate() if isinstance(found, Alarm)]
            raised += [Raised(alarm.event, self._column(alarm.blame.subject)) for alarm in alarms]
            if stream.change_at is not None and raised and raised[-1].row > stream.change_at:
                break
        return raised

    def standings(self, reference: Stretch) -> tuple[Standing, ...]:
        """What would be promised on this reference."""
        return self._begun(reference).standings()

    def _begun(self, reference: Stretch) -> AlarmBudget:
        budget = AlarmBudget(self.config)
        losses = reference.losses.tolist() if self.config.loss and reference.losses is not None else []
        times = [] if reference.times_ms is None else reference.times_ms.tolist()
        known = self._reference
        budget.rebase(known[1] if known and known[0] is reference else _reference(reference), losses, times)
        return budget

    def _column(self, subject: Subject) -> str:
        if subject.kind == "loss":
            return LOSS
        return self._columns.get(str(subject), subject.name)


def _reference(stretch: Stretch) -> Reference:
    return Reference.from_columns(stretch.kinds, stretch.columns)


def with_joint(config: AlarmBudgetConfig) -> AlarmBudgetConfig:
    """The same, and columns watched together."""
    return replace(config, joint=True)
