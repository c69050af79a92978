"""A known change in recorded predictions and examples, on their way into a replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from drift.columns import Column, encode, plain
from drift.scorecard.injections import Injection, strength
from streams.config import Config
from streams.cuts import Offsets, places_of
from streams.errors import ConfigError
from streams.foreign import read_as
from streams.topic_logs import Logs, Place, Row

_BATCH_ROWS = 500
_SEED = 1


class ChangedRow(NamedTuple):
    """A record with another value."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class InjectedLogs:
    """The logs, with a change in them from the prediction number `after` on, counted from `start` by record time.

    Features change in `predictions`, labels in `examples`; what the model said stays as it was said.

    Raises:
        ConfigError: the change cannot happen to these records.
    """

    def __init__(
        self, config: Config, logs: Logs, injection: Injection, start: Offsets, stop: Offsets, after: int
    ) -> None:
        self._config, self._logs, self._injection = config, logs, injection
        self.begins, self.ends = logs.begins, logs.ends
        self._predictions, self._examples = config.topic("predictions"), config.topic("examples")
        times: list[int] = []
        stable: list[tuple[int, int, int, Mapping[str, Any]]] = []
        for key, place in places_of(config, "predictions", start):
            for count, row in enumerate(logs.read(place, start[key], stop[key])):
                times.append(row.timestamp)
                if count < after and injection.columns:
                    stable.append((row.timestamp, place[1], row.offset, _features(_document(row))))
        if len(times) <= after:
            raise ConfigError(
                "--inject-after", f"must be less than the predictions there are, {len(times):,}, got {after:,}"
            )
        self._times = np.sort(np.array(times, dtype=np.int64))
        self._after = after
        self.begins_ms = int(self._times[after])
        """Record time of the first row that changes."""
        try:
            injection.check(config.features.items())
            known = sorted(stable, key=lambda each: each[:3])[:after]
            self._effect = injection.prepare(self._columns([each[3] for each in known])) if injection.columns else None
        except ValueError as error:
            raise ConfigError("--inject", str(error)) from error

    def read(self, place: Place, start: int, stop: int) -> Iterator[Row]:
        """See `Logs`."""
        rows = self._logs.read(place, start, stop)
        topic = self._predictions if self._effect is not None else self._examples
        if place[0] != topic:
            return rows
        return self._changed(rows, place[1])

    def _changed(self, rows: Iterator[Row], partition: int) -> Iterator[Row]:
        while batch := list(islice(rows, _BATCH_ROWS)):
            ages = self._times.searchsorted(np.array([row.timestamp for row in batch]), "left") - self._after
            strengths = strength(self._injection.profile, ages.astype(np.int64))
            if not strengths.any():
                yield from batch
                continue
            documents = [_document(row) for row in batch]
            offsets = np.array([row.offset for row in batch], dtype=np.int64)
            draws = self._injection.draws(_SEED, offsets * self._config.topics.partitions + partition)
            if self._effect is None:
                self._swap(documents, self._injection.swaps(strengths, draws))
            else:
                found = self._effect(self._columns([_features(each) for each in documents]), strengths, draws)
                _put(documents, found, strengths)
            for row, changed, much in zip(batch, documents, strengths.tolist(), strict=True):
                yield row if changed is None or not much else _with_value(row, changed)

    def _columns(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
        kinds = self._config.features
        return {
            name: plain(kinds[name], encode(kinds[name], [each.get(name) for each in features]))
            for name in self._injection.columns
        }

    def _swap(self, documents: Sequence[dict[str, Any] | None], which: NDArray[np.bool_]) -> None:
        labels = list(self._config.target.labels)
        for place in np.flatnonzero(which).tolist():
            each = documents[place]
            if each is None or "label" not in each:
                continue
            if not labels:
                each["label"] = -float(each["label"])
            elif each["label"] in labels:
                each["label"] = labels[(labels.index(each["label"]) + 1) % len(labels)]


def _document(row: Row) -> dict[str, Any] | None:
    return read_as(row.value, dict[str, Any])


def _features(document: Mapping[str, Any] | None) -> dict[str, Any]:
    found = document.get("features") if document else None
    return found if isinstance(found, dict) else {}


def _put(
    documents: Sequence[dict[str, Any] | None], columns: Mapping[str, Column], strengths: NDArray[np.float64]
) -> None:
    for name, column in columns.items():
        for document, value, much in zip(documents, column.tolist(), strengths.tolist(), strict=True):
            features = _features(document)
            if not much or document is None:
                continue
            if value is None or value != value:  # noqa: PLR0124 - NaN
                features.pop(name, None)
            else:
                features[name] = int(value) if isinstance(features.get(name), int) and value == int(value) else value


def _with_value(row: Row, document: Mapping[str, Any]) -> ChangedRow:
    return ChangedRow(row.offset, row.timestamp, row.key, msgspec.json.encode(document))
