"""The whole: events and losses in, alarms out, at a rate that was promised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from drift.allowance import Rate
from drift.budget.aftermath import Aftermath
from drift.budget.bank import BLOCK
from drift.budget.blaming import blame_of, is_fall, listed
from drift.budget.config import AlarmBudgetConfig
from drift.budget.crossing import EVENT, EXAMPLE, Path, first_crossing
from drift.budget.findings import (
    Alarm,
    Blame,
    Finding,
    Listing,
    Over,
    Repeat,
    Sensitivity,
    finding_of,
    plain_finding,
)
from drift.budget.joint import JOINT
from drift.budget.qualification import Standing
from drift.budget.references import LOSS, References
from drift.budget.section import LossSection, Section, SectionRun
from drift.budget.whitening import harmonics
from drift.reference import Reference

_FORMAT = "alarm_budget/1"


class AlarmBudget:
    """Watches every column of the events and the loss of the examples under one false-alarm budget.

    `event` and `example` are called in the merged order of the log, once per record. They only keep what they are
    given until a block is full; `evaluate` says what was found up to the last call. What is found does not depend on
    when it is asked.
    """

    def __init__(self, config: AlarmBudgetConfig) -> None:
        self.config = config
        self.events = self.examples = 0
        """Judged so far."""
        self._references = References(config)
        self._references.collect(config.reference_rows, self._loss_rows)
        self._sections: list[Section] = []
        self._loss: LossSection | None = None
        self._aftermath = Aftermath(config)
        self._rate = Rate()
        self.threshold = config.allowance.events_per_alarm()
        """A: events per false alarm. Of a budget in time it follows the measured rate."""
        self._order = bytearray()
        self._rows: list[Mapping[str, Any]] = []
        self._times_ms: list[int] = []
        self._losses: list[float] = []
        self._found: list[Finding] = []
        self._ahead: list[SectionRun] = []
        """The next events as judged, by section: of `_ahead_rows` of them, `_ahead_taken` are the past."""
        self._ahead_rows = self._ahead_taken = 0

    # -- input ---------------------------------------------------------------------------------------------------

    def event(self, values: Mapping[str, Any], event_ms: int = 0) -> None:
        """One event's columns by name; what is absent, None, or not a finite number where one belongs is missing."""
        self._rows.append(values)
        self._times_ms.append(event_ms)
        self._order.append(EVENT)
        while len(self._rows) > BLOCK:  # and not as soon as there are so many: their losses come right behind
            self._step()

    def example(self, loss: float) -> None:
        """One labelled example's loss."""
        self._losses.append(loss)
        self._order.append(EXAMPLE)
        while len(self._losses) > BLOCK:
            self._step()

    def evaluate(self) -> tuple[Finding, ...]:
        """What was found since the last call, in order."""
        self._work()
        found, self._found = tuple(self._found), []
        return found

    def rebase(
        self, reference: Reference | None = None, losses: Sequence[float] = (), times_ms: Sequence[int] = ()
    ) -> None:
        """Start over: from a reference, whose columns are named as the events', or from the rows to come.

        Args:
            reference: The rows; None to collect `reference_rows` of them.
            losses: Of the reference's rows; without any the loss is watched, or collected, as before.
            times_ms: Of the reference's rows, wanted for a period in time.
        """
        self._work()
        config, references = self.config, self._references
        self._sections = []
        self._aftermath.over()
        if reference is None:
            references.refused, self._loss = {}, None
            references.collect(config.reference_rows, self._loss_rows)
            return
        phases: list[float] = []
        if config.period is not None:
            times = times_ms or [0] * reference.rows
            first = self.events - reference.rows
            phases = [config.period.phase(first + row, times[row]) for row in range(reference.rows)]
        references.given(reference.columns, phases)
        if len(losses):
            self._loss = None
            references.collect_losses(len(losses))
            if references.losses is not None:
                references.losses.extend(losses)
        for section in self._watched():
            section.panel.growth.go_on()

    def move(self, reference: Reference, phases: Sequence[float] = ()) -> None:
        """Watch from a later reference: rows that were judged, with their phases where a period is declared.

        Evidence starts over, and what it was is of no account any more: each stretch between two moves raises a false
        alarm with a chance of its events over those of one alarm at most, so the rate holds. The loss goes on.
        """
        self._work()
        self._sections = []
        self._references.moved(reference.columns, phases)

    def qualify(self) -> bool:
        """Do a piece of what makes a complete reference one to watch from, if there is one; whether there was.

        Who must not be held up calls it until there is none, whenever `evaluate` has come to the end of
        `rows_to_reference`. Otherwise it is done at once when the next item is judged, or somebody asks: nothing that
        is found depends on it.
        """
        return self._references.qualify(self.events, self.examples, self._watch)

    def _watch(self, section: Section) -> None:
        if isinstance(section, LossSection):
            self._loss = section
        else:
            self._sections.append(section)

    @property
    def rows_to_reference(self) -> tuple[float, float]:
        """Events, and examples with a loss, until a collection is complete; infinite where none is under way."""
        return self._references.rows_left

    @property
    def holding(self) -> bool:
        """Whether an alarm's episode holds the reference."""
        return self._aftermath.listing or self._aftermath.episode

    @property
    def _loss_rows(self) -> int:
        return self.config.loss_rows or self.config.reference_rows

    # -- answers -------------------------------------------------------------------------------------------------

    @property
    def alarms(self) -> int:
        """Raised so far; with `events`, the realised rate."""
        return self._aftermath.number

    def standings(self) -> tuple[Standing, ...]:
        """What is promised for each column, and for the loss as `(loss)`, sorted by column."""
        self._begin_watching()
        standings = self._references.standings
        return tuple(standings[name] for name in sorted(standings))

    def sensitivities(self) -> Mapping[str, Sensitivity]:
        """The smallest change that would have been seen by now, of each column that is watched."""
        self._begin_watching()
        found: dict[str, Sensitivity] = {}
        for section in self._watched():
            found.update(section.sensitivity(self.threshold, self.config.shift_sd))
        return found

    # -- work ----------------------------------------------------------------------------------------------------

    def _watched(self) -> list[Section]:
        return [*self._sections, self._loss] if self._loss else list(self._sections)

    def _work(self) -> None:
        while self._order:
            self._step()

    def _step(self) -> None:
        """Judge as many items as can be judged at once, up to an alarm."""
        self._begin_watching()
        order = self._prefix()
        events = order.count(EVENT)
        if events and not self._ahead_rows:
            self._judge()
        losses = self._losses[: len(order) - events]
        loss_run = self._loss.judge(self._loss.encode_losses(losses)) if self._loss and losses else None
        crossed = None if self._aftermath.listing else self._crossing(order, loss_run)
        if crossed is not None:
            order = order[: crossed + 1]
        events, examples = order.count(EVENT), order.count(EXAMPLE)
        for section, run in zip(self._sections, self._ahead, strict=False):
            section.take(run, self._ahead_taken, self._ahead_taken + events)
        if self._loss and loss_run:
            self._loss.take(loss_run, 0, examples)
        self._ahead_taken += events
        if self._ahead_taken >= self._ahead_rows or crossed is not None:
            self._ahead, self._ahead_taken, self._ahead_rows = [], 0, 0
        self._pass(events, examples)
        if crossed is not None:
            self._raise()
        if events and self.events == self._aftermath.next_at:
            self._conclude()

    def _prefix(self) -> bytearray:
        """Items up to where a pool grows, a block ends or something is due, on either clock."""
        references = self._references
        events = self._ahead_rows - self._ahead_taken or self._events_at_once()
        losses = BLOCK if self._loss is None else self._loss.panel.rows_ahead
        if references.losses is not None:
            losses = min(losses, references.losses_due - len(references.losses))
        sharp = self._is_due(self.events + events)
        if len(self._rows) < events + (not sharp) and len(self._losses) <= losses:
            return self._order
        for at, kind in enumerate(self._order):
            if (kind == EVENT and not events) or (kind == EXAMPLE and not losses):
                return self._order[:at]
            events -= kind == EVENT
            losses -= kind == EXAMPLE
            if sharp and not events:
                return self._order[: at + 1]
        return self._order

    def _is_due(self, event: int) -> bool:
        """Whether something is done after that event which the very next example must find done."""
        in_time = self.config.allowance.ms is not None and event % Rate.STEP_EVENTS == 0
        return in_time or event == self._aftermath.next_at

    def _events_at_once(self) -> int:
        references, due = self._references, self._aftermath.next_at
        events = min([BLOCK - self.events % BLOCK, *(section.panel.rows_ahead for section in self._sections)])
        if references.collection is not None:
            events = min(events, references.rows_due - references.collection.rows)
        return events if due is None else min(events, due - self.events)

    def _judge(self) -> None:
        """Judge the events there are; examples in between may let them become the past in parts."""
        rows = self._rows[: self._events_at_once()]
        basis = self._basis(len(rows))
        self._ahead = [section.judge(section.encode(rows, basis)) for section in self._sections]
        self._ahead_taken, self._ahead_rows = 0, len(rows)

    def _basis(self, rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        if not any(section.encoder.seasonal for section in self._sections):
            return np.empty((0, 0))
        return harmonics(self._phases(rows))

    def _phases(self, rows: int) -> list[float]:
        period = self.config.period
        if period is None:
            return []
        return [period.phase(self.events + row, self._times_ms[row]) for row in range(rows)]

    def _crossing(self, order: bytearray, loss_run: SectionRun | None) -> int | None:
        none, taken = np.empty(0), self._ahead_taken
        ahead = [run.judged.run.total[taken:] for run in self._ahead] or [none] * len(self._sections)
        events = [Path(section.panel.bank.total, path) for section, path in zip(self._sections, ahead, strict=True)]
        loss = None
        if self._loss:
            loss = Path(self._loss.panel.bank.total, loss_run.judged.run.total if loss_run else none)
        return first_crossing(order, self.threshold, events, loss)

    def _pass(self, events: int, examples: int) -> None:
        """These items are the past."""
        references = self._references
        if events and references.collection is not None:
            references.collection.extend(self._rows[:events], self._phases(events))
        if examples and references.losses is not None:
            references.losses.extend(loss for loss in self._losses[:examples] if math.isfinite(loss))
        self.events += events
        self.examples += examples
        if events and self.events % Rate.STEP_EVENTS == 0:
            self._rate.measure(self._times_ms[events - 1])
            self.threshold = self.config.allowance.events_per_alarm(self._rate.events_per_ms)
        del self._order[: events + examples]
        del self._rows[:events], self._times_ms[:events], self._losses[:examples]

    def _begin_watching(self) -> None:
        while self.qualify():
            pass

    # -- an alarm ------------------------------------------------------------------------------------------------

    def _raise(self) -> None:
        aftermath, at = self._aftermath, {"event": self.events, "example": self.examples}
        tops = [(*section.panel.top(), section) for section in self._watched()]
        _, lane, section = max(tops, key=lambda top: top[0])
        column = section.panel.lanes[lane].column
        blame = blame_of(section, lane, self.config, self._references.standings)
        if is_fall(blame):
            self._loss = None  # no alarm: a model has learnt, and from here on a rise is held against the lower level
            self._references.collect_losses(self.config.fresh_rows)
            return
        if aftermath.episode:
            aftermath.repeated()
            self._found.append(Repeat(number=aftermath.number, repeats=aftermath.repeats, blame=blame, **at))
            self._expect_silence(section, blame)
            section.panel.forget(column)  # and no other: what still differs must not hide what begins to
            return
        aftermath.raised(self.events, column)
        self._found.append(Alarm(number=aftermath.number, blame=blame, **at))
        self._expect_silence(section, blame)
        if self.config.after_alarm == "rebase":
            self._references.collect(self.config.fresh_rows, self.config.fresh_rows)
        if self.config.after_alarm == "hold":
            for each in self._watched():
                each.panel.growth.stop()

    def _expect_silence(self, section: Section, blame: Blame) -> None:
        """How long an episode must be quiet to be over follows from how long its change took to be seen."""
        delay = section.panel.position - blame.since
        if blame.clock == "examples":
            self._aftermath.about_loss(self.examples, delay)
            delay = round(delay * self.events / max(1, self.examples))
        self._aftermath.took(self.events, delay)

    def _conclude(self) -> None:
        """A listing is due, or an episode is over."""
        aftermath = self._aftermath
        if not aftermath.listing:
            self._end_episode()
            return
        blames = listed(self._watched(), aftermath.column, self.config, self._references.standings)
        self._found.append(Listing(number=aftermath.number, event=self.events, example=self.examples, blames=blames))
        aftermath.listed(self.events)
        if aftermath.cries_wolf(self.events, self.threshold) and aftermath.column not in {LOSS, JOINT}:
            self._references.refuse(aftermath.column)
            for section in self._sections:
                if aftermath.column in section.panel.columns:
                    section.panel.silence(aftermath.column)
        if self.config.after_alarm == "rebase":
            self._sections, self._loss = [], None
        for section in self._watched():
            section.reset()

    def _end_episode(self) -> None:
        aftermath = self._aftermath
        rebased = aftermath.rebase_at == self.events
        if not rebased and aftermath.waits_for_examples(self.examples):
            aftermath.quiet_at = self.events + self.config.listing_events
            return
        reason: Literal["quiet", "rebased"] = "rebased" if rebased else "quiet"
        self._found.append(Over(number=aftermath.number, event=self.events, example=self.examples, reason=reason))
        aftermath.over()
        if rebased:
            self._references.collect(self.config.fresh_rows, self.config.fresh_rows)
            self._sections, self._loss = [], None
        for section in self._watched():
            section.panel.growth.go_on()
            section.reset()

    # -- state ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """What `restore` needs, of plain types that msgpack takes. Findings not yet asked for are part of it."""
        self._work()
        return {
            "format": _FORMAT,
            "events": self.events,
            "examples": self.examples,
            "threshold": self.threshold,
            "rate": self._rate.snapshot(),
            "references": self._references.snapshot(),
            "sections": [section.snapshot() for section in self._sections],
            "loss": self._loss.snapshot() if self._loss else None,
            "aftermath": self._aftermath.snapshot(),
            "found": [plain_finding(finding) for finding in self._found],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped.

        Raises:
            ValueError: It is not a snapshot of this class.
        """
        if snapshot.get("format") != _FORMAT:
            raise ValueError(f"snapshot must be {_FORMAT}, got {snapshot.get('format')!r}")
        self._order.clear()
        self._rows, self._times_ms, self._losses = [], [], []
        self.events, self.examples = snapshot["events"], snapshot["examples"]
        self.threshold = snapshot["threshold"]
        self._rate.restore(snapshot["rate"])
        self._references.restore(snapshot["references"])
        self._sections = [Section.restore(section) for section in snapshot["sections"]]
        self._loss = LossSection.restore(snapshot["loss"]) if snapshot["loss"] else None
        self._aftermath.restore(snapshot["aftermath"])
        self._found = [finding_of(plain) for plain in snapshot["found"]]
