"""What an event and a label must be, read from the configuration: the guard's rules a second time, by other code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from streams.config import Config, EventMapping, LabelMapping
from streams.messages import Event, Label, LabelRecord
from streams.topic_logs import Row

_LARGEST = 1e100
_CATEGORY_CHARS = 256
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)


class ReadEvent(NamedTuple):
    """An event, as far as it can be read."""

    identity: str
    features: dict[str, float | int | str]
    problem: str
    """Why it must be a dead letter; empty if it must not."""
    arguable: bool
    """Whether that rests on a setting that may have been another when the record came."""


class ReadLabel(NamedTuple):
    """A label, likewise."""

    identity: str
    label: Label
    problem: str
    arguable: bool


class Inputs:
    """Reads the two inputs of one pipeline."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._kinds = {name: _CASTS[kind] for name, kind in config.features.items()}
        self._key_needed = config.topics.partitions > 1
        self._labels = config.target.labels
        self._regression = config.target.task == "regression"
        event, label = config.mapping.features, config.mapping.labels
        self._event: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
        self._label: Callable[[bytes], LabelRecord] = msgspec.json.Decoder(LabelRecord).decode
        if event != EventMapping():
            self._event = lambda value: _mapped_event(value, event)
        if label != LabelMapping():
            self._label = lambda value: _mapped_label(value, label)

    def event(self, row: Row) -> ReadEvent:
        """One record of `features`."""
        if row.value is None:
            return ReadEvent("", {}, "a tombstone", arguable=False)
        try:
            event = self._event(row.value)
            features = self._features(event.features)
        except _UNREADABLE:
            return ReadEvent("", {}, "no event", arguable=False)
        problem, arguable = self._accepted(row)
        if self._config.input.unknown_features == "refuse" and not event.features.keys() <= self._kinds.keys():
            problem, arguable = problem or "features that nobody configured", True
        return ReadEvent(event.id, features, problem, arguable)

    def label(self, row: Row) -> ReadLabel:
        """One record of `labels`."""
        if row.value is None:
            return ReadLabel("", "", "a tombstone", arguable=False)
        try:
            record = self._label(row.value)
            label = self.meaning(record.label)
        except _UNREADABLE:
            return ReadLabel("", "", "no label", arguable=False)
        return ReadLabel(record.id, label, *self._accepted(row))

    def meaning(self, label: Label) -> Label:
        """The configured label, or the number; ValueError if it is none of them."""
        if self._regression:
            return _number(label)
        for known in self._labels:
            if known == label and isinstance(known, bool) is isinstance(label, bool):
                return known
        raise ValueError("not a label")

    def _accepted(self, row: Row) -> tuple[str, bool]:
        """A problem with the record around its value, and whether it is arguable."""
        if row.key is None and self._key_needed:
            return "no key", False
        if row.value is not None and len(row.value) > self._config.input.event_bytes_max:
            return "too large", True
        return "", False

    def _features(self, given: Mapping[str, Any]) -> dict[str, float | int | str]:
        kinds = self._kinds
        return {name: kinds[name](value) for name, value in given.items() if value is not None and name in kinds}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError("not a number")
    return float(value)


def _whole(value: object) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError("not a whole number")
    return value if isinstance(value, int) else int(number)


def _category(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        _number(value)
        return str(value)
    if not isinstance(value, str) or len(value) > _CATEGORY_CHARS:
        raise ValueError("not a category")
    return value


_CASTS: dict[str, Callable[[object], float | int | str]] = {
    "numeric": _number,
    "integer": _whole,
    "categorical": _category,
}


def _at(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """What stands at a dotted path, None if nothing does; `$` is the whole."""
    for part in [] if path == "$" else path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _named(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    found = _at(document, path)
    return found if isinstance(found, bool) or not isinstance(found, int) else str(found)


def _mapped_event(value: bytes, mapping: EventMapping) -> Event:
    document = msgspec.json.decode(value)
    where = mapping.features
    features = _at(document, where) if isinstance(where, str) else {name: _at(document, p) for name, p in where.items()}
    parts = {"id": _named(document, mapping.id), "time": _at(document, mapping.time), "features": features}
    return msgspec.convert(parts, Event)


def _mapped_label(value: bytes, mapping: LabelMapping) -> LabelRecord:
    document = msgspec.json.decode(value)
    parts = {
        "id": _named(document, mapping.id),
        "time": _at(document, mapping.time),
        "label": _at(document, mapping.label),
    }
    return msgspec.convert(parts, LabelRecord)
