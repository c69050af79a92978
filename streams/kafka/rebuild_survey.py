"""Looking at the logs and the store for a rebuild: bounds, how far the outputs speak, and the newest checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import msgspec
from kafka import TopicPartition

from streams.config import Config
from streams.errors import StateError
from streams.kafka.admin import Admin
from streams.kafka.durable import Identity
from streams.kafka.ranges import all_of
from streams.kafka.subscribing import Record, connect
from streams.kafka.topics import topic_specs
from streams.messages import Example, Prediction
from streams.rebuild import Known, Logs
from streams.state.claims import newest_on_lineage
from streams.state.store import Store
from streams.status import Place, shard_names, task_names

_TAIL_ROWS = 2_000
"""Of examples, read for the newest label of each partition; more where one is not among them."""

Told = TypeVar("Told", bound=msgspec.Struct)


def groups_alive(config: Config, admin: Admin, roles: Iterable[str]) -> list[str]:
    """Which of the groups `<name>.<role>` have members."""
    names = [f"{config.name}.{role}" for role in roles]
    return [f"{members} in group {name}" for name in names if (members := admin.group_members(name))]


def survey(config: Config, admin: Admin, store: Store) -> tuple[Logs, Identity, dict[str, Known]]:
    """Bounds of the logs, how far the outputs speak, who they are, and the newest checkpoints.

    Raises:
        BrokerError: topics are missing; the message says what makes them.
    """
    wanted = [spec.name for spec in topic_specs(config)]
    begins, ends = admin.begin_offsets(wanted), admin.end_offsets(wanted)
    found = admin.topics(wanted)
    ids = {name: state.topic_id for name, state in found.items() if state.topic_id is not None}
    identity = Identity(cluster_id=admin.cluster_id(), topic_ids=ids)
    logs = Logs(begins=begins, ends=ends, topic_ids=ids, starts=begins)
    logs = replace(logs, predicted=_predicted(config, logs), labelled=_labelled(config, logs))
    logs = replace(logs, starts=_starts(config, logs))
    names = [*task_names(config), *shard_names(config), "monitor"]
    return logs, identity, {name: _known(store, name) for name in names}


def _known(store: Store, name: str) -> Known:
    count = len(store.candidates(name))
    try:
        loaded = newest_on_lineage(store, name) if name == "monitor" else store.newest(name)
        if loaded is None:
            return Known(name=name, checkpoints=count)
        payload = msgspec.msgpack.decode(loaded.payload, strict=False)
        header = loaded.header
        return Known(
            name=name,
            checkpoints=count,
            offsets=header.offsets,
            topic_ids=header.topic_ids,
            settings=payload["settings"],
            state=payload["state"],
        )
    except (StateError, msgspec.DecodeError, KeyError, TypeError) as error:
        return Known(name=name, checkpoints=count, problem=str(error))


def _predicted(config: Config, logs: Logs) -> dict[int, int]:
    topic = config.topic("predictions")
    tails = {at: (max(logs.begins[at], end - 100), end) for at, end in logs.ends.items() if at[0] == topic}
    reached: dict[int, int] = {}
    for record in all_of(config, tails):
        told = decoded(record, Prediction)
        if told is not None:
            reached[record.partition] = max(reached.get(record.partition, 0), told.source + 1)
    return reached


def _labelled(config: Config, logs: Logs) -> dict[int, int]:
    topic, rows = config.topic("examples"), _TAIL_ROWS
    places = [at for at in logs.ends if at[0] == topic]
    while True:
        tails = {at: (max(logs.begins[at], logs.ends[at] - rows), logs.ends[at]) for at in places}
        reached: dict[int, int] = {}
        for record in all_of(config, tails):
            told = decoded(record, Example)
            if told is not None:
                partition, offset = told.label_source
                reached[partition] = max(reached.get(partition, 0), offset + 1)
        whole = all(start == logs.begins[at] for at, (start, _) in tails.items())
        if whole or len(reached) >= config.topics.partitions:
            return reached
        rows *= 8


def _starts(config: Config, logs: Logs) -> dict[Place, int]:
    """Where a first start would have begun: a pipeline told to start later never folds what was before."""
    topics = (config.topic("features"), config.topic("labels"))
    starts = {at: begin for at, begin in logs.begins.items() if at[0] in topics}
    if config.start == "earliest":
        return starts
    consumer = connect(config)

    def at_time(place: Place, ms: int) -> int:
        found = consumer.offsets_for_times({TopicPartition(*place): max(0, ms)})[TopicPartition(*place)]
        return logs.ends[place] if found is None else max(logs.begins[place], int(found.offset))

    try:
        if config.start != "latest":
            ms = int(config.start.timestamp() * 1000)
            return {place: at_time(place, ms) for place in starts}
        for number in range(config.topics.partitions):
            features, labels = ((topic, number) for topic in topics)
            first = _first_prediction(config, logs, number)
            if first is None:
                starts |= {features: logs.ends[features], labels: logs.ends[labels]}
                continue
            starts[features] = max(logs.begins[features], first.source)
            starts[labels] = at_time(labels, first.event_ms - config.labels.early_ms)
    finally:
        consumer.close()
    return starts


def _first_prediction(config: Config, logs: Logs, number: int) -> Prediction | None:
    place = (config.topic("predictions"), number)
    head = {place: (logs.begins[place], min(logs.ends[place], logs.begins[place] + 100))}
    for record in sorted(all_of(config, head), key=lambda record: record.offset):
        if (told := decoded(record, Prediction)) is not None:
            return told
    return None


def decoded(record: Record, kind: type[Told]) -> Told | None:
    """The record as that kind; None if it is another's."""
    try:
        return msgspec.json.decode(record.value or b"", type=kind)
    except msgspec.DecodeError:
        return None
