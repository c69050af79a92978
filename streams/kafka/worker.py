"""The worker: one Faust app that owns tasks and shards as the group assigns them.

One asyncio task for each owned partition restores, merges, predicts, joins and emits; one for each owned shard learns
and publishes. Agents only hand chunks over. Whatever fails beyond one record ends the process: its state is in the
checkpoints, and going on from a half-done step would break the one promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiokafka
import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams.config import Config
from streams.kafka.app import build_app
from streams.kafka.dead_letters import dead_letter
from streams.kafka.durable import Identity
from streams.kafka.follow import follow_models
from streams.kafka.owned_shard import FollowedModel, OwnedShard
from streams.kafka.owned_task import OwnedTask
from streams.kafka.reading import bounds
from streams.kafka.seam import ChunkSchema
from streams.kafka.sending import Outflow
from streams.stages.candidates import build_candidates
from streams.stages.decoding import Decoding
from streams.stages.task import DeadLetter, Predictor, TaskConfig
from streams.state.store import Store

log = structlog.get_logger()

Owned = TypeVar("Owned", OwnedTask, OwnedShard)


class Rate:
    """Rows counted since the last look."""

    def __init__(self) -> None:
        self.rows, self._last, self._at = 0, 0, time.monotonic()

    def count(self, rows: int) -> None:
        """More rows."""
        self.rows += rows

    def per_second(self) -> float:
        """Since the last call."""
        now = time.monotonic()
        rate = (self.rows - self._last) / max(now - self._at, 1e-9)
        self._last, self._at = self.rows, now
        return rate


class Worker:
    """All that one worker process owns.

    `connection` are aiokafka's settings, `identity` the cluster's and topics' ids, `store` the signed state.
    """

    def __init__(self, config: Config, connection: Mapping[str, Any], identity: Identity, store: Store) -> None:
        self.config, self.connection, self.identity, self.store = config, connection, identity, store
        self.decoding = Decoding(config)
        labels = config.labels
        self.task_config = TaskConfig(
            wait_ms=labels.wait_ms,
            early_ms=labels.early_ms,
            grace_ms=labels.grace_ms,
            dedupe_horizon_ms=config.join.dedupe_horizon_ms,
            features_topic=config.topic("features"),
            labels_topic=config.topic("labels"),
        )
        self.temporary = tempfile.TemporaryDirectory(prefix="millrace-worker-")
        self.scratch = Path(self.temporary.name)
        self.tasks: dict[int, OwnedTask] = {}
        self.shards: dict[int, OwnedShard] = {}
        self.parked: dict[str, OwnedTask | OwnedShard] = {}
        self.followed: dict[int, FollowedModel] = {}
        self.following = asyncio.Event()
        self.rate = Rate()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.background: set[asyncio.Task[None]] = set()
        self.app = build_app(config, f"{config.name}.worker", self.scratch)
        self.app.stage = self
        schema = ChunkSchema()
        inputs = self.app.topic(config.topic("features"), config.topic("labels"), schema=schema, acks=False)
        examples = self.app.topic(config.topic("examples"), schema=schema, acks=False)
        self.app.agent(inputs, name="intake")(self._intake)
        self.app.agent(examples, name="learn")(self._learn)
        revoked: Any = self._revoked  # Faust's type of a receiver fits no method
        assigned: Any = self._assigned
        self.app.on_partitions_revoked.connect(revoked, weak=False)
        self.app.on_partitions_assigned.connect(assigned, weak=False)

    # -- life ----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises what ended it otherwise."""
        await self.app.start()
        self.spawn(follow_models(self), "follow-models")
        self.spawn(self._cut_regularly(), "checkpoints")
        stopping = asyncio.ensure_future(stop.wait())
        crashed = asyncio.ensure_future(self._app_crash())
        ends: list[asyncio.Future[Any]] = [stopping, self.failed, crashed]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        crashed.cancel()
        if stop.is_set() and not self.failed.done():
            await self._park_all()
            log.info("worker_stopped")
        for task in self.background:
            task.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.app.stop(), 15)
        self.temporary.cleanup()
        if self.failed.done():
            self.failed.result()

    async def _app_crash(self) -> None:
        while self.app.crash_reason is None:  # noqa: ASYNC110 - Faust offers no event for it
            await asyncio.sleep(0.2)
        self._fail(self.app.crash_reason)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task whose failure ends the process."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    @property
    def producer(self) -> Any:  # noqa: ANN401 - aiokafka's, without types
        """Idempotent, shared by all stages."""
        producer: Any = self.app.producer
        return producer._producer  # noqa: SLF001 - Faust's own send loses failures

    @property
    def consumer(self) -> Any:  # noqa: ANN401 - `seam.Consumer`, behind Faust's interface
        """What fetches for this process."""
        return self.app.consumer

    @property
    def owned(self) -> list[OwnedTask | OwnedShard]:
        """Everything that is assigned here."""
        return [*self.tasks.values(), *self.shards.values()]

    # -- agents --------------------------------------------------------------------------------------------------

    async def _intake(self, stream: Any) -> None:  # noqa: ANN401
        async for event in stream.events():
            chunk = event.value
            owned = self.tasks.get(chunk.partition)
            if owned is not None and owned.ready:
                self._guarded(owned.feed, chunk)

    async def _learn(self, stream: Any) -> None:  # noqa: ANN401
        async for event in stream.events():
            chunk = event.value
            owned = self.shards.get(chunk.partition)
            if owned is not None and owned.ready:
                self._guarded(owned.feed, chunk)

    def _guarded(self, feed: Callable[[Any], None], chunk: Any) -> None:  # noqa: ANN401
        try:
            feed(chunk)
        except Exception as error:  # noqa: BLE001 - an agent that raises drops its event and stalls for 5 s
            self._fail(error)

    # -- what stages ask -----------------------------------------------------------------------------------------

    def predictor(self, shard: int) -> Predictor | None:
        """The live model where the shard is ours, else the newest published one."""
        owned = self.shards.get(shard)
        if owned is not None:
            return owned.learner if owned.ready else None
        return self.followed.get(shard)

    async def predictor_ready(self, shard: int) -> None:
        """Wait until there is something to predict with."""
        await self.following.wait()
        if shard not in self.shards and shard not in self.followed:
            self.followed[shard] = FollowedModel(build_candidates(self.config), 0)
        while self.predictor(shard) is None:  # noqa: ASYNC110 - bounded by the restore, which fails the process
            await asyncio.sleep(0.01)

    def catching_up(self, shard: int) -> bool:
        """Whether the local model lacks too many examples to predict with: the tasks wait for it."""
        owned = self.shards.get(shard)
        return owned is not None and owned.ready and owned.lag > self.config.models.lag_examples_max

    def examples_noted(self, shard: int) -> Callable[[int, int], None]:
        """Called as the broker acknowledges examples."""
        owned = self.shards.get(shard)

        def note(base: int, count: int) -> None:
            if owned is not None and base >= 0:
                owned.acknowledged_end = max(owned.acknowledged_end, base + count)

        return note

    def shard_loaded(self, shard: int) -> None:
        """A live model replaces a followed one."""
        self.followed.pop(shard, None)
        self.kick()

    async def bury(self, outflow: Outflow, letter: DeadLetter) -> None:
        """Send a record that cannot be read where people can look at it."""
        key, value, headers = dead_letter(letter, self.config.input.event_bytes_max)
        await outflow.send_one(self.config.topic("dead-letters"), key, value, headers=headers)
        log.warning("dead_letter", at=key.decode(), reason=letter.reason)

    async def start_offset(self, consumer: aiokafka.AIOKafkaConsumer, partition: TP) -> int:
        """Where a first start begins, as `start` says."""
        begin, end = await bounds(consumer, partition.topic, partition.partition)
        start = self.config.start
        if start == "earliest":
            return begin
        if start == "latest":
            return end
        place = aiokafka.TopicPartition(*partition)
        found = (await consumer.offsets_for_times({place: int(start.timestamp() * 1000)}))[place]
        return end if found is None else int(found.offset)

    async def seek_and_resume(self, positions: Mapping[TP, int]) -> None:
        """Begin to read partitions whose state is loaded."""
        await self.consumer.seek_wait(positions)
        self.consumer.resume_partitions(set(positions))

    async def show_progress(self, offsets: Mapping[str, int]) -> None:
        """Committed offsets are a display for people's lag tools: nothing here ever reads them."""
        thread = self.consumer._thread  # noqa: SLF001 - Faust's commit goes through its own ack state
        commits = {}
        for place, offset in offsets.items():
            topic, _, partition = place.rpartition("/")
            commits[aiokafka.TopicPartition(topic, int(partition))] = OffsetAndMetadata(offset, "")
        with contextlib.suppress(KafkaError):
            await thread.call_thread(thread._consumer.commit, commits)  # noqa: SLF001

    async def _cut_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.state.checkpoint_every_ms / 1000)
            for owned in self.owned:
                owned.cut_if_due()

    # -- what the consumer asks ----------------------------------------------------------------------------------

    def positions(self, assignment: Iterable[TP]) -> dict[TP, int]:
        """Where to read on; see `seam.Stage`."""
        found: dict[TP, int] = {}
        for owned in self.owned:
            if owned.ready:
                owned.forget_buffered()
                found.update(owned.positions())
        assigned = set(assignment)
        return {partition: offset for partition, offset in found.items() if partition in assigned}

    def is_ready(self, partition: TP) -> bool:
        """Whether the stage behind this partition has its state."""
        owned: OwnedTask | OwnedShard | None = (
            self.shards.get(partition.partition)
            if partition.topic == self.config.topic("examples")
            else self.tasks.get(partition.partition)
        )
        return owned is not None and owned.ready

    def kick(self) -> None:
        """End offsets moved: a stage that waited for an input may go on."""
        for owned in self.tasks.values():
            owned.wake.set()

    # -- ownership -----------------------------------------------------------------------------------------------

    async def _park_all(self) -> None:
        for owned in self.owned:
            if await owned.park():
                self.parked[owned.name] = owned
        self.tasks.clear()
        self.shards.clear()

    async def _revoked(self, _app: Any, revoked: set[TP], **_: Any) -> None:  # noqa: ANN401
        if revoked:
            log.info("partitions_revoked", count=len(revoked))
        await self._park_all()

    async def _assigned(self, _app: Any, assigned: set[TP], **_: Any) -> None:  # noqa: ANN401
        config = self.config
        mine = {partition.partition for partition in assigned if partition.topic == config.topic("features")}
        shards = {partition.partition for partition in assigned if partition.topic == config.topic("examples")}
        log.info("partitions_assigned", partitions=sorted(mine), shards=sorted(shards))
        for shard in shards:
            self.shards[shard] = await self._adopted(OwnedShard, shard)
        for partition in mine:
            self.tasks[partition] = await self._adopted(OwnedTask, partition)
        self.parked.clear()

    async def _adopted(self, kind: type[Owned], number: int) -> Owned:
        fresh = kind(self, number)
        parked = self.parked.get(fresh.name)
        if isinstance(parked, kind) and await asyncio.to_thread(parked.durable.newest_is_ours):
            parked.start(parked=True)
            return parked
        fresh.start()
        return fresh
