"""The worker: owns tasks and shards as the group assigns them.

One asyncio task for each owned partition restores, merges, predicts, joins and emits; one for each owned shard learns
and publishes. Agents only hand chunks over.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

import aiokafka
import structlog
from faust.types import TP

from streams.config import Config
from streams.kafka.dead_letters import dead_letter
from streams.kafka.durable import Identity
from streams.kafka.follow import follow_models, follow_newest
from streams.kafka.kept_pending import sweep_left
from streams.kafka.member import Member
from streams.kafka.owned_shard import FollowedModel, OwnedShard
from streams.kafka.owned_task import OwnedTask
from streams.kafka.partitioning import KeySample
from streams.kafka.reading import bounds
from streams.kafka.sending import Outflow
from streams.messages import ModelVersion
from streams.observability.reasons import reason_class
from streams.stages.candidates import build_candidates
from streams.stages.decoding import Decoding
from streams.stages.staleness import FRESH, Staleness
from streams.stages.task import DeadLetter, Predictor, TaskConfig
from streams.state.store import Store

log = structlog.get_logger()

LEAD_MS = 100
"""Stream time that one partition may be ahead of another: what the model lacks of the others' labels, too."""
HELD_S = 1.0

Owned = TypeVar("Owned", OwnedTask, OwnedShard)


class Worker(Member):
    """All that one worker process owns."""

    def __init__(self, config: Config, connection: Mapping[str, Any], identity: Identity, store: Store) -> None:
        super().__init__("worker", config, connection, identity, store)
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
        self.keys = KeySample(config.topics.partitions)
        self.tasks: dict[int, OwnedTask] = {}
        self.shards: dict[int, OwnedShard] = {}
        self.parked: dict[str, OwnedTask | OwnedShard] = {}
        self.followed: dict[int, FollowedModel] = {}
        self.published: dict[int, ModelVersion] = {}
        """Of each shard what `models` says last."""
        self.letters: Counter[tuple[str, str]] = Counter()
        """Dead letters sent by this process, by topic and kind of reason."""
        self.examples_ends: Counter[int] = Counter()
        """By shard, as far as the answers to this worker's own examples tell, and a restore."""
        self.even_at: dict[int, float] = {}
        """By shard: when the first example was emitted that the model here lacks, by the monotonic clock."""
        self.following = asyncio.Event()
        """Set once `models` was read to its end."""
        self.read("intake", ("features", "labels"), self._intake)
        self.read("learn", ("examples",), self._learn)

    def services(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Beside the agents."""
        return {"follow-models": follow_models(self), "checkpoints": self._cut_regularly()}

    def _intake(self, chunk: Any) -> None:
        owned = self.tasks.get(chunk.partition)
        if owned is not None and owned.ready:
            owned.feed(chunk)

    def _learn(self, chunk: Any) -> None:
        owned = self.shards.get(chunk.partition)
        if owned is not None and owned.ready:
            owned.feed(chunk)

    @property
    def owned(self) -> list[OwnedTask | OwnedShard]:
        """Everything that is assigned here."""
        return [*self.tasks.values(), *self.shards.values()]

    async def _cut_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.state.checkpoint_every_ms / 1000)
            for owned in self.owned:
                owned.cut_if_due()

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
        await follow_newest(self, shard)
        if shard not in self.shards and shard not in self.followed:
            self.followed[shard] = FollowedModel(build_candidates(self.config), 0, time.monotonic())
        while self.predictor(shard) is None:
            await asyncio.sleep(0.01)

    def examples_end(self, shard: int) -> int:
        """Where the examples end once all are acknowledged that were emitted here, as far as is known here.

        Not only what is acknowledged: on a backlog thousands are on their way.
        """
        on_their_way = sum(task.unacknowledged for task in self.tasks.values() if task.shard == shard)
        owned = self.shards.get(shard)
        fetched: int = 0 if owned is None else self.consumer.ends.get(owned.tp, 0)
        return max(self.examples_ends[shard] + on_their_way, fetched)

    def catching_up(self, shard: int) -> bool:
        """Whether the local model lacks too many examples to predict with: the tasks wait for it."""
        owned = self.shards.get(shard)
        return owned is not None and owned.ready and owned.lag > self.config.models.lag_examples_max

    def staleness(self, shard: int, end: int = 0) -> Staleness:
        """What the model that predicts here lacks; `end` is where somebody else says that the examples end."""
        owned, end = self.shards.get(shard), max(end, self.examples_end(shard))
        model = self.followed.get(shard) if owned is None else owned
        if model is None or end <= (version := model.version):
            return FRESH
        since = max(model.learnt_at, self.even_at.get(shard, 0.0))
        return Staleness(end - version, max(0, int((time.monotonic() - since) * 1000)))

    def is_followed(self, shard: int) -> bool:
        """Whether others predict with this shard: it has partitions that are not here."""
        topics = self.config.topics
        return any(partition not in self.tasks for partition in range(shard, topics.partitions, topics.shards))

    def followed_lacks(self, shard: int) -> bool:
        """Whether a followed model lacks too many examples to catch up with: the tasks wait for its next version."""
        return shard not in self.shards and self.staleness(shard).examples > self.config.models.lag_followed_max

    def ahead(self, task: OwnedTask) -> bool:
        """Whether this partition has run ahead in stream time of one that works too, or waits for rows that are there.

        On a backlog partitions would drift apart by whatever a fetch brings, and everything downstream would see the
        times mixed. A partition that has not moved for a second does not hold the others.
        """
        now = time.monotonic()
        others = [
            other.task.now_ms
            for other in self.tasks.values()
            if other is not task and other.ready and other.has_work and now - other.moved_at < HELD_S
        ]
        return bool(others) and task.task.now_ms > min(others) + LEAD_MS

    def examples_emitted(self, task: OwnedTask, count: int) -> Callable[[int, int], None]:
        """Called before they are sent: from now on the model lacks them. Call the answer as they are acknowledged."""
        shard, at = task.shard, time.monotonic()
        model = self.predictor(shard)
        if model is not None and self.examples_end(shard) <= model.version:
            self.even_at[shard] = at
        task.unacknowledged += count

        def acknowledged(base: int, count: int) -> None:
            task.unacknowledged -= count
            end = self.examples_ends[shard]
            begin = base if base >= 0 else end  # a retried batch is answered without its offset: it lies behind others
            model = self.predictor(shard)
            if model is not None and begin <= model.version:
                self.even_at[shard] = max(at, self.even_at.get(shard, at))
            self.examples_ends[shard] = max(end, begin + count)

        return acknowledged

    def shard_loaded(self, shard: int) -> None:
        """A live model replaces a followed one."""
        self.followed.pop(shard, None)
        self.kick()

    async def bury(self, outflow: Outflow, letter: DeadLetter) -> None:
        """Send a record that cannot be read where people can look at it."""
        key, value, headers = dead_letter(letter, self.config.input.event_bytes_max)
        await outflow.send_one(self.config.topic("dead-letters"), key, value, headers=headers)
        self.letters[letter.topic, reason_class(letter.reason)] += 1
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
        examples = partition.topic == self.config.topic("examples")
        owned = self.shards.get(partition.partition) if examples else self.tasks.get(partition.partition)
        return owned is not None and owned.ready

    def kick(self) -> None:
        """End offsets moved: a stage that waited for an input may go on."""
        for owned in self.tasks.values():
            owned.wake.set()

    # -- ownership -----------------------------------------------------------------------------------------------

    async def park(self) -> None:
        """Stop every stage at a cut; what comes back before anybody else had it is used again.

        A shard that does not come back is predicted with as it is now until its new owner has published more.
        """
        for owned in self.owned:
            if await owned.park():
                self.parked[owned.name] = owned
                if isinstance(owned, OwnedShard):
                    self.followed[owned.shard] = owned.as_left()
        self.tasks.clear()
        self.shards.clear()

    async def assign(self, partitions: set[TP]) -> None:
        """Adopt, shards first: tasks predict with them."""
        config = self.config
        mine = {tp.partition for tp in partitions if tp.topic == config.topic("features")}
        shards = {tp.partition for tp in partitions if tp.topic == config.topic("examples")}
        log.info("partitions_assigned", partitions=sorted(mine), shards=sorted(shards))
        for shard in shards:
            self.shards[shard] = await self._adopted(OwnedShard, shard)
        for partition in mine:
            self.tasks[partition] = await self._adopted(OwnedTask, partition)
        for left in self.parked.values():
            if isinstance(left, OwnedTask):
                await left.release()
        self.parked.clear()
        await asyncio.to_thread(sweep_left, config, {task.name for task in self.tasks.values()})

    async def _adopted(self, kind: type[Owned], number: int) -> Owned:
        fresh = kind(self, number)
        parked = self.parked.pop(fresh.name, None)
        if isinstance(parked, kind) and await asyncio.to_thread(parked.durable.newest_is_ours):
            parked.start(parked=True)
            return parked
        if isinstance(parked, OwnedTask):
            await parked.release()
        fresh.start()
        return fresh
