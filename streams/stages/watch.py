"""Watch: the stage that sees every prediction and example of a pipeline, closes windows and tells people.

It merges `predictions` and `examples` by record time, keeps the last rows as a window, and every `slide_rows`
predictions compares it with the reference. Verdicts go to the decider, its signals to the incidents, and what people
act on into the outbox, to be published once the checkpoint that holds it is durable. The cut (next offset of every
input) names the window for ever: ids derive from it, and the same rows can be read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drift.budget import AlarmBudget
from drift.comparison import compare
from drift.decisions import Decider, PersistentThreshold
from drift.detectors import DetectorState
from drift.evidence import ColumnEvidence, Signal, WindowEvidence
from drift.example_index import ExampleIndex
from drift.incidents import Incidents
from drift.phases import IncidentPhase
from drift.reference import Reference
from drift.retrain import RetrainPolicy
from drift.window import SlidingWindow, WindowConfig
from learners.scores import PrequentialScores
from streams.config import Config
from streams.messages import Alert, Cut, Example, Prediction, RetrainRequest, WindowMetrics
from streams.stages import telling
from streams.stages.detecting import Detecting
from streams.stages.hearing import EXAMPLES, PREDICTIONS, Hearing, Item
from streams.stages.label_delays import LabelDelays
from streams.stages.merge import Input, Merge, Turn, positions_of
from streams.stages.watch_settings import (
    alarm_budget_config,
    comparison_config,
    decider_config,
    incidents_config,
    retrain_config,
    watched_columns,
    with_thresholds,
)
from streams.state.outbox import deterministic_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDue:
    """An incident has started: the very rows of its window, for a report."""

    phase: IncidentPhase | None
    """The start it belongs to, None on demand."""
    number: int
    """Of the window."""
    cut: Cut
    reference: Reference
    window: SlidingWindow
    """A copy."""
    labels: Mapping[str, Any]
    """Labels known by now, by event id."""


@dataclass(slots=True)
class Seen:
    """What one step found out."""

    rows: int = 0
    metrics: list[WindowMetrics] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    requests: list[RetrainRequest] = field(default_factory=list)
    reports: list[ReportDue] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    """New ones, to be stored before the next checkpoint."""


class Watch:
    """One pipeline's windows, verdicts and incidents.

    `saved` is what `dump` gave, `reference` the one it names (or the one of `drift.reference.file` at a first start),
    `states` the detectors' states, which the caller keeps in a form of its own.
    """

    def __init__(
        self,
        config: Config,
        saved: Mapping[str, Any] | None = None,
        reference: Reference | None = None,
        states: Mapping[str, DetectorState] | None = None,
        decider: Decider | None = None,
    ) -> None:
        self.config, drift = config, config.drift
        self.hearing = Hearing(config)
        self.columns = watched_columns(config.features, config.target.task)
        self.comparison = with_thresholds(comparison_config(drift), drift, config.features)
        self.decider = decider or PersistentThreshold(decider_config(drift))
        self.incidents = Incidents(incidents_config(config))
        self.retrain = RetrainPolicy(retrain_config(config))
        self.budget = AlarmBudget(alarm_budget_config(config, self.columns))
        self.detecting = Detecting(config, states)
        self.window = SlidingWindow(WindowConfig(window_rows=drift.window_rows, kinds=self.columns.kinds))
        self._collecting_config = WindowConfig(window_rows=drift.reference.rows, kinds=self.columns.kinds)
        self.collecting: SlidingWindow | None = None if reference else SlidingWindow(self._collecting_config)
        self.reference = reference
        self.examples = ExampleIndex()
        self.delays = LabelDelays(drift.window_rows)
        names = [*config.models.candidates, *_baselines(config)]
        self.scores = PrequentialScores(config.target.build(), names, window=drift.window_rows)
        self.labels: dict[str, Any] = {}
        """Labels of the last rows by id, for reports."""
        self.windows_total = 0
        """Evaluated since the first start."""
        self.incident_windows = 0
        self.rows_due = drift.slide_rows
        self.served = (config.models.champion, 0)
        """Name and version of the model that made the last prediction."""
        saved = saved or {"next": {}, "high_ms": {}}
        self.merge = Merge(self._inputs(saved))
        self.next: dict[tuple[int, int], int] = {(i.rank, i.partition): i.next for i in self.merge.inputs}
        if "window" in saved:
            self._restore(saved)
        elif reference is not None:
            self.budget.rebase(reference)

    def _inputs(self, saved: Mapping[str, Any]) -> list[Input]:
        topics = self.config.topics
        places = [(self.config.topic("predictions"), p, PREDICTIONS) for p in range(topics.partitions)]
        places += [(self.config.topic("examples"), shard, EXAMPLES) for shard in range(topics.shards)]
        return [
            Input(t, p, rank, positions_of(saved["next"], t, p, 0), positions_of(saved["high_ms"], t, p, 0))
            for t, p, rank in places
        ]

    # -- work ----------------------------------------------------------------------------------------------------

    def step(self, limit: int) -> Seen | None:
        """Take up to about `limit` rows of each input; None if there is none or an input must be waited for."""
        turns = self.merge.take(limit)
        if not turns:
            return None
        seen = Seen(rows=len(turns))
        items: list[Item] = []
        until_window = self.rows_due
        for turn in turns:
            item = self.hearing.hear(turn)
            items.append(item)
            if item.loss is not None:
                self.budget.example(item.loss)
            if not isinstance(item.record, Prediction):
                continue
            self.budget.event(item.values, item.record.event_ms)
            until_window -= 1
            if until_window <= 0:  # a window says how the budget stands: no row may be judged ahead of it
                self._take(items, seen)
                items, until_window = [], self.rows_due
        self._take(items, seen)
        return seen

    def _take(self, items: Sequence[Item], seen: Seen) -> None:
        """What the budget finds in these rows is told where it was found, with everything else as of that row."""
        self.budget.evaluate()
        for item in items:
            turn, record = item.turn, item.record
            self.next[turn.rank, turn.partition] = turn.offset + 1
            if isinstance(record, Prediction):
                self._prediction(record, item.values, seen)
            elif isinstance(record, Example):
                self._example(record, item.loss, turn)

    def _prediction(self, said: Prediction, values: Mapping[str, object], seen: Seen) -> None:
        self.served = (said.model, said.version)
        self.delays.predicted()
        self.detecting.features(said.features, said.event_ms)
        if self.reference is None:
            self._collect(said, values, seen)
            return
        self.window.append(said.id, said.event_ms, values)
        self.rows_due -= 1
        if self.rows_due <= 0:
            self.rows_due = self.config.drift.slide_rows
            self._evaluate(self.reference, seen)

    def _collect(self, said: Prediction, values: Mapping[str, object], seen: Seen) -> None:
        if self.collecting is None:
            self.collecting = SlidingWindow(self._collecting_config)
        self.collecting.append(said.id, said.event_ms, values)
        if self.collecting.full:
            columns = self.collecting.columns()
            self.reference = Reference.from_columns(self.columns.kinds, columns)
            self.collecting = None
            self.rows_due = self.config.drift.slide_rows
            seen.references.append(self.reference)

    def _example(self, example: Example, loss: float | None, turn: Turn) -> None:
        if example.kind == "correction":
            self.delays.corrected()
            if example.id in self.labels:
                self.labels[example.id] = example.label
            return
        self.delays.joined(example.id, example.label_ms - example.event_ms)
        place = f"{self.config.topic('examples')}/{turn.partition}"
        self.examples.observe(place, offset=turn.offset, event_ms=example.event_ms)
        self.labels[example.id] = example.label
        if len(self.labels) > 4 * self.config.drift.window_rows:
            del self.labels[next(iter(self.labels))]
        self.scores.update(example.label, {**example.candidates, example.model: example})
        if loss is not None:
            self.detecting.loss(loss, example.event_ms)

    # -- a window ------------------------------------------------------------------------------------------------

    def cut(self) -> Cut:
        """Where the inputs stand at this row."""
        offsets = {f"{i.topic}/{i.partition}": self.next[i.rank, i.partition] for i in self.merge.inputs}
        return Cut(deterministic_id(self.config.name, *(f"{k}:{v}" for k, v in sorted(offsets.items()))), offsets)

    def _evaluate(self, reference: Reference, seen: Seen) -> None:
        self.windows_total += 1
        cut, window = self.cut(), self.window
        subjects = {name: subject for name, subject in self.columns.subjects.items() if name in reference.kinds}
        columns = compare(reference, window.columns(), subjects, self.comparison)
        evidence = WindowEvidence(
            rows=len(window),
            from_ms=window.from_ms,
            to_ms=window.to_ms,
            columns=columns,
            alarms=self.detecting.take_alarms(),
            loss=self.detecting.rise(),
        )
        loud = self.config.drift.alert_on
        signals = tuple(signal for signal in self.decider.decide(evidence) if signal.subject.kind in loud)
        phases = self.incidents.update(signals, cut=cut.id, window=self.windows_total, event_ms=window.to_ms)
        self._tell(phases, cut, seen)
        seen.metrics.append(self._metrics(cut, evidence, columns, signals, reference))
        self._rebase_if_normal(cut, seen)

    def _tell(self, phases: Iterable[IncidentPhase], cut: Cut, seen: Seen) -> None:
        model, version = self.served
        for phase in phases:
            report = telling.report_place(phase.incident) if self.config.reports.on_incident else None
            seen.alerts.append(telling.alert(phase, cut, model, version, report))
            request = self.retrain.request(phase, self.examples, model=model, version=version)
            if request is not None:
                seen.requests.append(telling.retrain_request(request, cut))
            if phase.phase == "started" and (due := self.report(phase, cut)) is not None:
                seen.reports.append(due)

    def report(self, phase: IncidentPhase | None = None, cut: Cut | None = None) -> ReportDue | None:
        """The rows of the window as it is now; None without a reference or without rows."""
        if self.reference is None or not len(self.window):
            return None
        copy = SlidingWindow.restore(self.window.config, self.window.snapshot())
        labels = {identity: self.labels[identity] for identity in copy.ids() if identity in self.labels}
        return ReportDue(
            phase=phase,
            number=self.windows_total,
            cut=cut or self.cut(),
            reference=self.reference,
            window=copy,
            labels=labels,
        )

    def _metrics(
        self,
        cut: Cut,
        evidence: WindowEvidence,
        columns: tuple[ColumnEvidence, ...],
        signals: tuple[Signal, ...],
        reference: Reference,
    ) -> WindowMetrics:
        judged = [column.verdict for column in columns if column.verdict != "not_enough_data"]
        sensitivities = self.budget.sensitivities()
        standings = {
            self.columns.subjects[each.column]: telling.standing(each, sensitivities.get(each.column))
            for each in self.budget.standings()
            if each.column in self.columns.subjects
        }
        return WindowMetrics(
            id=cut.id,
            window=self.windows_total,
            cut=cut,
            rows=evidence.rows,
            from_ms=evidence.from_ms,
            to_ms=evidence.to_ms,
            verdict="drift" if signals else ("stable" if judged else "not_enough_data"),
            columns=[telling.column(column, standings.get(column.subject)) for column in columns],
            quality={name: scores["window"] for name, scores in self.scores.report().items()},
            labels=self.delays.report(self.window.ids()),
            alarms=[telling.alarm(alarm) for alarm in evidence.alarms],
            incident=self.incidents.open_incident,
            reference=reference.digest,
            budget=telling.budget(self.budget, self.config.drift.false_alarms),
        )

    def _rebase_if_normal(self, cut: Cut, seen: Seen) -> None:
        """An incident that lasts is the new normal: end it, and take a new reference from here on."""
        self.incident_windows = self.incident_windows + 1 if self.incidents.open_incident else 0
        limit = self.config.drift.rebase_after_windows
        if limit and self.incident_windows >= limit:
            self.rebase(cut, seen)

    def rebase(self, cut: Cut, seen: Seen) -> None:
        """Forget the reference and collect a new one; an open incident ends."""
        self._tell(self.incidents.rebase(cut=cut.id, event_ms=self.window.to_ms), cut, seen)
        self.decider.rebase()
        self.detecting.rebase()
        self.reference, self.incident_windows = None, 0
        self.window = SlidingWindow(self.window.config)

    # -- checkpoint ----------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """State as of now, msgpack-able; detectors and the reference's bytes apart."""
        return {
            "next": self.merge.positions(),
            "high_ms": self.merge.watermarks(),
            "windows_total": self.windows_total,
            "incident_windows": self.incident_windows,
            "rows_due": self.rows_due,
            "reference": self.reference.digest if self.reference else "",
            "collecting": self.collecting.snapshot() if self.collecting else None,
            "window": self.window.snapshot(),
            "hearing": self.hearing.dump(),
            "budget": self.budget.snapshot(),
            "decider": self.decider.snapshot(),
            "incidents": self.incidents.snapshot(),
            "retrain": self.retrain.snapshot(),
            "examples": self.examples.snapshot(),
            "delays": self.delays.snapshot(),
            "detecting": self.detecting.snapshot(),
            "scores": self.scores.snapshot(),
            "labels": list(self.labels.items()),
            "served": self.served,
        }

    def detector_states(self) -> dict[str, DetectorState]:
        """By `subject/detector`."""
        return self.detecting.states()

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.windows_total = saved["windows_total"]
        self.incident_windows, self.rows_due = saved["incident_windows"], saved["rows_due"]
        self.collecting = None
        if saved["collecting"] is not None:
            self.collecting = SlidingWindow.restore(self._collecting_config, saved["collecting"])
        self.window = SlidingWindow.restore(self.window.config, saved["window"])
        self.hearing.restore(saved["hearing"])
        self.budget.restore(saved["budget"])
        self.decider.restore(saved["decider"])
        self.incidents.restore(saved["incidents"])
        self.retrain.restore(saved["retrain"])
        self.examples.restore(saved["examples"])
        self.delays.restore(saved["delays"])
        self.detecting.restore(saved["detecting"])
        self.scores.restore(saved["scores"])
        self.labels = dict(saved["labels"])
        self.served = tuple(saved["served"])


def _baselines(config: Config) -> list[str]:
    return ["no_change", "mean" if config.target.task == "regression" else "prior"]
