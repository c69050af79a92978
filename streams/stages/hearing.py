"""What the monitor hears: predictions and examples, each counted once, with what is watched; and what people ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from learners.features import FeatureGuard
from learners.loss import example_loss
from streams.config import Config
from streams.messages import Example, Instruction, Prediction
from streams.stages.learn import Learnt
from streams.stages.merge import Input, Turn, positions_of
from streams.stages.watch_settings import CONFIDENCE, PREDICTION, column_of
from streams.state.intervals import Intervals

PREDICTIONS, EXAMPLES, CONTROL = 0, 1, 2  # ranks: at the same millisecond the prediction goes first
_PREDICTION: Callable[[bytes], Prediction] = msgspec.json.Decoder(Prediction).decode
_EXAMPLE: Callable[[bytes], Example] = msgspec.json.Decoder(Example).decode
_INSTRUCTION: Callable[[bytes], Instruction] = msgspec.json.Decoder(Instruction).decode


def inputs(config: Config, saved: Mapping[str, Any] | None = None) -> list[Input]:
    """Every partition that is heard, read from where a checkpoint says."""
    next_, high_ms = (saved["next"], saved["high_ms"]) if saved else ({}, {})
    places = [(config.topic("predictions"), p, PREDICTIONS) for p in range(config.topics.partitions)]
    places += [(config.topic("examples"), shard, EXAMPLES) for shard in range(config.topics.shards)]
    places += [(config.topic("control"), 0, CONTROL)]
    return [
        Input(topic, p, rank, positions_of(next_, topic, p, 0), positions_of(high_ms, topic, p, 0))
        for topic, p, rank in places
    ]


class Item(NamedTuple):
    """One row on its way through a step."""

    turn: Turn
    record: Prediction | Example | Instruction | None = None
    """None for one that says nothing new."""
    values: Mapping[str, object] = MappingProxyType({})
    """Of a prediction: its columns."""
    loss: float | None = None
    """Of an example that was predicted, and is no correction."""


class Hearing:
    """Rows in the merged order; a record that is said again after a crash is no record: the first one counts."""

    def __init__(self, config: Config) -> None:
        self.target = config.target.build()
        self._guard = FeatureGuard(config.features)
        self._columns = {name: column_of(name) for name in config.features}
        self._features = config.topic("features")
        self.seen = [Intervals() for _ in range(config.topics.partitions)]
        self.learnt = Learnt()

    def skip(self, known: Mapping[str, int]) -> None:
        """Events and labels below these offsets, by `topic/partition`: what is said of them again is no news."""
        labels: dict[int, tuple[int, list[Any]]] = {}
        for place, above in known.items():
            topic, _, partition = place.rpartition("/")
            if topic == self._features:
                self.seen[int(partition)].add_range(0, above)
            else:
                labels[int(partition)] = (above, [])
        self.learnt = Learnt(labels)

    def hear(self, turn: Turn) -> Item:
        """The row as an item."""
        record = None if turn.row.value is None else self._read(turn.rank, turn.row.value)
        if isinstance(record, Prediction):
            known = self.seen[turn.partition]
            if record.source in known:
                return Item(turn)
            known.add(record.source)
            return Item(turn, record, self._values(record))
        if isinstance(record, Example):
            partition, source = record.label_source
            if not self.learnt.first_time(partition, source, record.closed):
                return Item(turn)
            loss = None if record.kind == "correction" else example_loss(self.target, record.label, record)
            return Item(turn, record, loss=loss)
        return Item(turn, record)

    def _read(self, rank: int, value: bytes) -> Prediction | Example | Instruction | None:
        """None for somebody else's record in a topic of ours: `millrace topics check` is for that."""
        try:
            if rank == PREDICTIONS:
                said = _PREDICTION(value)
                self._guard.check(said.features)
                return said
            if rank == CONTROL:
                return _INSTRUCTION(value)
            example = _EXAMPLE(value)
            self.target.parse(example.label)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return example

    def _values(self, said: Prediction) -> dict[str, object]:
        columns = self._columns
        values: dict[str, object] = {
            column: value for name, value in said.features.items() if (column := columns.get(name)) is not None
        }
        shown = said.prediction
        values[PREDICTION] = shown if shown is None or self.target.kind == "regression" else str(shown)
        if said.probabilities:
            values[CONFIDENCE] = max(said.probabilities.values())
        return values

    def dump(self) -> dict[str, Any]:
        """Msgpack-able."""
        return {"seen": [known.to_list() for known in self.seen], "learnt": self.learnt.dump()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.seen = [Intervals.from_list(ranges) for ranges in saved["seen"]]
        self.learnt = Learnt(saved["learnt"])
