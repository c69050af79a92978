"""The seam in Faust: whole fetches instead of records, exact positions, our own seeks, read-committed, idempotent.

Faust keeps what it is good at: group membership, assignment, agents, signals, a producer. What it does not offer is
overridden here and nowhere else, against faust-streaming 0.15.3 and aiokafka 0.14.0, which are pinned for that reason:

- `AIOKafkaConsumerThread._create_worker_consumer`: isolation level and fetch wait have no setting.
- `AIOKafkaConsumerThread._fetch_records`: runs beside aiokafka's own positions, so a chunk knows where it starts and
  stops, control records included, and the last stable offset of its partition is known. It asks for a copy of the
  active partitions: the set itself is emptied and filled by the other thread, and to aiokafka an empty one means all.
- `AIOKafkaConsumerThread._seek_wait`: every seek passes here.
- `Consumer.perform_seek`, `Consumer.resume_partitions`: positions are ours; a partition that restores stays paused.
- `Consumer._wait_next_records`: stock Faust sleeps a full second when every partition is paused.
- `Producer._settings_extra`: idempotence has no setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import aiokafka
import faust
from aiokafka.errors import NoOffsetForPartitionError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

FETCH_WAIT_MS = 250
"""How long the broker may hold an empty fetch."""
PACE_S = 0.005
"""A record fetched alone costs about 1 ms of CPU: at a trickle, collect this long before the next fetch."""
PACE_ROWS = 100
IDLE_S = 0.005


class Stage(Protocol):
    """What the consumer asks of the process that owns the stages."""

    def positions(self, assignment: Iterable[TP]) -> dict[TP, int]:
        """Where to read on, for the partitions that are ready; rows buffered before are forgotten."""
        ...

    def is_ready(self, partition: TP) -> bool:
        """Whether its state is loaded."""
        ...

    def kick(self) -> None:
        """New rows or new end offsets have come."""
        ...


class Chunk:
    """What one fetch brought for one partition: offsets [start, stop) and the rows among them."""

    __slots__ = ("partition", "rows", "start", "stop", "topic")

    def __init__(self, partition: TP, start: int, stop: int, rows: Sequence[Any]) -> None:
        self.topic, self.partition = partition.topic, partition.partition
        self.start, self.stop, self.rows = start, stop, rows


class Fetched:
    """Chunks of one topic's partitions that came together: on a trickle Faust's way of a message costs more than they.

    Stands where Faust expects a record, of the first one's partition, with the attributes that it reads.
    """

    __slots__ = ("chunks", "offset", "partition", "topic")
    key = checksum = None
    timestamp = timestamp_type = serialized_key_size = serialized_value_size = 0
    headers = ()

    def __init__(self, first: Chunk) -> None:
        self.topic, self.partition, self.chunks = first.topic, first.partition, [first]
        self.offset = first.stop - 1
        """For Faust: the last offset inside."""

    @property
    def value(self) -> Fetched:
        """For Faust: it is its own payload."""
        return self


class FetchedSchema(faust.Schema[Any, Any]):
    """Hands them through undecoded: nothing may fail before our own decoding."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:  # noqa: ARG002, D102
        return None

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002, D102
        return message.value


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reached: dict[TP, int] = {}
        self.gaps: dict[TP, int] = {}
        """Where rows were missing when they were fetched first."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - see the module's docstring
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    async def _seek_wait(self, consumer: Any, partitions: Mapping[Any, int]) -> None:
        self.reached.update({TP(*partition): offset for partition, offset in partitions.items()})
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,  # noqa: ARG002 - Faust's
    ) -> dict[TP, list[Fetched]]:
        active = set(active_partitions)  # Faust's loop changes that set while this thread waits for rows
        if not active:
            return {}
        try:
            records = await super()._fetch_records(
                consumer, active, timeout
            )  # all there is: a fetch is bounded in bytes
        except NoOffsetForPartitionError:  # assigned anew, nothing committed yet, and our seek is on its way
            records = {}
        assignment = consumer._subscription.subscription.assignment  # noqa: SLF001
        if assignment is None:
            return {}
        owner: Any = self.consumer
        found: dict[str, Fetched] = {}
        for place in active:
            try:
                state = assignment.state_value(aiokafka.TopicPartition(*place))
            except KeyError:
                continue
            if state is None:
                continue
            partition = TP(*place)
            if (end := state.lso if state.lso is not None and state.lso >= 0 else state.highwater) is not None:
                owner.ends[partition] = end
            if (chunk := self._chunk(consumer, partition, state, records.get(place) or [])) is not None:
                if chunk.topic in found:
                    found[chunk.topic].chunks.append(chunk)
                else:
                    found[chunk.topic] = Fetched(chunk)
        return {TP(each.topic, each.partition): [each] for each in found.values()}

    def _chunk(self, consumer: Any, partition: TP, state: Any, rows: Sequence[Any]) -> Chunk | None:
        """What these rows and the fetch position `state` say has come; None for nothing."""
        start = self.reached.get(partition)
        if start is None or not state.has_valid_position:
            return None
        if self._lacks_rows(partition, start, rows[0].offset if rows else state.position):
            consumer.seek(aiokafka.TopicPartition(*partition), start)
            return None
        if not rows and state.position == start:
            return None
        self.reached[partition] = state.position
        return Chunk(partition, start, state.position, rows)

    def _lacks_rows(self, partition: TP, start: int, first: int) -> bool:
        """Whether rows from `start` on are missing before `first`, for the first time: then they are fetched again.

        Markers of transactions and compaction leave such gaps, and they stay. But a position that was moved on by
        anybody else leaves the same gap, and rows that nobody was given: no label may hang on who reads along.
        """
        known = self.gaps.pop(partition, None)
        if first <= start or known == start:
            return False
        self.gaps[partition] = start
        return True


class Consumer(driver.Consumer):
    """Asks the app's stage where to read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ends: dict[TP, int] = {}
        self.sparse = False
        super().__init__(*args, **kwargs)
        app: Any = self.app
        self.stage: Stage = app.stage

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Also called in mid-flight: always to the positions of the state we hold."""
        await self.seek_wait(self.stage.positions(self.assignment()))

    def resume_partitions(self, partitions: Iterable[TP]) -> None:
        """Faust resumes before it seeks; what still restores must wait."""
        super().resume_partitions({partition for partition in partitions if self.stage.is_ready(partition)})

    async def _wait_next_records(self, timeout: float) -> Any:
        if self.flow_active and not self._get_active_partitions():
            await asyncio.sleep(IDLE_S)
            return {}, self._get_active_partitions()
        if self.sparse:
            await asyncio.sleep(PACE_S)
        records, _ = await super()._wait_next_records(timeout)
        chunks = [chunk for fetched in (records or {}).values() for chunk in fetched[0].chunks]
        self.sparse = sum(len(chunk.rows) for chunk in chunks) < PACE_ROWS
        self.stage.kick()
        return records, None  # whatever was fetched is handed over: its partition may be paused by now

    def verify_event_path(self, now: float, partition: TP) -> None:
        """Faust's stall warnings watch its own offsets, which are not ours."""


class Producer(driver.Producer):
    """Idempotent, acknowledged by all in-sync replicas."""

    def _settings_extra(self) -> dict[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer and producer."""

    Consumer = Consumer
    Producer = Producer


class App(faust.App):
    """A Faust app whose consumer reads where `stage` says."""

    stage: Stage
    sizes: dict[str, int]
    """Partitions of the topics that are read."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)
