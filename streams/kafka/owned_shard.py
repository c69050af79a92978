"""One model shard of the worker: learns its partition of `examples`, saves cuts, publishes versions."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from faust.types import TP

from learners.candidates import Candidates
from learners.output import Output as Said
from learners.scores import PrequentialScores
from streams.config import Config
from streams.errors import StateError
from streams.foreign import read_as
from streams.kafka.durable import Durable, pinned_by
from streams.kafka.keeping import kept
from streams.kafka.owned import BUFFER_ROWS, Owned
from streams.kafka.reading import bounds, read_through, reader, require_held
from streams.messages import ModelVersion, encode
from streams.stages.candidates import build_candidates
from streams.stages.learn import Learner
from streams.stages.merge import Row
from streams.state.store import Stored

if TYPE_CHECKING:
    from streams.kafka.fetching import Chunk
    from streams.kafka.worker import Worker

log = structlog.get_logger()

SECTIONS = ("name", "topics.shards", "target", "features", "models")
INLINE_S = 0.002
"""A snapshot that takes longer is taken by a thread, which lets the loop work meanwhile: predictions go on."""
SNAPSHOT_SHARE = 1 / 16
"""Of the time, by the clock, may be spent on snapshots where other workers predict with the shard: a large model has
fewer checkpoints. They have what was published last, so this keeps what they lack below twenty times what a snapshot
takes."""
SNAPSHOT_SHARE_ALONE = 1 / 32
"""The same where nobody else does: only a replay after a crash depends on it."""
SNAPSHOTS_KEPT = 20
"""Published versions of a shard kept in the store, at most; never fewer than half of it."""


def shard_state_name(shard: int) -> str:
    """The checkpoint's name of a shard."""
    return f"shard-{shard}"


class Cut(NamedTuple):
    """A shard at one moment."""

    state: dict[str, Any]
    """Without the candidates."""
    candidates: asyncio.Future[bytes]
    """Their snapshot; until it is there nothing is learnt."""
    after: list[asyncio.Future[Any]]
    """Dead letters that are not acknowledged."""
    scores: dict[str, Any] | None
    """To publish with this version; None when none is due: they are 2 ms of work that few cuts need."""
    learnt: int
    cut_ms: int = 0
    """When."""


class OwnedShard(Owned[Cut]):
    """Shard `shard` on this worker, from assignment to revocation."""

    def __init__(self, worker: Worker, shard: int) -> None:
        super().__init__(worker, shard_state_name(shard))
        self.worker, self.shard = worker, shard
        self.tp = TP(worker.config.topic("examples"), shard)
        self.rows: deque[Row] = deque()
        self.full = False
        self.read = 0
        self.end_then = 0
        """Where the log ended when it was restored: whoever owned it before had learnt no more."""
        self.version_cut = self.version_published = -1
        self.cut_at = self.snapshot_s = 0.0
        self.frozen = False
        """Somebody looks at the candidates: they must not learn."""
        self.published_at = self.learnt_at = 0.0
        self.scores: dict[str, Any] = {}
        """As published last."""
        self.unpublished = False
        """A cut is newer than the newest published version."""
        self.published: deque[Stored] = deque()
        self.learner: Learner

    async def before_work(self) -> None:
        """Tasks may predict with it from now on."""
        self.read, self.full = self.learner.version, False
        self.ready = True
        self.worker.shard_loaded(self.shard)

    async def restore(self) -> None:
        """See `Owned`."""
        started, worker, config = time.perf_counter(), self.worker, self.worker.config
        settings = pinned_by(config, SECTIONS)
        self.durable = await asyncio.to_thread(Durable.adopt, worker.store, self.name, settings, worker.identity)
        saved = self.durable.state
        self.snapshot_s = 2 * INLINE_S if saved else 0.0  # of a model that is there the size is not known yet
        self.learner = await asyncio.to_thread(learner_from, config, self.shard, saved)
        async with reader(worker.connection) as consumer:
            if saved is not None:
                self._told_so_far()
            else:
                if await self._was_published(consumer):
                    raise StateError(
                        f"checkpoint {self.name} must exist beside {config.topic('models')}, which holds published "
                        f"versions of it, got none in {config.state.store}: `millrace rebuild --shards` learns anew"
                    )
                await self.save(self.cut())
            await require_held(consumer, self.tp.topic, self.shard, self.learner.version)
            _, self.end_then = await bounds(consumer, self.tp.topic, self.shard)
            worker.examples_ends[self.shard] = max(worker.examples_ends[self.shard], self.end_then)
        log.info(
            "shard_restored",
            shard=self.shard,
            generation=self.durable.generation,
            version=self.learner.version,
            learnt=self.learner.ledger["learnt"],
            seconds=round(time.perf_counter() - started, 3),
        )

    @property
    def ledger(self) -> Counter[str]:
        """See `Owned`."""
        return self.learner.ledger

    @property
    def saved_bytes(self) -> int:
        """See `Owned`."""
        return self.durable.bytes_last

    def _told_so_far(self) -> None:
        """What was loaded is durable, and perhaps published by who had the shard before."""
        told, self.version_cut = self.worker.published.get(self.shard), self.learner.version
        self.version_published = told.version if told is not None else -1
        self.unpublished = self.version_published < self.version_cut

    async def _was_published(self, consumer: Any) -> bool:
        topic = self.worker.config.topic("models")
        async for rows in read_through(consumer, topic, 0, *await bounds(consumer, topic, 0)):
            told = (read_as(row.value, ModelVersion) for row in rows)
            if any(version is not None and version.shard == self.shard for version in told):
                return True
        return False

    def feed(self, chunk: Chunk) -> None:
        """Rows of `examples`, from the agent."""
        if chunk.start != self.read:
            self.holes.found(self.worker, chunk, self.read)
            return
        self.holes.none(chunk)
        self.read = chunk.stop
        if chunk.rows:
            self.rows.extend(chunk.rows)
        if len(self.rows) > BUFFER_ROWS and not self.full:
            self.full = True
            self.worker.consumer.on_buffer_full(self.tp)
        self.wake.set()

    async def advance(self) -> bool:
        """Learn some rows."""
        if not self.rows or self.frozen:
            return False
        part = [self.rows.popleft() for _ in range(min(self.pace.rows, len(self.rows)))]
        held = self.worker.catching_up(self.shard)
        started = time.thread_time()
        dead = self.learner.learn(part)
        self.pace.took(len(part), time.thread_time() - started)
        if (taught := self.learner.taught) is not None:
            self.learnt_at = time.monotonic()
            oldest_ms, newest_ms, count = taught
            self.worked.passed(oldest_ms, newest_ms, time.time() * 1000, count)
        if held and not self.worker.catching_up(self.shard):
            self.worker.kick()
        if not self.published_at and self.version >= self.end_then:
            self._cut_due = True  # the others have waited for a successor long enough
        for letter in dead:
            await self.worker.bury(self.outflow, letter)
        self.outflow.check()
        if self.full and len(self.rows) < BUFFER_ROWS // 2:
            self.full = False
            self.worker.consumer.on_buffer_drop(self.tp)
        return True

    def positions(self) -> dict[TP, int]:
        """Where to read on."""
        return {self.tp: self.learner.version}

    def forget_buffered(self) -> None:
        """Before a seek to `positions`."""
        self.rows.clear()
        self.read = self.learner.version
        if self.full:
            self.full = False
            self.worker.consumer.on_buffer_drop(self.tp)

    @property
    def lag(self) -> int:
        """Examples that were emitted and that the model has not learnt, as far as is known here."""
        return max(0, self.worker.examples_end(self.shard) - self.version)

    @property
    def version(self) -> int:
        """The examples offset it has learnt to."""
        return self.learner.version

    def as_left(self) -> FollowedModel:
        """The model as it is now that it learns no more here."""
        learner = self.learner
        return FollowedModel(learner.candidates, learner.version, time.monotonic())

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        """Examples were learnt, or what was learnt last is still to be published; but a snapshot has its price."""
        share = SNAPSHOT_SHARE if self.worker.is_followed(self.shard) else SNAPSHOT_SHARE_ALONE
        if self.snapshot_s > share * (time.monotonic() - self.cut_at):
            return False
        return self.learner.version != self.version_cut or (self.unpublished and self._publishing_is_due())

    def _publishing_is_due(self) -> bool:
        """At the nearest cut: they are made at ticks, some a step later."""
        config = self.worker.config
        wait_ms = config.models.publish_every_ms - config.state.checkpoint_every_ms / 2
        return self.stopping or time.monotonic() - self.published_at >= wait_ms / 1000

    def cut(self) -> Cut:
        """See `Owned`."""
        learner = self.learner
        self.version_cut = learner.version
        scores = learner.scores.report(learner.champion) if self._publishing_is_due() else None
        state, after, learnt = learner.dump_without_candidates(), self.outflow.pending(), learner.ledger["learnt"]
        cut = Cut(state, self._snapshot(), after, scores, learnt, int(time.time() * 1000))
        if scores is not None:
            self.published_at = self.cut_at
        return cut

    def _snapshot(self) -> asyncio.Future[bytes]:
        """The candidates as they are, at once or soon."""
        self.cut_at = time.monotonic()
        if self.snapshot_s <= INLINE_S:
            taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            taken.set_result(self._timed_snapshot())
            return taken
        self.frozen = True
        taken = asyncio.ensure_future(asyncio.to_thread(self._timed_snapshot))
        taken.add_done_callback(self._thaw)
        return taken

    def _timed_snapshot(self) -> bytes:
        started = time.perf_counter()
        snapshot = self.learner.candidates.snapshot()
        self.snapshot_s = time.perf_counter() - started
        return snapshot

    def _thaw(self, _: asyncio.Future[bytes]) -> None:
        self.frozen = False
        self.wake.set()

    async def save(self, cut: Cut) -> None:
        """See `Owned`."""
        state = cut.state | {"candidates": await cut.candidates}
        await self.durable.save(msgspec.msgpack.encode(state), self._offsets(cut), cut.after)

    def _offsets(self, cut: Cut) -> dict[str, int]:
        return {f"{self.tp.topic}/{self.shard}": cut.state["next"]}

    async def checkpoint(self, cut: Cut) -> None:
        """Save, publish the version when it is time, show how far it is."""
        await self.save(cut)
        self.unpublished = True
        if cut.scores is not None:
            await self._publish(cut, cut.scores)
        await self.worker.show_progress(self._offsets(cut))

    async def leave(self, cut: Cut) -> None:
        """See `Owned`; whoever predicts with this shard elsewhere goes on with all that was learnt here."""
        await self.save(cut)
        news = cut.state["next"] != self.version_published
        if news and cut.scores is not None and await asyncio.to_thread(self.durable.newest_is_ours):
            await self._publish(cut, cut.scores)

    async def _publish(self, cut: Cut, scores: dict[str, Any]) -> None:
        self.unpublished, self.version_published, self.scores = False, cut.state["next"], scores
        config = self.worker.config
        stored = await kept(self.worker.store.put_object, "snapshots", self.name, await cut.candidates)
        record = ModelVersion(
            model=self.learner.champion,
            shard=self.shard,
            version=cut.state["next"],
            learnt=cut.learnt,
            snapshot=stored.path,
            digest=stored.digest,
            published_ms=int(time.time() * 1000),
            scores=scores,
            cut_ms=cut.cut_ms,
        )
        key = f"{config.name}/{self.shard}".encode()
        await self.outflow.send_one(config.topic("models"), key, encode(record), partition=0)
        await self.outflow.drain()
        self.published.append(stored)
        if len(self.published) > SNAPSHOTS_KEPT:
            await kept(self._prune_snapshots)

    def _prune_snapshots(self) -> None:
        """Forget what nobody follows any more: only what this owner published, others' are theirs to judge."""
        dropped = {self.published.popleft().path for _ in range(SNAPSHOTS_KEPT // 2)}
        gone = dropped - {stored.path for stored in self.published}  # an unchanged model is the same object
        self.worker.store.prune_objects("snapshots", lambda stored: stored.path not in gone, self.name)


def learner_from(config: Config, shard: int, saved: Mapping[str, Any] | None) -> Learner:
    """The shard's learner as a checkpoint left it, or new."""
    candidates = build_candidates(config, saved["candidates"] if saved else None)
    scores = PrequentialScores(candidates.target, candidates.names, window=config.models.score_rows)
    if saved:
        scores.restore(saved["scores"])
    return Learner(shard, config.topic("examples"), candidates, scores, saved)


class FollowedModel:
    """Another worker's shard: the newest version of its candidates that is known here."""

    def __init__(self, candidates: Candidates, version: int, learnt_at: float = 0.0) -> None:
        self.candidates, self.version, self.learnt_at = candidates, version, learnt_at
        """When it learnt last, or was made, by this process's monotonic clock."""
        self.champion: str = candidates.champion

    def predict(self, features: Mapping[str, float | int | str]) -> dict[str, Said]:
        """What every candidate and baseline said as of that version."""
        return self.candidates.predict(features)
