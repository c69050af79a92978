"""From what the budget finds to what people are told: incidents, whether they hurt, and requests to retrain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from drift.budget import Alarm, Blame, Finding, Listing, Over
from drift.comparison import ComparisonConfig
from drift.effects import ROWS_MAX, Effect, effects
from drift.evidence import Subject
from drift.example_index import ExampleIndex
from drift.harm import HarmMeter
from drift.incidents import Incidents, IncidentsConfig
from drift.phases import IncidentPhase, IncidentSubject, Moment
from drift.reference import Reference
from drift.retrain import RetrainPolicy
from drift.retrain import RetrainRequest as Request
from drift.window import SlidingWindow
from streams.config import Config
from streams.messages import Cut, Instruction
from streams.stages import telling
from streams.stages.places import Places
from streams.stages.seen import ReportDue, Seen
from streams.stages.watch_settings import Columns, retrain_config

SILENCES_MAX = 1_000
"""Held at a time; those that end last."""


class Scene(Protocol):
    """The row at which something is told, and what is around it."""

    window: SlidingWindow
    """The last rows."""
    served: tuple[str, int]
    """Name and version of the model that made the last prediction."""

    def cut(self) -> Cut:
        """Where the inputs stand at this row."""

    def offsets(self) -> dict[str, int]:
        """The same without a name."""

    def normal(self, rows: int) -> Reference | None:
        """What the last rows are to be measured against."""

    def report(self, phase: IncidentPhase | None = None, cut: Cut | None = None) -> ReportDue | None:
        """The rows of the window as they are now."""


class Alerting:
    """Called row by row; whatever it tells is of that row, so the same logs tell the same."""

    def __init__(self, config: Config, columns: Columns, comparison: ComparisonConfig, scene: Scene) -> None:
        self._config, self._comparison, self._scene = config, comparison, scene
        self._names = {subject: name for name, subject in columns.subjects.items()}
        self.incidents = Incidents(IncidentsConfig(pipeline=config.name))
        self.harm = HarmMeter(indicator=config.target.task != "regression")
        self.retrain = RetrainPolicy(retrain_config(config))
        self.examples = ExampleIndex()
        self.places = Places()
        self.silences: dict[str, int] = {}
        """Subjects nobody is told of, and until when in stream time."""
        self.told: list[str] = []
        """Ids of the alerts and requests since the last window."""
        self.partial_ms: int | None = None
        """Since when the change is that an open incident's report is about, while it shows rows from before it."""
        self.event = 0
        """Events up to this row."""
        self.event_ms = 0
        """Of the last one."""

    def predicted(self, number: int, event_ms: int) -> None:
        """The n-th event."""
        self.event, self.event_ms = number, event_ms
        self.places.event(number, event_ms, self._scene.offsets)

    def labelled(self, place: str, offset: int, event_ms: int, seen: Seen) -> None:
        """An example, at that place of the log."""
        self.examples.observe(place, offset=offset, event_ms=event_ms)
        self.retrain.example(event_ms)
        self._ask_for_retraining(seen)

    def lost(self, number: int, loss: float, event_ms: int, seen: Seen) -> None:
        """The n-th loss, of an example of that time."""
        self.places.example(number, event_ms)
        self.harm.loss(loss, event_ms)
        if not self.incidents.hurts_told and self.harm.harm().verdict == "worse":
            self._tell(self.incidents.hurts, seen)

    def found(self, finding: Finding, seen: Seen) -> None:
        """What the budget has found at this row."""
        if isinstance(finding, Over):
            self.end(finding.reason, seen)
            return
        subjects = self._subjects(finding.blames if isinstance(finding, Listing) else (finding.blame,))
        incidents = self.incidents
        if isinstance(finding, Alarm):
            self.harm.begin(min(subject.since_ms for subject in subjects))
        subjects = [item for item in subjects if not self._silent(item.subject)]
        if isinstance(finding, Alarm):
            self._tell(lambda moment: incidents.alarmed(subjects, moment), seen)
        elif isinstance(finding, Listing):
            self._tell(lambda moment: incidents.listed(subjects, moment), seen)
        else:
            self._tell(lambda moment: incidents.repeated(subjects, moment), seen)

    def shown(self, from_ms: int, seen: Seen) -> None:
        """A window was shown; the first with nothing from before the change is what the report shows from then on."""
        if self.partial_ms is None or from_ms < self.partial_ms:
            return
        self.partial_ms = None
        phase = self.incidents.now(self._moment(cut := self._scene.cut()))
        if phase is not None and (due := self._scene.report(phase, cut)) is not None:
            seen.reports.append(due)

    def asked(self, said: Instruction, seen: Seen) -> None:
        """What a person asks, as of this row. What does not fit, such as an incident that is over, changes nothing."""
        if said.action == "acknowledge":
            self.incidents.acknowledge(said.incident, said.by or "somebody")
        elif said.action == "close":
            self._tell(lambda moment: self.incidents.closed(said.incident, said.by or "somebody", moment), seen)
        elif said.action == "silence":
            self.silences.update(dict.fromkeys(said.subjects[:SILENCES_MAX], said.until_ms))
            self.silences = dict(sorted(self.silences.items(), key=_until)[-SILENCES_MAX:])
        elif said.action == "unsilence":
            for name in said.subjects:
                self.silences.pop(name, None)

    def _silent(self, subject: Subject) -> bool:
        name = f"feature:{subject.name}" if subject.kind == "quality" else str(subject)
        return self.silences.get(name, 0) > self.event_ms

    def end(self, reason: Literal["quiet", "rebased"], seen: Seen) -> None:
        """The open incident, if there is one, is over."""
        self._tell(lambda moment: self.incidents.ended(reason, moment), seen)
        self.harm.end()

    def _subjects(self, blames: Sequence[Blame]) -> list[IncidentSubject]:
        """What has changed, with its size over the rows since."""
        rows = max((self.event - blame.since for blame in blames if blame.clock == "events"), default=0)
        sizes = self._sizes([blame.subject for blame in blames], min(rows, ROWS_MAX, len(self._scene.window)))
        found = []
        for blame in blames:
            first = self.places.event_ms if blame.clock == "events" else self.places.example_ms
            since_ms = first(blame.since + 1)
            losses = self.harm.recent(since_ms) if blame.subject.kind == "loss" else None
            found.append(telling.subject(blame, since_ms, sizes.get(blame.subject), losses))
        return found

    def _sizes(self, subjects: Sequence[Subject], rows: int) -> dict[Subject, Effect]:
        reference = self._scene.normal(rows) if rows else None
        if reference is None:
            return {}
        columns = {name: column[-rows:] for name, column in self._scene.window.columns().items()}
        return effects(reference, columns, subjects, self._names, self._comparison)

    def _moment(self, cut: Cut) -> Moment:
        return Moment(cut=cut.id, event=self.event, event_ms=self.event_ms, harm=self.harm.harm())

    def _tell(self, phases: Callable[[Moment], Iterable[IncidentPhase]], seen: Seen) -> None:
        scene, cut = self._scene, self._scene.cut()
        for phase in phases(self._moment(cut)):
            alert = telling.alert(phase, cut, self.places.offsets(phase.since_ms), scene.served, self._config)
            seen.alerts.append(alert)
            self.told.append(alert.id)
            self.retrain.told(phase, self.examples)
            if phase.phase == "started" and (due := scene.report(phase, cut)) is not None:
                seen.reports.append(due)
                self.partial_ms = phase.since_ms
            if phase.phase == "recovered" and self.retrain.due:
                self._request(self.retrain.request(phase, self.examples, served=scene.served), cut, seen)
        self._ask_for_retraining(seen)

    def _ask_for_retraining(self, seen: Seen) -> None:
        """What is due at this row."""
        scene = self._scene
        if self.retrain.due and (phase := self.incidents.now(self._moment(cut := scene.cut()))) is not None:
            self._request(self.retrain.request(phase, self.examples, served=scene.served), cut, seen)
        if self.retrain.take_schedule():
            cut = scene.cut()
            request = self.retrain.on_schedule(self.examples, cut=cut.id, event_ms=self.event_ms, served=scene.served)
            self._request(request, cut, seen)

    def _request(self, request: Request | None, cut: Cut, seen: Seen) -> None:
        if request is not None:
            seen.requests.append(telling.retrain_request(request, cut))
            self.told.append(request.id)

    def take_told(self) -> list[str]:
        """What was told since the last call."""
        told, self.told = self.told, []
        return told

    def dump(self) -> dict[str, Any]:
        """Msgpack-able."""
        return {
            "incidents": self.incidents.snapshot(),
            "harm": self.harm.snapshot(),
            "retrain": self.retrain.snapshot(),
            "examples": self.examples.snapshot(),
            "places": self.places.snapshot(),
            "silences": self.silences,
            "told": self.told,
            "partial_ms": self.partial_ms,
            "event": self.event,
            "event_ms": self.event_ms,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for name in ("incidents", "harm", "retrain", "examples", "places"):
            getattr(self, name).restore(saved[name])
        self.silences, self.told = dict(saved["silences"]), list(saved["told"])
        self.partial_ms = saved.get("partial_ms")
        self.event, self.event_ms = saved["event"], saved["event_ms"]


def _until(silence: tuple[str, int]) -> tuple[int, str]:
    return silence[1], silence[0]
