"""What `millrace verify` looks at: checkpoints first, then the ends of the logs, then the logs as streams.

Nothing is written, neither on the broker nor in the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
from aiokafka.errors import KafkaError

from streams.config import Config, pinned
from streams.errors import BrokerError, StateError
from streams.kafka.admin import Admin
from streams.kafka.security import client_settings
from streams.kafka.topics import TopicState, topic_specs
from streams.state.claims import newest_on_lineage
from streams.state.from_config import open_store
from streams.state.store import Loaded, Store
from streams.topic_logs import Place, Row
from streams.verify.evidence import Checkpoint, Evidence

_ROLES = ("features", "labels", "predictions", "examples", "metrics", "alerts", "retrain", "dead-letters")
_STALLED_S = 30.0
"""Without a record that the broker says it has."""
_ATTEMPTS = 3
_UNLIMITED = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""Settings of a topic from which nothing goes by itself."""

# Without a handler of its own aiokafka writes each failed attempt to the terminal, beside our one message.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


class KafkaLogs:
    """The pipeline's topics on the broker, read-committed and without a group.

    `note` is told the number of records read so far, some times a second. Not for use from two threads.
    """

    def __init__(
        self, config: Config, begins: Mapping[Place, int], ends: Mapping[Place, int], note: Callable[[int], None]
    ) -> None:
        self.begins, self.ends = begins, ends
        self.records = self.bytes = 0
        self._connection, self._note = client_settings(config), note
        self._runner = asyncio.Runner()

    def read(self, place: Place, start: int, stop: int) -> Iterator[Row]:
        """See `Logs`; raises BrokerError when Kafka does not answer any more."""
        if start >= stop:
            return
        consumer = self._runner.run(self._opened(place, start))
        try:
            position = start
            while position < stop:
                rows, position = self._runner.run(self._fetched(consumer, place))
                self.records += len(rows)
                self.bytes += sum(len(row.value or b"") for row in rows)
                self._note(self.records)
                for row in rows:
                    if row.offset >= stop:
                        return
                    yield row
        except KafkaError as error:
            raise BrokerError(f"could not read {place[0]}: {error}") from error
        finally:
            self._runner.run(consumer.stop())

    async def _opened(self, place: Place, start: int) -> Any:
        consumer = aiokafka.AIOKafkaConsumer(
            **self._connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=8 << 20,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            raise BrokerError(f"could not start a consumer: {error}") from error
        partition = aiokafka.TopicPartition(*place)
        consumer.assign([partition])
        consumer.seek(partition, start)
        return consumer

    async def _fetched(self, consumer: Any, place: Place) -> tuple[list[Any], int]:
        """Some rows and the position behind them; both may have moved over offsets that hold no row."""
        partition, began = aiokafka.TopicPartition(*place), time.monotonic()
        before = await consumer.position(partition)
        while True:
            rows = (await consumer.getmany(partition, timeout_ms=200)).get(partition, [])
            position = await consumer.position(partition)
            if rows or position > before:
                return rows, position
            if time.monotonic() - began > _STALLED_S:
                raise BrokerError(f"could not read {place[0]} to its end: Kafka does not answer any more")

    def close(self) -> None:
        """Let go of the loop."""
        self._runner.close()


@contextmanager
def gathered(config: Config, note: Callable[[int, int], None]) -> Iterator[Evidence]:
    """The evidence on a pipeline, running or not; `note` is told records read and to be read.

    Raises:
        BrokerError: no broker, no topics, or retention removed records while they were read.
        StateError: checkpoints are not there, cannot be read, or are of other logs or settings.
    """
    with Admin(config) as admin:
        begins, ends, parts = _looked(config, admin)
        total = sum(end - begins[place] for place, end in ends.items())
        logs = KafkaLogs(config, begins, ends, lambda done: note(done, total))
        try:
            yield Evidence(config=config, logs=logs, **parts)
        finally:
            logs.close()
        now = admin.begin_offsets({topic for topic, _ in begins})
        if moved := [f"{topic}/{number}" for (topic, number), begin in now.items() if begin > begins[topic, number]]:
            raise BrokerError(
                f"could not verify: retention removed records of {', '.join(moved[:4])} meanwhile; again?"
            )


def _looked(config: Config, admin: Admin) -> tuple[dict[Place, int], dict[Place, int], dict[str, Any]]:
    """Begins and ends of the logs, and the other parts of the evidence, in the order that judging needs."""
    store, topics = _store(config), [config.topic(role) for role in _ROLES]
    described = admin.topics(topics)
    cluster = admin.cluster_id()
    for attempt in range(_ATTEMPTS):
        tasks = _newest(store, "task", config.topics.partitions)
        shards = _newest(store, "shard", config.topics.shards)
        monitor = newest_on_lineage(store, "monitor")
        begins = admin.begin_offsets(topics)
        told = [config.topic(role) for role in ("alerts", "retrain")]
        ends = admin.end_offsets(told)
        after = newest_on_lineage(store, "monitor")
        ends |= admin.end_offsets([topic for topic in topics if topic not in told])
        missing = len(tasks) < config.topics.partitions or len(shards) < config.topics.shards or monitor is None
        if not missing or attempt == _ATTEMPTS - 1 or not _appeared(store, config, tasks, shards, monitor):
            break
    found = [*tasks.values(), *shards.values(), *([monitor, after] if monitor and after else [])]
    if not found:
        raise StateError(
            f"there must be a checkpoint to verify, got none in {config.state.store}: `millrace worker` writes them"
        )
    for loaded in found:
        _fits(config, loaded, cluster, described, ends)
    return (
        begins,
        ends,
        {
            "tasks": {number: _checkpoint(loaded) for number, loaded in tasks.items()},
            "shards": {number: _checkpoint(loaded) for number, loaded in shards.items()},
            "monitor": _checkpoint(monitor) if monitor else None,
            "monitor_after": _checkpoint(after) if monitor and after else None,
            "starts": _starts(config, begins, ends),
            "compacted": frozenset(
                n for n, t in described.items() if "compact" in (t.configs.get("cleanup.policy") or "")
            ),
            "unlimited": _unlimited(config, described),
        },
    )


def _store(config: Config) -> Store:
    if "://" not in config.state.store and not (config.path(Path(config.state.store)) / "checkpoints").is_dir():
        raise StateError(
            f"there must be a checkpoint to verify, got none in {config.state.store}: `millrace worker` writes them"
        )
    return open_store(config, create=False)


def _newest(store: Store, kind: str, count: int) -> dict[int, Loaded]:
    found = {number: store.newest(f"{kind}-{number}") for number in range(count)}
    return {number: loaded for number, loaded in found.items() if loaded is not None}


def _appeared(
    store: Store, config: Config, tasks: Mapping[int, Loaded], shards: Mapping[int, Loaded], monitor: Loaded | None
) -> bool:
    """Whether a first checkpoint was written since: what it wrote may be in the logs whose ends are known by now."""
    return (
        len(_newest(store, "task", config.topics.partitions)) > len(tasks)
        or len(_newest(store, "shard", config.topics.shards)) > len(shards)
        or (monitor is None and newest_on_lineage(store, "monitor") is not None)
    )


def _checkpoint(loaded: Loaded) -> Checkpoint:
    try:
        payload = msgspec.msgpack.decode(loaded.payload, strict=False)
        return Checkpoint(
            name=loaded.header.name,
            offsets=loaded.header.offsets,
            state=payload["state"],
            outbox=payload.get("outbox", b""),
            generation=loaded.header.generation,
            sequence=loaded.header.sequence,
        )
    except (msgspec.DecodeError, KeyError, AttributeError) as error:
        raise StateError(f"could not read checkpoint {loaded.header.name}: {error!r}") from error


def _fits(
    config: Config,
    loaded: Loaded,
    cluster: str,
    described: Mapping[str, TopicState],
    ends: Mapping[Place, int],
) -> None:
    """Raises StateError for a checkpoint over other logs or settings: it would be judged by the wrong rules."""
    header, name = loaded.header, loaded.header.name
    if header.cluster_id != cluster:
        raise StateError(f"checkpoint {name} must come from this Kafka cluster, got one of another cluster")
    for topic, known in header.topic_ids.items():
        now = described[topic].topic_id if topic in described else None
        if now is not None and now != known:
            raise StateError(f"checkpoint {name} must fit topic {topic}, got one that was deleted and made anew since")
    for place, offset in header.offsets.items():
        topic, _, number = place.rpartition("/")
        if offset > ends.get((topic, int(number)), offset):
            raise StateError(
                f"{place} must reach offset {offset}, as {name} has read, got a log that ends at "
                f"{ends[topic, int(number)]}"
            )
    settings = msgspec.msgpack.decode(loaded.payload, strict=False).get("settings", {})
    now_set = pinned(config)
    changed = [
        f"{path} ({settings[path]!r} → {now_set.get(path)!r})" for path in settings if _differs(settings, now_set, path)
    ]
    if changed:
        raise StateError(f"checkpoint {name} must be of these settings, got others now: {', '.join(sorted(changed))}")


def _differs(saved: Mapping[str, Any], now: Mapping[str, Any], path: str) -> bool:
    return bool(saved[path] != now.get(path))


def _starts(config: Config, begins: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    """With `start = <time>`: where in each input that is."""
    if isinstance(config.start, str):
        return {}
    ms = int(config.start.timestamp() * 1000)
    places = [place for place in begins if place[0] in {config.topic("features"), config.topic("labels")}]
    found: dict[Place, int] = {}

    async def ask() -> None:
        consumer = aiokafka.AIOKafkaConsumer(**client_settings(config))
        await consumer.start()
        try:
            asked = {aiokafka.TopicPartition(*place): ms for place in places}
            for partition, known in (await consumer.offsets_for_times(asked)).items():
                place = (partition.topic, partition.partition)
                found[place] = ends[place] if known is None else max(begins[place], int(known.offset))
        finally:
            await consumer.stop()

    try:
        asyncio.run(ask())
    except (KafkaError, OSError) as error:
        raise BrokerError(f"could not ask where {config.start} is: {error}") from error
    return found


def _unlimited(config: Config, described: Mapping[str, TopicState]) -> frozenset[str]:
    """Topics of ours that are told to keep everything."""
    names: Iterable[str] = (spec.name for spec in topic_specs(config) if spec.owned and spec.name in described)
    return frozenset(
        name for name in names if all(described[name].configs.get(key) == value for key, value in _UNLIMITED.items())
    )
