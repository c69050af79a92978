"""Fetching in the loop that all stages run in, whole chunks at a time: the larger part of the seam in Faust.

- `AIOKafkaConsumerThread.start`, `stop`, `call_thread`: there is no thread, see `Fetching`.
- `_create_worker_consumer`: isolation level and fetch wait have no setting.
- `_fetch_records`: runs beside aiokafka's own positions, so a chunk knows where it starts and stops, control records
  included, and the last stable offset of its partition is known. It asks for a copy of the active partitions: the set
  itself is emptied and filled meanwhile, and to aiokafka an empty one means all.
- `_seek_wait`: every seek passes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiokafka
from aiokafka.errors import NoOffsetForPartitionError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.futures import maybe_async

FETCH_WAIT_MS = 250
"""How long the broker may hold an empty fetch."""


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


class Fetching(driver.AIOKafkaConsumerThread):
    """What Faust runs in a thread with a loop of its own, as a task of the loop that all stages run in.

    Each fetch went from thread to thread and back twice, which cost a tenth of a busy worker's CPU, and two threads
    that change one set of partitions lost rows. Heartbeats are sent by this loop, too: a process whose loop hangs for
    longer than the session timeout loses its partitions to one that works.
    """

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, thread_loop=kwargs["loop"], **kwargs)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Until it has joined its group; raises what kept it from that."""
        loop = asyncio.get_running_loop()
        self._thread_started.set()
        running = self._thread_running = loop.create_future()
        self._serving = loop.create_task(self._serve(), name="fetching")
        self._serving.add_done_callback(_seen)  # what ends it crashes the app, which says so
        try:
            await running
        finally:
            self._thread_running = None

    async def stop(self) -> None:
        """Until it has left its group."""
        await super().stop()
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _gather_remaining_tasks(self) -> None:
        """Those of a loop of its own would be cancelled here."""

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """There is no other thread to ask."""
        return await maybe_async(fun(*args, **kwargs))

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
        active = set(active_partitions)  # Faust changes that set while this waits for rows
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


def _seen(ended: asyncio.Task[None]) -> None:
    if not ended.cancelled():
        ended.exception()
