"""What worker and monitor share: a Faust app in a group, background tasks whose failure ends the process, a clean stop.

Whatever fails beyond one record ends the process: its state is in the checkpoints, and going on from a half-done step
would break the one promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tempfile
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiokafka
import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams.config import Config
from streams.errors import BrokerError, UnreachableError
from streams.kafka.app import build_app
from streams.kafka.durable import Identity
from streams.kafka.keeping import store_away
from streams.kafka.reachable import watch_broker
from streams.kafka.seam import FetchedSchema
from streams.kafka.watchdog import watch_progress
from streams.observability.health import Condition, Progress, State
from streams.observability.work import Work
from streams.state.store import Store

if TYPE_CHECKING:
    from streams.kafka.owned import Owned

log = structlog.get_logger()

STOP_S = 15.0
PROGRESS_S = 5.0
GARBAGE = (20_000, 20, 20)
"""Collector thresholds. Nearly all that lives here goes by reference counts; the defaults, meant for small programs,
spent a sixth of a busy worker's CPU on walking over a hundred megabytes of modules."""


class Member(ABC):
    """One process in the consumer group `<pipeline>.<role>`.

    `connection` are aiokafka's settings, `identity` the cluster's and topics' ids, `store` the signed state.
    """

    def __init__(
        self,
        role: str,
        config: Config,
        connection: Mapping[str, Any],
        identity: Identity,
        store: Store,
        **settings: Any,
    ) -> None:
        self.config, self.connection, self.identity, self.store = config, connection, identity, store
        self.temporary = tempfile.TemporaryDirectory(prefix=f"millrace-{role}-")
        self.scratch = Path(self.temporary.name)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.background: set[asyncio.Task[None]] = set()
        self.role = role
        self.work: defaultdict[str, Work] = defaultdict(Work)
        """By kind of stage."""
        self.progress = Progress()
        self.ends: dict[TP, int] = {}
        """Of the inputs' logs, as asked every few seconds; what is fetched may know better."""
        self.joined = self.broker_away = False
        self.app = build_app(config, f"{config.name}.{role}", self.scratch, **settings)
        self.app.stage, self.app.sizes = self, {}
        revoked: Any = self._revoked  # Faust's type of a receiver fits no method
        assigned: Any = self._assigned
        self.app.on_partitions_revoked.connect(revoked, weak=False)
        self.app.on_partitions_assigned.connect(assigned, weak=False)

    # -- life ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def services(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs beside the agents for the process's life, by name."""

    @abstractmethod
    async def park(self) -> None:
        """Stop all stages at a consistent cut and make it durable."""

    @abstractmethod
    async def assign(self, partitions: set[TP]) -> None:
        """These are ours now: adopt their state and begin."""

    @abstractmethod
    def positions(self, assignment: Iterable[TP]) -> dict[TP, int]:
        """See `seam.Stage`."""

    @abstractmethod
    def is_ready(self, partition: TP) -> bool:
        """See `seam.Stage`."""

    @abstractmethod
    def kick(self) -> None:
        """See `seam.Stage`."""

    @property
    @abstractmethod
    def owned(self) -> Sequence[Owned[Any]]:
        """Everything that is assigned here."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises what ended it otherwise."""
        gc.collect()
        gc.freeze()  # all that is imported by now stays
        gc.set_threshold(*GARBAGE)
        log.info("joining", group=self.app.conf.id)
        try:
            await self.app.start()
        except KafkaConnectionError as error:  # it was there a moment ago
            raise UnreachableError(f"could not join {self.app.conf.id}: {error}") from error
        for name, service in self.services().items():
            self.spawn(service, name)
        self.spawn(watch_broker(self.producer.client, self._in_group, tell=self._broker_answers), "broker")
        self.spawn(watch_progress(self), "watchdog")
        stopping = asyncio.ensure_future(stop.wait())
        ends: list[asyncio.Future[Any]] = [stopping, self.failed, asyncio.ensure_future(self._app_crash())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            if end is not self.failed:
                end.cancel()
        if stop.is_set() and not self.failed.done():
            await self._park_in_time()
        for task in self.background:
            task.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.app.stop(), STOP_S)
        self.temporary.cleanup()
        if self.failed.done():
            self.failed.result()

    async def _park_in_time(self) -> None:
        try:
            await asyncio.wait_for(self.park(), STOP_S)
        except TimeoutError:  # the broker is away: nothing is lost, the next start goes on from the last checkpoint
            log.warning("stopped", state="as of the last checkpoint", waited_s=STOP_S)
        else:
            log.info("stopped", state="saved")

    async def _app_crash(self) -> None:
        while self.app.crash_reason is None:
            await asyncio.sleep(0.2)
        self.fail(_in_words(self.app.crash_reason))

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task whose failure ends the process."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the process with this error; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    # -- how it is -----------------------------------------------------------------------------------------------

    def work_of(self, stage: str) -> Work:
        """Where a stage of this name counts: `task-3` with the other tasks."""
        return self.work[stage.partition("-")[0]]

    def inputs(self) -> dict[TP, int]:
        """Where the stages that work have come to."""
        return {tp: offset for owned in self.owned if owned.ready for tp, offset in owned.positions().items()}

    def places(self) -> dict[str, int]:
        """The same by `topic/partition`."""
        return {f"{tp.topic}/{tp.partition}": offset for tp, offset in self.inputs().items()}

    def lag(self) -> dict[TP, int]:
        """Offsets that are there and not taken."""
        fetched = self.consumer.ends
        return {
            tp: max(0, max(self.ends.get(tp, 0), fetched.get(tp, 0)) - offset) for tp, offset in self.inputs().items()
        }

    def excuse(self) -> str:
        """Why nothing has to move, empty if something has to."""
        if self.broker_away:
            return "kafka"
        if store_away():
            return "the state store"
        if not self.joined:
            return "its consumer group"
        return "" if all(owned.ready for owned in self.owned) else "its state"

    def condition(self) -> Condition:
        """How it is now."""
        excuse, stalled_s = self.excuse(), self.progress.stalled_s
        loaded = self.joined and all(owned.ready for owned in self.owned)
        return Condition(
            state=self._state(loaded=loaded),
            ready=loaded,
            waits_for=excuse,
            stalled_s=stalled_s,
            well=stalled_s * 1000 < self.config.health.unhealthy_after_ms,
        )

    def _state(self, *, loaded: bool) -> State:
        if not self.joined:
            return "joining"
        if not loaded:
            return "restoring"
        return "working" if self.owned else "standing_by"

    def _broker_answers(self, answers: bool) -> None:  # noqa: FBT001 - what is heard
        self.broker_away = not answers

    # -- Kafka ---------------------------------------------------------------------------------------------------

    def read(self, name: str, roles: tuple[str, ...], feed: Callable[[Any], None]) -> None:
        """An agent that hands the chunks of these topics to `feed`."""

        async def agent(stream: Any) -> None:
            async for event in stream.events():
                try:
                    for chunk in event.value.chunks:
                        feed(chunk)
                except Exception as error:  # noqa: BLE001 - an agent that raises drops its event and stalls for 5 s
                    self.fail(error)

        sizes = {"examples": self.config.topics.shards, "control": 1}
        self.app.sizes |= {self.config.topic(role): sizes.get(role, self.config.topics.partitions) for role in roles}
        topics = self.app.topic(*(self.config.topic(role) for role in roles), schema=FetchedSchema(), acks=False)
        self.app.agent(topics, name=name)(agent)

    @property
    def producer(self) -> Any:
        """Idempotent, shared by all stages."""
        producer: Any = self.app.producer
        return producer._producer  # noqa: SLF001 - Faust's own send loses failures

    @property
    def consumer(self) -> Any:
        """What fetches for this process."""
        return self.app.consumer

    async def seek_and_resume(self, positions: Mapping[TP, int]) -> None:
        """Begin to read partitions whose state is loaded."""
        await self.consumer.seek_wait(positions)
        self.consumer.resume_partitions(set(positions))

    async def show_progress(self, offsets: Mapping[str, int]) -> None:
        """Committed offsets are a display for lag tools: nothing here ever reads them, or waits for them long."""
        consumer = self.consumer._thread._consumer  # noqa: SLF001 - Faust's commit goes through its own ack state
        commits = {}
        for place, offset in offsets.items():
            topic, _, partition = place.rpartition("/")
            commits[aiokafka.TopicPartition(topic, int(partition))] = OffsetAndMetadata(offset, "")
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(consumer.commit(commits), PROGRESS_S)

    def _in_group(self) -> bool:
        """Whether the group's coordinator is known."""
        consumer = self.consumer._thread._consumer  # noqa: SLF001 - it has no public word for this
        return consumer is None or consumer._coordinator.coordinator_id is not None  # noqa: SLF001

    async def _revoked(self, _app: Any, revoked: set[TP], **_: Any) -> None:
        if revoked:
            log.info("partitions_revoked", count=len(revoked))
        self.joined = False
        await self.park()

    async def _assigned(self, _app: Any, assigned: set[TP], **_: Any) -> None:
        await self.assign(set(assigned))
        self.joined = True


def _in_words(error: BaseException) -> BaseException:
    """What retention has deleted before it was read, as the error that it is; the next start knows how much."""
    if not isinstance(error, OffsetOutOfRangeError):
        return error
    places = ", ".join(f"{place.topic}/{place.partition} at offset {offset}" for place, offset in error.args[0].items())
    return BrokerError(
        f"could not read on: {places} is not in the log any more. The next start goes on from the last checkpoint, "
        "and tells what is gone and what accepts it"
    )
