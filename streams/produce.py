"""From rows to the records that are sent: an event and a label of each, in the shape the config says.

Both sides of a row carry the same key, so that they land on the same partition and can meet. When they are sent is
`streams.schedule`'s part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from learners.target import Label
from streams.config import Config, EventMapping, LabelMapping
from streams.infer import feature_name
from streams.messages import Event, LabelRecord, encode
from streams.rows import BadRow, Row, RowsError
from streams.values import LabelReader, feature_value, parse_time

Side = Literal["features", "labels", "events"]
ID_CHARS_MAX = 256


class Record(NamedTuple):
    """One record to send; `role` is `features` or `labels`."""

    role: str
    key: bytes
    value: bytes


class Pair(NamedTuple):
    """What one row becomes: either side may be None."""

    event: Record | None
    label: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns are what; None means the name of the field itself, if there is such a column."""

    id: str | None = None
    """Without an `id` column the ids are `<prefix>-<row number>`."""
    time: str | None = None
    key: str | None = None
    """None: the id."""
    label: str | None = None


class RecordWriter:
    """Makes records of rows, by the config's declared kinds and mapping.

    >>> from streams.config import CandidateConfig, ModelsConfig, TargetConfig
    >>> config = Config(
    ...     name="shop",
    ...     features={"amount": "numeric"},
    ...     target=TargetConfig(task="binary", labels=(0, 1), positive=1),
    ...     models=ModelsConfig(candidates={"champion": CandidateConfig(model="logistic_regression")}),
    ... )
    >>> writer = RecordWriter(config, "events", Columns(label="fraud"), id_prefix="day")
    >>> writer.records(Row(2, 1, {"amount": "12.5", "fraud": "0"})).label
    Record(role='labels', key=b'day-1', value=b'{"id":"day-1","label":0,"time":null,"v":1}')
    """

    def __init__(
        self, config: Config, side: Side, columns: Columns, *, id_prefix: str, missing: Collection[str] = ()
    ) -> None:
        self.absent: tuple[str, ...] = ()
        """Features for which the first row has no column."""
        self.numbered = False
        """The ids are row numbers, for want of a column."""
        self._side = side
        self._wanted = columns
        self._prefix = id_prefix
        self._missing = missing
        self._kinds = config.features
        self._bytes_max = config.input.event_bytes_max
        self._labels = LabelReader(config.target.build(), missing)
        self._mapping = config.mapping
        self._columns: Columns | None = None
        self._nested = False
        self._feature_of: dict[str, str | None] = {}

    def records(self, row: Row) -> Pair | BadRow:
        """Event and label of a row; raises RowsError where the file as a whole does not fit the config."""
        if self._columns is None:
            self._columns = self._look_at(row.values)
        try:
            return self._pair(row, self._columns)
        except ValueError as error:
            return BadRow(row.number, row.count, str(error))

    def _pair(self, row: Row, columns: Columns) -> Pair:
        values = row.values
        id_ = self._text(values, columns.id, "id") if columns.id is not None else f"{self._prefix}-{row.count}"
        key = self._text(values, columns.key, "key").encode() if columns.key is not None else id_.encode()
        time = None if columns.time is None else _at(columns.time, parse_time, values.get(columns.time))
        event = label = None
        if self._side != "labels":
            event = self._sized(Record("features", key, self._event(id_, time, values)))
        if columns.label is not None:
            value = _at(columns.label, self._labels.read, values.get(columns.label))
            if value is not None:
                label = self._sized(Record("labels", key, self._label(id_, time, value)))
        return Pair(event, label)

    def _look_at(self, values: dict[str, object]) -> Columns:
        """Settle the columns by the first row."""
        wanted = self._wanted
        for option in ("id", "time", "key", "label"):
            name = getattr(wanted, option)
            if name is not None and name not in values:
                raise RowsError(f"--{option} must be one of the columns {', '.join(values)}; got {name!r}")
        id_ = wanted.id or ("id" if "id" in values else None)
        self.numbered = id_ is None
        time = wanted.time or ("time" if "time" not in self._kinds and _is_time(values.get("time")) else None)
        label = None if self._side == "features" else wanted.label or ("label" if "label" in values else None)
        if self._side != "features" and label is None:
            others = [name for name in values if self._feature(name) is None and name not in {id_, time}]
            raise RowsError(f"--label must name the column of the labels, perhaps {' or '.join(others or values)}")
        if self._side != "labels":
            self._nested = isinstance(values.get("features"), dict) and "features" not in self._kinds
            found = {self._feature(name) for name in self._features(values)}
            self.absent = tuple(name for name in self._kinds if name not in found)
            if len(self.absent) == len(self._kinds):
                have = ", ".join(values)
                raise RowsError(f"the columns must include some of the features {', '.join(self._kinds)}; got {have}")
        return Columns(id=id_, time=time, key=wanted.key, label=label)

    def _features(self, values: dict[str, object]) -> dict[str, object]:
        if not self._nested:
            return values
        inner = values.get("features")
        if not isinstance(inner, dict):
            raise ValueError("features must be an object")  # noqa: TRY004 - one error for every unfit row
        return inner

    def _feature(self, column: str) -> str | None:
        """The feature that a column holds, by its name or by the name `millrace init` gave it."""
        if column not in self._feature_of:
            named = column if column in self._kinds else feature_name(column)
            self._feature_of[column] = named if named in self._kinds else None
        return self._feature_of[column]

    def _event(self, id_: str, time: datetime | None, values: dict[str, object]) -> bytes:
        features: dict[str, float | int | str | bool | None] = {}
        for column, raw in self._features(values).items():
            name = self._feature(column)
            if name is None:
                continue
            try:
                value = feature_value(raw, self._kinds[name], self._missing)
            except ValueError as error:
                raise ValueError(f"{column} {error}") from None
            if value is not None:
                features[name] = value
        if self._mapping.features == EventMapping():
            return encode(Event(id=id_, features=features, time=time))
        return encode(_foreign_event(self._mapping.features, id_, time, features))

    def _label(self, id_: str, time: datetime | None, label: Label) -> bytes:
        mapping = self._mapping.labels
        if mapping == LabelMapping():
            return encode(LabelRecord(id=id_, label=label, time=time))
        document: dict[str, Any] = {}
        _put(document, mapping.id, id_)
        _put(document, mapping.label, label)
        if time is not None:
            _put(document, mapping.time, time)
        return encode(document)

    def _text(self, values: dict[str, object], column: str, what: str) -> str:
        raw = values.get(column)
        text = str(raw).strip() if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else ""
        if not 0 < len(text) <= ID_CHARS_MAX:
            raise ValueError(f"{column} must be the {what}, 1 to {ID_CHARS_MAX} characters, got {len(text) or 'none'}")
        return text

    def _sized(self, record: Record) -> Record:
        if len(record.value) > self._bytes_max:
            raise ValueError(
                f"must be at most {self._bytes_max:,} bytes (input.event_bytes_max), got {len(record.value):,}"
            )
        return record


def _at(column: str, read: Callable[[object], Any], raw: object) -> Any:  # noqa: ANN401 - what `read` gives
    try:
        return read(raw)
    except ValueError as error:
        raise ValueError(f"{column} {error}") from None


def _is_time(raw: object) -> bool:
    try:
        return parse_time(raw) is not None
    except ValueError:
        return False


def _foreign_event(mapping: EventMapping, id_: str, time: datetime | None, features: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if isinstance(mapping.features, str):
        inside = _put(document, mapping.features, {}) if mapping.features != "$" else document
        inside.update(features)
    else:
        for name, value in features.items():
            if name in mapping.features:
                _put(document, mapping.features[name], value)
    _put(document, mapping.id, id_)
    if time is not None:
        _put(document, mapping.time, time)
    return document


def _put(document: dict[str, Any], path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    *tables, last = path.split(".")
    for table in tables:
        document = document.setdefault(table, {})
        if not isinstance(document, dict):
            raise ValueError(f"[mapping] must leave room for {path}: a part of it is a value already")  # noqa: TRY004
    document[last] = value
    return value
