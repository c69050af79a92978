"""One model shard of the worker: learns its partition of `examples`, saves cuts, publishes versions."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from faust.types import TP

from learners.candidates import Candidates
from learners.output import Output as Said
from learners.scores import PrequentialScores
from streams.config import Config
from streams.errors import StateError
from streams.kafka.durable import Durable, pinned_by
from streams.kafka.holes import Holes
from streams.kafka.pace import Pace
from streams.kafka.reading import bounds, reader, require_held
from streams.kafka.sending import Outflow
from streams.messages import ModelVersion, encode
from streams.stages.candidates import build_candidates
from streams.stages.learn import Learner
from streams.stages.merge import Row
from streams.state.store import Stored

if TYPE_CHECKING:
    from streams.kafka.seam import Chunk
    from streams.kafka.worker import Worker

log = structlog.get_logger()

SECTIONS = ("name", "topics.shards", "target", "features", "models")
BUFFER_ROWS = 20_000
SNAPSHOTS_KEPT = 20
"""Published versions of a shard kept in the store, at most; never fewer than half of it."""


def shard_state_name(shard: int) -> str:
    """The checkpoint's name of a shard."""
    return f"shard-{shard}"


class OwnedShard:
    """Shard `shard` on this worker, from assignment to revocation."""

    def __init__(self, worker: Worker, shard: int) -> None:
        self.worker, self.shard = worker, shard
        self.name = shard_state_name(shard)
        self.tp = TP(worker.config.topic("examples"), shard)
        self.ready = False
        self.wake = asyncio.Event()
        self.rows: deque[list[Row]] = deque()
        self.buffered = 0
        self.full = False
        self.read = 0
        self.pace = Pace()
        self.holes = Holes(self)
        self.acknowledged_end = 0
        """Examples that the broker holds, as far as this worker's own tasks know."""
        self.version_saved = -1
        self.published_at = 0.0
        self.published: deque[Stored] = deque()
        self.saving: asyncio.Task[None] | None = None
        self.learner: Learner
        self.durable: Durable
        self.outflow: Outflow
        self.runner: asyncio.Task[None] | None = None

    def start(self, *, parked: bool = False) -> None:
        """Restore, then learn."""
        self.wake, self.ready, self.full = asyncio.Event(), False, False
        self.outflow = Outflow(self.worker.producer)
        self.runner = self.worker.spawn(self._run(parked=parked), self.name)

    async def _run(self, *, parked: bool) -> None:
        if not parked:
            await self._restore()
        self.read = self.learner.version
        self.ready = True
        self.worker.shard_loaded(self.shard)
        await self.worker.seek_and_resume({self.tp: self.read})
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.rows:
                await self._learn(self.rows.popleft())

    async def _restore(self) -> None:
        started, worker, config = time.perf_counter(), self.worker, self.worker.config
        settings = pinned_by(config, SECTIONS)
        self.durable = await asyncio.to_thread(Durable.adopt, worker.store, self.name, settings, worker.identity)
        saved = self.durable.state
        self.learner = await asyncio.to_thread(learner_from, config, self.shard, saved)
        async with reader(worker.connection) as consumer:
            if saved is None:
                _, published = await bounds(consumer, config.topic("models"), 0)
                if published:
                    raise StateError(
                        f"checkpoint {self.name} must exist beside {config.topic('models')}, which holds published "
                        f"versions, got none in {config.state.store}: `millrace rebuild` folds the log again"
                    )
                await self._save(*self._cut())
            await require_held(consumer, self.tp.topic, self.shard, self.learner.version)
        log.info(
            "shard_restored",
            shard=self.shard,
            generation=self.durable.generation,
            version=self.learner.version,
            learnt=self.learner.ledger["learnt"],
            seconds=round(time.perf_counter() - started, 3),
        )

    async def park(self) -> bool:
        """Revoked: stop at a cut and make it durable."""
        if self.runner is not None:
            self.runner.cancel()
            await asyncio.wait([self.runner])
        if not self.ready:
            return False
        self.ready = False
        if self.saving is not None:
            await asyncio.wait([self.saving])
        self.forget_buffered()
        await self._save(*self._cut())
        return True

    def feed(self, chunk: Chunk) -> None:
        """Rows of `examples`, from the agent."""
        if chunk.start != self.read:
            self.holes.found(self.worker, chunk, self.read)
            return
        self.holes.none()
        self.read = chunk.stop
        if chunk.rows:
            self.rows.append(list(chunk.rows))
            self.buffered += len(chunk.rows)
        if self.buffered > BUFFER_ROWS and not self.full:
            self.full = True
            self.worker.consumer.on_buffer_full(self.tp)
        self.wake.set()

    async def _learn(self, rows: list[Row]) -> None:
        done = 0
        while done < len(rows):
            part = rows[done : done + self.pace.rows]
            started = time.perf_counter()
            dead = self.learner.learn(part)
            self.pace.took(len(part), time.perf_counter() - started)
            done += len(part)
            self.buffered -= len(part)
            for letter in dead:
                await self.worker.bury(self.outflow, letter)
            await asyncio.sleep(0)
        self.outflow.check()
        if self.full and self.buffered < BUFFER_ROWS // 2:
            self.full = False
            self.worker.consumer.on_buffer_drop(self.tp)

    def positions(self) -> dict[TP, int]:
        """Where to read on."""
        return {self.tp: self.learner.version}

    def forget_buffered(self) -> None:
        """Before a seek to `positions`."""
        self.rows.clear()
        self.buffered, self.read = 0, self.learner.version
        if self.full:
            self.full = False
            self.worker.consumer.on_buffer_drop(self.tp)

    @property
    def lag(self) -> int:
        """Examples that the broker holds and the model has not learnt."""
        return max(0, self.acknowledged_end - self.learner.version)

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def cut_if_due(self) -> None:
        """Start a checkpoint unless one is being written or nothing was learnt since."""
        idle = self.saving is None or self.saving.done()
        if self.ready and idle and self.learner.version != self.version_saved:
            self.saving = self.worker.spawn(self._save_and_publish(), f"{self.name}-checkpoint")

    def _cut(self) -> tuple[dict[str, Any], list[asyncio.Future[Any]]]:
        return self.learner.dump(), self.outflow.pending()

    async def _save(self, state: dict[str, Any], after: list[asyncio.Future[Any]]) -> None:
        version = state["next"]
        await self.durable.save(msgspec.msgpack.encode(state), {f"{self.tp.topic}/{self.shard}": version}, after)
        self.version_saved = version

    async def _save_and_publish(self) -> None:
        state, after = self._cut()
        scores, learnt = self.learner.scores.report(), self.learner.ledger["learnt"]
        await self._save(state, after)
        await self.worker.show_progress({f"{self.tp.topic}/{self.shard}": state["next"]})
        now = time.monotonic()
        if now - self.published_at < self.worker.config.models.publish_every_ms / 1000:
            return
        self.published_at = now
        config = self.worker.config
        stored = await asyncio.to_thread(self.worker.store.put_object, "snapshots", self.name, state["candidates"])
        record = ModelVersion(
            model=self.learner.champion,
            shard=self.shard,
            version=state["next"],
            learnt=learnt,
            snapshot=stored.path,
            digest=stored.digest,
            published_ms=int(time.time() * 1000),
            scores=scores,
        )
        key = f"{config.name}/{self.shard}".encode()
        await self.outflow.send_one(config.topic("models"), key, encode(record), partition=0)
        await self.outflow.drain()
        self.published.append(stored)
        if len(self.published) > SNAPSHOTS_KEPT:
            await asyncio.to_thread(self._prune_snapshots)

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
    """Another worker's shard: the newest published version of its candidates."""

    def __init__(self, candidates: Candidates, version: int) -> None:
        self.candidates, self.version = candidates, version
        self.champion: str = candidates.champion

    def predict(self, features: Mapping[str, float | int | str]) -> dict[str, Said]:
        """What every candidate and baseline said as of that version."""
        return self.candidates.predict(features)
