"""The per-event detectors that somebody named: what they raised since the last window is shown, outside the budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drift.detectors import Detector, DetectorState
from drift.evidence import DetectorAlarm, Subject
from streams.config import Config
from streams.stages import telling
from streams.stages.watch_settings import build_detectors


class Detecting:
    """Feeds each detector its stream; `states` are the detectors' states of a checkpoint, by `subject/detector`."""

    def __init__(self, config: Config, states: Mapping[str, DetectorState] | None = None) -> None:
        self.detectors = build_detectors(config)
        for name, detector in self._named().items():
            if states and (state := states.get(name)) is not None:
                detector.restore(state)
        self._features = [(s, name, d) for (s, name), d in self.detectors.items() if s.kind == "feature"]
        self._losses = [(s, name, d) for (s, name), d in self.detectors.items() if s.kind == "loss"]
        self._alarms: list[DetectorAlarm] = []

    def features(self, values: Mapping[str, Any], event_ms: int) -> None:
        """One prediction's features; a missing one is no news."""
        for subject, name, detector in self._features:
            value = values.get(subject.name)
            if value is not None:
                self._update(subject, name, detector, float(value), event_ms)

    def loss(self, value: float, event_ms: int) -> None:
        """One example's loss."""
        for subject, name, detector in self._losses:
            self._update(subject, name, detector, value, event_ms)

    def _update(self, subject: Subject, name: str, detector: Detector, value: float, event_ms: int) -> None:
        if detector.update(value):
            self._alarms.append(DetectorAlarm(subject=subject, detector=name, row=detector.rows, event_ms=event_ms))

    def take_alarms(self) -> tuple[DetectorAlarm, ...]:
        """What fired since the last call."""
        alarms, self._alarms = tuple(self._alarms), []
        return alarms

    def states(self) -> dict[str, DetectorState]:
        """By `subject/detector`, for the caller to keep in a form of its own."""
        return {name: detector.state() for name, detector in self._named().items()}

    def _named(self) -> dict[str, Detector]:
        return {f"{subject}/{name}": detector for (subject, name), detector in self.detectors.items()}

    def snapshot(self) -> list[dict[str, Any]]:
        """The rest, msgpack-able."""
        return [telling.alarm(alarm) for alarm in self._alarms]

    def restore(self, snapshot: list[dict[str, Any]]) -> None:
        """Go on from `snapshot`."""
        self._alarms = [telling.alarm_from(alarm) for alarm in snapshot]
