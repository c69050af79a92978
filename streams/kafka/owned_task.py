"""One partition of the worker: restores its task, feeds it, sends what it emits, saves its cuts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from faust.types import TP

from streams.errors import StateError
from streams.foreign import read_as
from streams.kafka.durable import Durable, pinned_by
from streams.kafka.inputs import Inputs
from streams.kafka.keeping import kept
from streams.kafka.kept_pending import KeptPending, take_pending
from streams.kafka.owned import BUFFER_ROWS, Owned
from streams.kafka.reading import bounds, read_through, reader, require_held
from streams.stages.task import Emitted, Task
from streams.state.done import DoneIds
from streams.state.pending import PendingStore
from streams.state.pending_segment import Segment
from streams.state.place import StoreAwayError

if TYPE_CHECKING:
    from streams.kafka.fetching import Chunk
    from streams.kafka.worker import Worker

log = structlog.get_logger()

SECTIONS = ("name", "topics", "mapping", "target", "features", "labels", "join")
AWAITED_S = 10.0
"""So long an earlier owner's version is waited for; then predictions go on with what there is."""


class Cut(NamedTuple):
    """A task at one moment."""

    state: bytes
    offsets: dict[str, int]
    after: list[asyncio.Future[Any]]
    """What was sent up to then and is not acknowledged."""
    bucket: bytes | None
    """Done ids since the last one."""
    grown: list[Segment]
    """Copies of pending predictions that the state names, and that may not have reached the disk."""
    retired: list[Segment]
    """Those that it does not name any more."""


class OwnedTask(Owned[Cut]):
    """Partition `partition` on this worker, from assignment to revocation."""

    def __init__(self, worker: Worker, partition: int) -> None:
        super().__init__(worker, f"task-{partition}")
        self.worker, self.partition = worker, partition
        config = worker.config
        self.tps = (TP(config.topic("features"), partition), TP(config.topic("labels"), partition))
        self.out_topic = config.topic("predictions")
        self.shard = partition % config.topics.shards
        self.acknowledged_end = 0
        self.unacknowledged = 0
        """Examples that were emitted, and the broker has not said that it holds them."""
        self.changed = False
        self.moved_at = 0.0
        self.awaited = 0
        """The version that this partition's last prediction was made with: the next one is made with no older one."""
        self.awaited_until = 0.0
        self.task: Task
        self.inputs: Inputs
        self.kept: KeptPending | None = None
        self.recalling: asyncio.Future[int] | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    def hold(self, task: Task) -> None:
        """This is the state from now on."""
        self.task, self.inputs = task, Inputs(self.worker, task.merge.inputs, BUFFER_ROWS)
        if task.classes is not None:
            self.worker.work["class"].follow(self.name, task.classes)

    async def before_work(self) -> None:
        """There must be something to predict with."""
        await self.worker.predictor_ready(self.shard)
        self.awaited_until = time.monotonic() + AWAITED_S

    async def restore(self) -> None:
        """Load the newest checkpoint and what the log holds of its predictions."""
        started, worker = time.perf_counter(), self.worker
        settings = pinned_by(worker.config, SECTIONS)
        self.durable = await asyncio.to_thread(Durable.adopt, worker.store, self.name, settings, worker.identity)
        saved = self.durable.state
        done = DoneIds()
        async with reader(worker.connection) as consumer:
            if saved is None:
                _, self.acknowledged_end = await self._refuse_outputs_without_state(consumer)
                starts = {f"{tp.topic}/{tp.partition}": await worker.start_offset(consumer, tp) for tp in self.tps}
            else:
                starts = {}
                contents = await asyncio.to_thread(self.durable.bucket_contents)
                await asyncio.to_thread(done.restore, contents, self.durable.buckets)
                done.expire_before(saved["now_ms"] - worker.task_config.dedupe_horizon_ms)
            self.kept = await take_pending(worker.config, self.name, worker.scratch)
            memory = PendingStore(worker.config.join.memory_rows, self.kept.files)
            self.hold(Task(self.partition, worker.task_config, worker.decoding, memory, done, saved, starts))
            for side in self.task.merge.inputs:
                await require_held(consumer, side.topic, side.partition, side.next)
            start = await self._recalled()
            on_disk = memory.rows_on_disk
            if saved is None:
                await self.save(self.cut())  # before anything is sent: outputs always have a checkpoint
            else:
                await self._read_logged(consumer, start)
        log.info(
            "task_restored",
            partition=self.partition,
            generation=self.durable.generation,
            next=self.task.merge.positions(),
            pending=len(self.task.pending),
            from_disk=on_disk,
            predictions_from=start,
            predictions_end=self.acknowledged_end,
            seconds=round(time.perf_counter() - started, 3),
        )

    async def _recalled(self) -> int:
        """What of the pending is on disk need not be read from the log; the rest is, from the answer on."""
        self.recalling = asyncio.ensure_future(asyncio.to_thread(self.task.recall))
        try:
            return await asyncio.shield(self.recalling)
        except StoreAwayError as error:
            log.info("pending_read_again", partition=self.partition, reason=str(error))
            return self.task.tail

    async def _read_logged(self, consumer: Any, start: int) -> None:
        """What the checkpoint says is pending, and what was said since, is in the log of predictions."""
        place = self.out_topic, self.partition
        await require_held(consumer, *place, start)
        begin, end = await bounds(consumer, *place)
        last = None
        async for rows in read_through(consumer, *place, max(begin, min(start, end - 1)), end):
            self.task.take_logged(rows)
            last = rows[-1].value
        self.acknowledged_end, self.awaited = end, _version_in(last)
        self.task.all_logged()

    async def park(self) -> bool:
        """See `Owned`; what cannot be used again lets go of its copies."""
        whole = await super().park()
        if not whole:
            await self.release()
        return whole

    async def release(self) -> None:
        """Somebody else may have the copies on disk: this state is not used again."""
        if self.kept is not None:
            self.kept.files.stop()
            if self.recalling is not None:
                await asyncio.gather(self.recalling, return_exceptions=True)
            self.kept.files.close()
            self.kept.lease.close()

    async def _refuse_outputs_without_state(self, consumer: Any) -> tuple[int, int]:
        begin, end = await bounds(consumer, self.out_topic, self.partition)
        if end > 0:
            raise StateError(
                f"checkpoint {self.name} must exist beside {self.out_topic}/{self.partition}, which has {end} records, "
                f"got none in {self.worker.config.state.store}: `millrace rebuild --tasks` folds the logs again"
            )
        return begin, end

    @property
    def ledger(self) -> Counter[str]:
        """See `Owned`."""
        return self.task.ledger

    @property
    def saved_bytes(self) -> int:
        """See `Owned`."""
        return self.durable.bytes_last

    # -- work ----------------------------------------------------------------------------------------------------

    async def advance(self) -> bool:
        """Predict and join some rows."""
        self.outflow.check()  # while it waits, too: what could not be sent is never learnt
        self.inputs.read_ends()
        worker = self.worker
        predictor = worker.predictor(self.shard)
        if predictor is None or worker.catching_up(self.shard):
            return False  # the shard wakes its tasks
        if self.inputs.paused and worker.followed_lacks(self.shard):
            return False  # as does a new version of it
        if worker.ahead(self):
            await asyncio.sleep(0.001)
            return True
        if predictor.version < self.awaited and time.monotonic() < self.awaited_until:
            await asyncio.sleep(0.01)
            return True
        started = time.thread_time()
        emitted = self.task.step(self.pace.rows, predictor, worker.staleness(self.shard))
        if emitted is None:
            return False
        self.pace.took(emitted.rows, time.thread_time() - started)
        self.changed = True
        self.moved_at = time.monotonic()
        await self._emit(emitted)
        self.inputs.resume_fetching()
        return True

    async def _emit(self, emitted: Emitted) -> None:
        worker = self.worker
        acknowledged = worker.examples_emitted(self, len(emitted.examples))  # before any other task's step
        if emitted.predictions:
            await self.outflow.send(self.out_topic, self.partition, emitted.predictions, _Acknowledged(self, emitted))
        if emitted.examples:
            await self.outflow.send(worker.config.topic("examples"), self.shard, emitted.examples, acknowledged)
        for letter in emitted.dead:
            await worker.bury(self.outflow, letter)
        self.outflow.check()

    def feed(self, chunk: Chunk) -> None:
        """Rows of one of the two inputs, from the agent."""
        if not self.inputs.feed(chunk):
            self.holes.found(self.worker, chunk, self.inputs.expected(chunk))
            return
        self.holes.none(chunk)
        if chunk.rows:
            row = chunk.rows[0]
            self.worker.keys.look(chunk.topic, chunk.partition, row.offset, row.key)
        self.wake.set()

    @property
    def has_rows(self) -> bool:
        """Whether rows wait for their turn."""
        return bool(self.task.events.buffered or self.task.labels.buffered)

    @property
    def has_work(self) -> bool:
        """Whether rows wait, or are known to be there and not fetched."""
        return self.has_rows or any(side.end is not None and side.waits() for side in self.task.merge.inputs)

    def positions(self) -> dict[TP, int]:
        """Where to read on."""
        return self.inputs.positions()

    def forget_buffered(self) -> None:
        """Before a seek to `positions`."""
        self.inputs.forget_buffered()

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        """Rows were taken."""
        return self.changed

    def cut(self) -> Cut:
        """See `Owned`."""
        task = self.task
        self.changed = False
        state = msgspec.msgpack.encode(task.dump(self.acknowledged_end))
        return Cut(state, task.merge.positions(), self.outflow.pending(), task.done.cut(), *task.pending.grown())

    async def save(self, cut: Cut) -> None:
        """See `Owned`; done ids first, in buckets that the checkpoint names."""
        done = self.task.done
        if cut.bucket is not None:
            done.stored(*await kept(self.worker.store.put_object, "done", self.name, cut.bucket))
        if cut.grown:
            await asyncio.to_thread(_each, Segment.sync, cut.grown)
        await self.durable.save(cut.state, cut.offsets, cut.after, done.buckets())
        if cut.retired:
            await asyncio.to_thread(_each, Segment.remove, cut.retired)
        await kept(self.worker.store.prune_unreferenced, "done", self.name, self.durable.generation)

    async def checkpoint(self, cut: Cut) -> None:
        """Save, then show how far it is."""
        await self.save(cut)
        await self.worker.show_progress(cut.offsets)


def _each(do: Callable[[Segment], None], segments: Iterable[Segment]) -> None:
    for segment in segments:
        do(segment)


class _Said(msgspec.Struct):
    version: int = 0


def _version_in(prediction: bytes | None) -> int:
    """The version that it was made with; 0 for somebody else's record."""
    said = read_as(prediction, _Said)
    return 0 if said is None else said.version


class _Acknowledged:
    """Tells the task where its predictions lie, batch by batch."""

    __slots__ = ("first_ms", "last_ms", "owned", "sources")

    def __init__(self, owned: OwnedTask, emitted: Emitted) -> None:
        self.owned, self.sources = owned, emitted.sources
        self.first_ms, self.last_ms = emitted.first_ms, owned.task.now_ms

    def __call__(self, base: int, count: int) -> None:
        owned = self.owned
        first = base if base >= 0 else owned.acknowledged_end  # a retried batch is answered without its offset
        sources, self.sources = self.sources[:count], self.sources[count:]
        owned.task.acknowledged(sources, first)
        owned.acknowledged_end = max(owned.acknowledged_end, first + count)
        owned.worked.passed(self.first_ms, self.last_ms, time.time() * 1000, count)
