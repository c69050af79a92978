"""Watch: the stage that sees every prediction and example of a pipeline, keeps its false-alarm budget and tells people.

It merges `predictions`, `examples` and `control` by record time. Each row is judged by the budget: an alarm opens an
incident at the very row that raised it, whatever windows are shown and however the rows come; what people ask for is
done at its row, too. Beside that the last rows are kept as a window, and every `slide_rows` predictions it is compared
with the reference and shown. What people act on goes into the outbox, to be published once the checkpoint that holds it
is durable. The cut (next offset of every input) names a row for ever: ids derive from it, and the same rows can be read
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import convert, to_builtins

from drift.budget import AlarmBudget, Finding, Over
from drift.detectors import DetectorState
from drift.effects import ROWS_MAX
from drift.incidents import Incidents
from drift.phases import IncidentPhase
from drift.reference import Reference
from drift.window import SlidingWindow, WindowConfig
from learners.scores import PrequentialScores
from streams.config import Config
from streams.messages import Beginning, Cut, Example, Instruction, Prediction, WindowMetrics
from streams.stages import telling
from streams.stages.alerting import Alerting
from streams.stages.detecting import Detecting
from streams.stages.hearing import Hearing, Item, inputs
from streams.stages.label_delays import LabelDelays
from streams.stages.merge import Merge, Turn
from streams.stages.seen import ReportDue, Seen
from streams.stages.setbacks import Setbacks
from streams.stages.watch_reference import WatchReference
from streams.stages.watch_settings import (
    alarm_budget_config,
    comparison_config,
    watched_columns,
    with_thresholds,
)
from streams.stages.window_columns import window_columns
from streams.state.outbox import deterministic_id

__all__ = ["ReportDue", "Seen", "Watch"]

_DONE = object()


class Watch:
    """One pipeline's budget, incidents and windows.

    `saved` is what `dump` gave, or for a history that begins `next` and `high_ms` alone (and `known`, see `Beginning`);
    `reference` the one it names (or the one of `drift.reference.file` at a first start), `states` the detectors'
    states, which the caller keeps in a form of its own.
    """

    def __init__(
        self,
        config: Config,
        saved: Mapping[str, Any] | None = None,
        reference: Reference | None = None,
        states: Mapping[str, DetectorState] | None = None,
    ) -> None:
        self.config, drift = config, config.drift
        self.hearing = Hearing(config)
        self.columns = watched_columns(config.features, config.target.task)
        self.comparison = with_thresholds(comparison_config(drift), drift, config.features)
        self.budget = AlarmBudget(alarm_budget_config(config, self.columns))
        self.detecting = Detecting(config, states)
        self.compared = WatchReference(config, self.columns.kinds, reference)
        rows = drift.window_rows + drift.slide_rows * self.compared.moves
        self.window = SlidingWindow(WindowConfig(window_rows=max(rows, ROWS_MAX), kinds=self.columns.kinds))
        """The last rows: those of a window that is shown or has just been, and those that an alert is about."""
        self._collecting_config = WindowConfig(window_rows=drift.reference.rows, kinds=self.columns.kinds)
        self.collecting: SlidingWindow | None = None if reference else SlidingWindow(self._collecting_config)
        self.rebase_due = False
        """A retrain request was told: there is a new reference from the next window on."""
        self.delays = LabelDelays(drift.window_rows)
        names = [*config.models.candidates, *_baselines(config)]
        self.scores = PrequentialScores(config.target.build(), names, window=drift.window_rows)
        self.labels: dict[str, Any] = {}
        """Labels of the last rows by id, for reports."""
        self.windows_total = 0
        """Evaluated since the first start."""
        self.rows_due = drift.slide_rows
        """Until a window is shown, or would be if there were a reference."""
        self._owing: tuple[Iterator[None], Seen] | None = None
        """Work that is half done; a checkpoint does not hold it."""
        self.served = (config.models.champion, 0)
        """Name and version of the model that made the last prediction."""
        self.alerting = Alerting(config, self.columns, self.comparison, self)
        saved = saved or {"next": {}, "high_ms": {}}
        self.merge = Merge(inputs(config, saved))
        self.next: dict[tuple[int, int], int] = {(i.rank, i.partition): i.next for i in self.merge.inputs}
        self.setbacks = Setbacks()
        self.began = Beginning(offsets=self.offsets(), known=dict(saved.get("known", {})))
        """Of this history."""
        if "window" in saved:
            self._restore(saved)
            return
        self.hearing.skip(self.began.known)
        if reference is not None:
            self.budget.rebase(reference)

    @property
    def reference(self) -> Reference | None:
        """What the budget watches from; None while it is collected."""
        return self.compared.base

    @property
    def incidents(self) -> Incidents:
        """Whether one is open, and about what."""
        return self.alerting.incidents

    # -- work ----------------------------------------------------------------------------------------------------

    def step(self, limit: int) -> Seen | None:
        """A piece of what is owed, or up to about `limit` rows of each input; None where one must be waited for."""
        if self._owing is None and (self.rows_due <= 0 or min(self.budget.rows_to_reference) <= 0):
            seen = Seen()
            self._owing = self._owed(seen), seen
        if self._owing is None:
            return self._rows(limit)
        pieces, seen = self._owing
        if next(pieces, _DONE) is not _DONE:
            return Seen()
        self._owing = None
        return seen

    def _rows(self, limit: int) -> Seen | None:
        turns = self.merge.take(limit)
        if not turns:
            return None
        self.setbacks.taking(turns[0], self.offsets)
        seen, items = Seen(), list[Item]()
        events, examples = self._until_owed()
        for turn in turns:
            item = self.hearing.hear(turn)
            seen.rows += 1
            if self._promotes(item):  # as of the row before
                self._take(items, seen)
                self.rebase(seen)
                items = []
                events, examples = self._until_owed()
            items.append(item)
            if item.loss is not None:
                self.budget.example(item.loss)
                examples -= 1
            if isinstance(item.record, Prediction):
                self.budget.event(item.values, item.record.event_ms)
                events -= 1
            if events <= 0 or examples <= 0 or isinstance(item.record, Instruction):
                break  # as of this row something is owed or asked: no other may be judged ahead of it
        self.merge.give_back(turns[seen.rows :])
        self.setbacks.taken(turns[seen.rows - 1])
        self._take(items, seen)
        return seen

    def _until_owed(self) -> tuple[float, float]:
        """Events and examples."""
        events, examples = self.budget.rows_to_reference
        return min(events, self.rows_due), examples

    def _take(self, items: Sequence[Item], seen: Seen) -> None:
        """What the budget finds in these rows is told where it was found, with everything else as of that row."""
        findings = deque(self.budget.evaluate())
        events = self.budget.events - sum(isinstance(item.record, Prediction) for item in items)
        examples = self.budget.examples - sum(item.loss is not None for item in items)
        for item in items:
            turn, record, requests = item.turn, item.record, len(seen.requests)
            self.next[turn.rank, turn.partition] = turn.offset + 1
            if isinstance(record, Prediction):
                events += 1
                self._prediction(record, item.values, events, seen)
            elif isinstance(record, Example):
                examples += item.loss is not None
                self._example(record, item.loss, turn, examples, seen)
            elif isinstance(record, Instruction):
                self._asked(record, seen)
            while findings and (findings[0].event, findings[0].example) == (events, examples):
                self._found(findings.popleft(), seen)
            if self.compared.kind == "retrain" and len(seen.requests) > requests:
                self.rebase_due = True

    def _owed(self, seen: Seen) -> Iterator[None]:
        """What must be done before the next row, in pieces of a few milliseconds: nobody may hold the loop for longer.

        A reference that is complete is qualified, and a window that is due is shown: what moves has moved before, and
        the budget watches from what it moved to after. What a checkpoint holds changes in the last piece, and in those
        that may be done again.
        """
        while self.budget.qualify():
            yield
        if self.rows_due > 0:
            return
        self.compared.passed(self.window, self.alerting.event, holding=self.budget.holding)
        times = self.window.times_ms()[-self.config.drift.window_rows :]
        if (reference := self.compared.of_window(self.alerting.event, times)) is not None:
            yield from reference.prepare()
            yield from self._evaluate(reference, times, seen)
        self.rows_due = self.config.drift.slide_rows
        if not self.budget.holding and (moved := self.compared.moved(self.window)) is not None:
            self.budget.move(*moved)
            seen.references.append(moved[0])
        if self.rebase_due:
            self.rebase(seen)

    def normal(self, rows: int) -> Reference | None:
        """What the last rows are to be measured against."""
        return self.compared.of_alert(self.alerting.event, self.window.times_ms()[-rows:])

    def _promotes(self, item: Item) -> bool:
        said = item.record
        return (
            self.compared.kind == "promotion"
            and isinstance(said, Prediction)
            and self.compared.promoted(item.turn.partition, said.model)
        )

    def _prediction(self, said: Prediction, values: Mapping[str, object], number: int, seen: Seen) -> None:
        self.served = said.model, said.version
        self.alerting.predicted(number, said.event_ms)
        self.delays.predicted()
        self.detecting.features(said.features, said.event_ms)
        self.rows_due -= 1
        if self.reference is None:
            self._collect(said, values, seen)
            return
        self.window.append(said.id, said.event_ms, values)

    def _collect(self, said: Prediction, values: Mapping[str, object], seen: Seen) -> None:
        if self.collecting is None:
            self.collecting = SlidingWindow(self._collecting_config)
        self.collecting.append(said.id, said.event_ms, values)
        if self.collecting.full:
            phases = self.compared.phases(self.alerting.event, self.collecting.times_ms())
            seen.references.append(self.compared.collected(self.collecting.encoded(slice(None)), phases))
            self.collecting = None
            self.rows_due = self.config.drift.slide_rows

    def _example(self, example: Example, loss: float | None, turn: Turn, number: int, seen: Seen) -> None:
        if example.kind == "correction":
            self.delays.corrected()
            if example.id in self.labels:
                self.labels[example.id] = example.label
            return
        self.delays.joined(example.id, example.label_ms - example.event_ms)
        self.labels[example.id] = example.label
        if len(self.labels) > 4 * self.config.drift.window_rows:
            del self.labels[next(iter(self.labels))]
        self.scores.update(example.label, {**example.candidates, example.model: example})
        place = f"{self.config.topic('examples')}/{turn.partition}"
        self.alerting.labelled(place, turn.offset, example.event_ms, seen)
        if loss is not None:
            self.detecting.loss(loss, example.event_ms)
            self.alerting.lost(number, loss, example.event_ms, seen)

    def _found(self, finding: Finding, seen: Seen) -> None:
        self.alerting.found(finding, seen)
        if isinstance(finding, Over) and finding.reason == "rebased":
            self._drop_reference()

    def _asked(self, said: Instruction, seen: Seen) -> None:
        if said.action != "rebase":
            self.alerting.asked(said, seen)
        elif self.budget.events:  # what was asked of an earlier history is none of this one's business
            self.rebase(seen)

    def rebase(self, seen: Seen) -> None:
        """Forget the reference and collect a new one; an open incident ends. Between two steps."""
        self.alerting.end("rebased", seen)
        self.budget.rebase()
        self._drop_reference()

    def _drop_reference(self) -> None:
        self._owing = None
        self.compared.drop()
        self.collecting, self.rebase_due, self.rows_due = None, False, self.config.drift.slide_rows
        self.window = SlidingWindow(self.window.config)

    def offsets(self) -> dict[str, int]:
        """Where the inputs stand at this row."""
        return {f"{i.topic}/{i.partition}": self.next[i.rank, i.partition] for i in self.merge.inputs}

    def cut(self) -> Cut:
        """The same, with its name, and how the rows came up to here."""
        offsets = self.offsets()
        name = deterministic_id(self.config.name, *(f"{k}:{v}" for k, v in sorted(offsets.items())))
        return Cut(name, offsets, self.setbacks.until(offsets), None if self.windows_total else self.began)

    # -- a window ------------------------------------------------------------------------------------------------

    def _evaluate(self, reference: Reference, times: Sequence[int], seen: Seen) -> Iterator[None]:
        """Show the last rows, which came at these times, against the reference, and how the budget stands."""
        rows = len(times)
        shown = {name: column[-rows:] for name, column in self.window.columns().items()}
        columns = yield from window_columns(
            reference, shown, self.columns.subjects, self.comparison, self.budget, self.incidents.changed()
        )
        quality = {n: said["window"] for n, said in self.scores.report(self.config.models.champion).items()}
        yield
        judged = any(column.verdict != "not_enough_data" for column in columns)
        cut, incident = self.cut(), self.incidents.open_incident
        self.setbacks.told()
        self.windows_total += 1
        seen.metrics.append(
            WindowMetrics(
                id=cut.id,
                window=self.windows_total,
                cut=cut,
                rows=rows,
                from_ms=times[0],
                to_ms=times[-1],
                verdict="drift" if incident else "stable" if judged else "not_enough_data",
                columns=columns,
                quality=quality,
                labels=self.delays.report(self.window.ids()[-rows:]),
                alarms=[telling.alarm(alarm) for alarm in self.detecting.take_alarms()],
                incident=incident,
                reference=reference.digest,
                told=self.alerting.take_told(),
                budget=telling.budget(self.budget, self.config.drift.false_alarms, self.compared.words),
            )
        )
        self.alerting.shown(times[0], seen)

    def report(self, phase: IncidentPhase | None = None, cut: Cut | None = None) -> ReportDue | None:
        """The rows of the window as it is now; None without a reference or without rows."""
        times, number = self.window.times_ms()[-self.config.drift.window_rows :], self.alerting.event
        reference = self.compared.of_alert(number, times) if phase else self.compared.of_window(number, times)
        if reference is None or not times:
            return None
        config = WindowConfig(window_rows=self.config.drift.window_rows, kinds=self.columns.kinds)
        copy = SlidingWindow.restore(config, self.window.snapshot())
        labels = {identity: self.labels[identity] for identity in copy.ids() if identity in self.labels}
        return ReportDue(
            phase=phase,
            number=self.windows_total,
            cut=cut or self.cut(),
            reference=reference,
            window=copy,
            labels=labels,
        )

    # -- checkpoint ----------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """State as of now, msgpack-able; detectors and the reference's bytes apart."""
        return {
            "next": self.merge.positions(),
            "high_ms": self.merge.watermarks(),
            "setbacks": self.setbacks.dump(),
            "began": to_builtins(self.began),
            "windows_total": self.windows_total,
            "rows_due": self.rows_due,
            "reference": self.reference.digest if self.reference else "",
            "collecting": self.collecting.snapshot() if self.collecting else None,
            "window": self.window.snapshot(),
            "compared": self.compared.snapshot(),
            "rebase_due": self.rebase_due,
            "hearing": self.hearing.dump(),
            "budget": self.budget.snapshot(),
            "delays": self.delays.snapshot(),
            "detecting": self.detecting.snapshot(),
            "scores": self.scores.snapshot(),
            "labels": list(self.labels.items()),
            "served": self.served,
            **self.alerting.dump(),
        }

    def detector_states(self) -> dict[str, DetectorState]:
        """By `subject/detector`."""
        return self.detecting.states()

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.setbacks, self.began = Setbacks(saved["setbacks"]), convert(saved["began"], Beginning)
        self.windows_total = saved["windows_total"]
        self.rows_due = saved["rows_due"]
        self.alerting.restore(saved)
        self.collecting = None
        if saved["collecting"] is not None:
            self.collecting = SlidingWindow.restore(self._collecting_config, saved["collecting"])
        self.window = SlidingWindow.restore(self.window.config, saved["window"])
        self.compared.restore(saved["compared"])
        self.rebase_due = saved["rebase_due"]
        self.hearing.restore(saved["hearing"])
        self.budget.restore(saved["budget"])
        self.delays.restore(saved["delays"])
        self.detecting.restore(saved["detecting"])
        self.scores.restore(saved["scores"])
        self.labels = dict(saved["labels"])
        self.served = tuple(saved["served"])


def _baselines(config: Config) -> list[str]:
    return ["no_change", "mean" if config.target.task == "regression" else "prior"]
