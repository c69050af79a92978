"""The seam in Faust: whole fetches instead of records, exact positions, our own seeks, read-committed, idempotent.

Faust keeps what it is good at: group membership, assignment, agents, signals, a producer. What it does not offer is
overridden here and nowhere else, against faust-streaming 0.15.3 and aiokafka 0.14.0, which are pinned for that reason:

- `AIOKafkaConsumerThread`: see `streams.kafka.fetching`.
- `Consumer.perform_seek`, `Consumer.resume_partitions`: positions are ours; a partition that restores stays paused.
- `Consumer._wait_next_records`: stock Faust sleeps a full second when every partition is paused.
- `Producer._settings_extra`: idempotence has no setting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.kafka.fetching import Fetching

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


class FetchedSchema(faust.Schema[Any, Any]):
    """Hands them through undecoded: nothing may fail before our own decoding."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:  # noqa: ARG002, D102
        return None

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002, D102
        return message.value


class Consumer(driver.Consumer):
    """Asks the app's stage where to read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ends: dict[TP, int] = {}
        self.sparse = False
        super().__init__(*args, **kwargs)
        app: Any = self.app
        self.stage: Stage = app.stage

    def _new_consumer_thread(self) -> Fetching:
        return Fetching(self, loop=self.loop, beacon=self.beacon)

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
