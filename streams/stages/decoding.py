"""From a record's bytes to a checked event or label, or a `MessageError` that tells the place and never the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from learners.features import FeatureGuard
from learners.target import MAGNITUDE_MAX
from streams.config import Config, EventMapping, LabelMapping
from streams.errors import MessageError
from streams.messages import Event, Id, Label, LabelRecord, Time

T = TypeVar("T")

_NO_KEY = "the record's key must be set, the same for an event and its label, got none"
_new = tuple.__new__  # half the price of a named tuple's own: this runs for every record


class CheckedEvent(NamedTuple):
    """An event whose features are exactly what will be scored."""

    id: str
    time: datetime | None
    features: dict[str, float | int | str]
    missing: int
    unknown: int


class CheckedLabel(NamedTuple):
    """A label that the target knows."""

    id: str
    time: datetime | None
    label: Label


class _Clean(msgspec.Struct, gc=False):
    """An event of numbers alone, all within bounds: what the guard would do, done by the decoder."""

    id: Id
    features: dict[str, Annotated[float, Meta(ge=-MAGNITUDE_MAX, le=MAGNITUDE_MAX)]]
    time: Time | None = None


def _read(decode: Callable[[bytes], T], value: bytes | None, bytes_max: int) -> T:
    if value is None:
        raise MessageError("$ must be a JSON object, got a tombstone")
    if len(value) > bytes_max:
        raise MessageError(f"$ must be at most {bytes_max} bytes (input.event_bytes_max), got {len(value)}")
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        raise MessageError(_without_values(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"$ must be JSON in UTF-8: {error}") from None


def _without_values(text: str) -> str:
    """Msgspec's words in our form; those that quote the payload are cut.

    >>> _without_values("Expected `str`, got `int` - at `$.id`")
    '$.id: expected str, got int'
    >>> _without_values("Object missing required field `id`")
    '$: object missing required field id'
    """
    problem, _, path = text.partition(" - at `")
    problem = re.sub(r"Invalid (\w+) value .*", r"invalid \1 value", problem)
    return f"{path.rstrip('`') or '$'}: {problem[:1].lower()}{problem[1:].replace('`', '')}"


class Decoding:
    """Reads the pipeline's two input topics; one instance for all partitions.

    Raises `MessageError` from `event` and `label` for anything that is not one.
    """

    def __init__(self, config: Config) -> None:
        self.bytes_max = config.input.event_bytes_max
        self.key_required = config.topics.partitions > 1
        self.guard = FeatureGuard(config.features, unknown=config.input.unknown_features)
        self.target = config.target.build()
        self._labels = frozenset((type(label), label) for label in self.target.labels)
        self._event: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
        self._label: Callable[[bytes], LabelRecord] = msgspec.json.Decoder(LabelRecord).decode
        numeric = all(kind == "numeric" for kind in config.features.values())
        self._names = frozenset(config.features) if numeric else frozenset()
        self._clean: Callable[[bytes], _Clean] = msgspec.json.Decoder(_Clean).decode
        if config.mapping.features != EventMapping():
            self._event, self._names = foreign_event(config.mapping.features), frozenset()
        if config.mapping.labels != LabelMapping():
            self._label = foreign_label(config.mapping.labels)

    def event(self, key: bytes | None, value: bytes | None) -> CheckedEvent:
        """One record of `features`."""
        if value is not None and self._names and len(value) <= self.bytes_max and (key or not self.key_required):
            try:
                clean = self._clean(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # a null, a feature of another kind, or no event at all: told apart below
            else:
                if clean.features.keys() == self._names:
                    return _new(CheckedEvent, (clean.id, clean.time, clean.features, 0, 0))
        event = _read(self._event, value, self.bytes_max)
        if key is None and self.key_required:
            raise MessageError(_NO_KEY)
        try:
            values, missing, unknown = self.guard.check(event.features)
        except ValueError as error:
            raise MessageError(str(error)) from None
        return _new(CheckedEvent, (event.id, event.time, values, missing, unknown))

    def label(self, key: bytes | None, value: bytes | None) -> CheckedLabel:
        """One record of `labels`."""
        record = _read(self._label, value, self.bytes_max)
        if key is None and self.key_required:
            raise MessageError(_NO_KEY)
        label = record.label
        if (type(label), label) not in self._labels:
            try:
                label = self.target.parse(label)
            except ValueError as error:
                raise MessageError(str(error)) from None
        return _new(CheckedLabel, (record.id, record.time, label))


def _lookup(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    if path == "$":
        return document
    for part in path.split("."):
        if not isinstance(document, dict) or part not in document:
            return None
        document = document[part]
    return document


def _identity(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Foreign ids are often whole numbers: their decimal form is the id."""
    value = _lookup(document, path)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def foreign_event(mapping: EventMapping) -> Callable[[bytes], Event]:
    """A decoder for events that were not written for millrace; dotted paths as in `[mapping.features]`.

    >>> decode = foreign_event(EventMapping(id="order.id", time="order.at", features={"amount": "order.total"}))
    >>> decode(b'{"order": {"id": 7, "total": 9.5}}').features
    {'amount': 9.5}
    """

    def decode(value: bytes) -> Event:
        document = msgspec.json.decode(value)
        features = (
            _lookup(document, mapping.features)
            if isinstance(mapping.features, str)
            else {name: _lookup(document, path) for name, path in mapping.features.items()}
        )
        found = {"id": _identity(document, mapping.id), "time": _lookup(document, mapping.time), "features": features}
        return msgspec.convert(found, Event)

    return decode


def foreign_label(mapping: LabelMapping) -> Callable[[bytes], LabelRecord]:
    """A decoder for labels that were not written for millrace."""

    def decode(value: bytes) -> LabelRecord:
        document = msgspec.json.decode(value)
        found = {
            "id": _identity(document, mapping.id),
            "time": _lookup(document, mapping.time),
            "label": _lookup(document, mapping.label),
        }
        return msgspec.convert(found, LabelRecord)

    return decode
