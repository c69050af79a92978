"""The monitor: one active per pipeline, which owns its history and tells people.

Its assignor gives every partition to one member; the others stand by. Adoption claims the history exclusively, and the
claim is read again before anything is published. What people act on waits in the outbox until the checkpoint that
holds it is durable, so a crash repeats an alert under the same id and never invents or forgets one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import structlog
from faust.types import TP

from streams.config import Config
from streams.errors import StateError
from streams.kafka.durable import Identity, check_config, check_identity, check_versions, make_header, pinned_by
from streams.kafka.holes import Holes
from streams.kafka.member import Member
from streams.kafka.pace import Pace
from streams.kafka.reading import bounds, reader, require_held
from streams.kafka.report_queue import ReportQueue
from streams.kafka.seam import Chunk, OneOwner
from streams.kafka.sending import Outflow
from streams.messages import encode
from streams.reference_file import reference_from_file
from streams.stages.merge import Input
from streams.stages.report_frames import report_job
from streams.stages.watch import ReportDue, Seen, Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.claims import Adopted, adopt, still_owner
from streams.state.outbox import Outbox
from streams.state.store import Store

log = structlog.get_logger()

NAME = "monitor"
"""Of its checkpoints."""
SECTIONS = ("name", "topics", "target", "features", "drift", "models")
BUFFER_ROWS = 20_000


class Monitor(Member):
    """The one stage of the process, when it is the active one."""

    def __init__(self, config: Config, connection: Mapping[str, Any], identity: Identity, store: Store) -> None:
        super().__init__("monitor", config, connection, identity, store, PartitionAssignor=OneOwner)
        self.settings = pinned_by(config, SECTIONS)
        reports = config.reports
        self.reports = ReportQueue(config.path(reports.folder), reports.timeout_ms, reports.keep)
        self.watch: Watch | None = None
        self.outbox = Outbox()
        self.claim: Adopted
        self.sequence = 0
        self.changed = self.urgent = self.stopping = False
        self.saved_at = 0.0
        self.wake = asyncio.Event()
        self.inputs: dict[TP, Input] = {}
        self.holes: dict[TP, Holes] = {}
        self.paused: set[TP] = set()
        self.pace = Pace()
        self.runner: asyncio.Task[None] | None = None
        self.outflow: Outflow
        self.read("watch", ("predictions", "examples"), self._feed)

    def services(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Beside the agent."""
        return {"reports": self.reports.run()}

    # -- life ----------------------------------------------------------------------------------------------------

    async def assign(self, partitions: set[TP]) -> None:
        """Everything, or nothing: then stand by."""
        if not partitions:
            log.info("standing_by")
            return
        log.info("partitions_assigned", count=len(partitions))
        self.wake, self.stopping = asyncio.Event(), False
        self.runner = self.spawn(self._run(), "watch")

    async def _run(self) -> None:
        await self._restore()
        await self.seek_and_resume(self._next())
        while not self.stopping:
            await self.wake.wait()
            self.wake.clear()
            for tp, side in self.inputs.items():
                side.end = self.consumer.ends.get(tp)
            while not self.stopping and await self._advance():
                await asyncio.sleep(0)
            await self._save_if_due()

    async def _restore(self) -> None:
        started, config = time.perf_counter(), self.config
        self.claim = await asyncio.to_thread(adopt, self.store, NAME)
        self.sequence, self.outflow = 0, Outflow(self.producer)
        async with reader(self.connection) as consumer:
            if self.claim.loaded is None:
                await self._refuse_outputs_without_state(consumer)
                starts = await self._begin(consumer)
                reference = await asyncio.to_thread(reference_from_file, config)
                if reference is not None:  # the checkpoint names it by its digest
                    await asyncio.to_thread(self.store.put_object, "references", NAME, reference.to_bytes())
                watch = Watch(config, {"next": starts, "high_ms": {}}, reference)
                self.outbox = Outbox()
            else:
                check_identity(self.claim.loaded.header, self.identity, NAME)
                check_versions(self.claim.loaded.header, NAME)
                state = await asyncio.to_thread(load_watch, config, self.store, self.claim.loaded.payload)
                check_config(state.settings, self.settings, NAME)
                watch, self.outbox = state.watch, state.outbox
            for side in watch.merge.inputs:
                await require_held(consumer, side.topic, side.partition, side.next)
        self.inputs = {TP(side.topic, side.partition): side for side in watch.merge.inputs}
        self.holes = {tp: Holes(self) for tp in self.inputs}
        if self.claim.loaded is None:
            await self._save(watch)  # before anything is told: outputs always have a checkpoint
        else:
            await self._publish()
        self.watch = watch
        log.info(
            "monitor_restored",
            generation=self.claim.generation,
            windows=watch.windows_total,
            incident=watch.incidents.open_incident,
            seconds=round(time.perf_counter() - started, 3),
        )

    async def _begin(self, consumer: Any) -> dict[str, int]:
        roles = [("predictions", self.config.topics.partitions), ("examples", self.config.topics.shards)]
        places = [(self.config.topic(role), number) for role, count in roles for number in range(count)]
        return {f"{topic}/{number}": (await bounds(consumer, topic, number))[0] for topic, number in places}

    async def _refuse_outputs_without_state(self, consumer: Any) -> None:
        topic = self.config.topic("metrics")
        begin, end = await bounds(consumer, topic, 0)
        if end > begin:
            raise StateError(
                f"checkpoint {NAME} must exist beside {topic}, which has {end - begin} records, "
                f"got none in {self.config.state.store}: `millrace rebuild --monitor` begins a new history"
            )

    async def park(self) -> None:
        """Finish the step, whose findings may not be in the outbox yet, and make a last cut durable."""
        self.stopping = True
        self.wake.set()
        if self.runner is not None:
            if self.watch is None:
                self.runner.cancel()
            await asyncio.wait([self.runner])
            self.runner = None
        if self.watch is None:
            return
        self._forget_buffered()
        watch, self.watch = self.watch, None
        await self._save(watch)

    # -- work ----------------------------------------------------------------------------------------------------

    async def _advance(self) -> bool:
        if self.watch is None:
            return False
        started = time.perf_counter()
        seen = self.watch.step(self.pace.rows)
        if seen is None:
            return False
        self.pace.took(seen.rows, time.perf_counter() - started)
        self.changed = True
        await self._take(seen)
        self._resume_fetching()
        await self._save_if_due()
        return True

    async def _take(self, seen: Seen) -> None:
        config = self.config
        for reference in seen.references:
            await asyncio.to_thread(self.store.put_object, "references", NAME, reference.to_bytes())
            log.info("reference_taken", rows=reference.rows, digest=reference.digest[:12])
        for metrics in seen.metrics:
            self.outbox.add(config.topic("metrics"), metrics.id.encode(), metrics.id, encode(metrics))
        for alert in seen.alerts:
            self.outbox.add(config.topic("alerts"), alert.incident.encode(), alert.id, encode(alert))
            log.warning("alert", id=alert.id, severity=alert.severity, title=alert.title)
        for request in seen.requests:
            self.outbox.add(config.topic("retrain"), request.model.encode(), request.id, encode(request))
            log.warning("retrain_requested", id=request.id, model=request.model, examples=request.examples)
        for due in seen.reports:
            await self._order_report(due)
        self.urgent = self.urgent or bool(seen.alerts or seen.requests)

    async def _order_report(self, due: ReportDue) -> None:
        if self.config.reports.on_incident and due.phase is not None:
            job = report_job(self.config, due)
            place = await asyncio.to_thread(self.reports.write, due.phase.incident, job)
            self.reports.queue.put_nowait(place)

    # -- checkpoints ---------------------------------------------------------------------------------------------

    async def _save_if_due(self) -> None:
        due = time.monotonic() - self.saved_at >= self.config.state.checkpoint_every_ms / 1000
        if self.watch is not None and self.changed and (due or self.urgent):
            await self._save(self.watch)

    async def _save(self, watch: Watch) -> None:
        self.changed = self.urgent = False
        self.saved_at = time.monotonic()
        self.sequence += 1
        sequence, offsets = self.sequence, watch.merge.positions()
        payload = pack_watch(WatchState(watch, self.outbox, self.settings), sequence)
        header = make_header(NAME, self.identity, self.settings, offsets)
        await asyncio.to_thread(self.store.write, NAME, self.claim.generation, sequence, header, payload)
        self.outbox.mark_durable(sequence)
        await self._publish()
        await self.show_progress(offsets)

    async def _publish(self) -> None:
        """What is durable and not yet told; only while the history is ours."""
        records = self.outbox.unpublished()
        if not records:
            return
        if not await asyncio.to_thread(still_owner, self.store, self.claim):
            raise StateError("the monitor's history was adopted by another process: this one stops")
        for record in records:
            await self.outflow.send_one(record.topic, record.key, record.payload, partition=0)
        await self.outflow.drain()
        self.outbox.published([record.record_id for record in records])
        self.changed = True  # the next checkpoint forgets them

    # -- inputs --------------------------------------------------------------------------------------------------

    def _feed(self, chunk: Chunk) -> None:
        tp = TP(chunk.topic, chunk.partition)
        side = self.inputs.get(tp)
        if self.watch is None or side is None:
            return
        if not side.feed(chunk.start, chunk.stop, chunk.rows):
            self.holes[tp].found(self, chunk, side.read)
            return
        self.holes[tp].none()
        if side.buffered > BUFFER_ROWS:
            self.paused.add(tp)
            self.consumer.on_buffer_full(tp)
        self.wake.set()

    def _resume_fetching(self) -> None:
        for tp in list(self.paused):
            if self.inputs[tp].buffered < BUFFER_ROWS // 2:
                self.paused.discard(tp)
                self.consumer.on_buffer_drop(tp)

    def _forget_buffered(self) -> None:
        for side in self.inputs.values():
            side.forget_buffered()
        for tp in self.paused:
            self.consumer.on_buffer_drop(tp)
        self.paused.clear()

    def forget_buffered(self) -> None:
        """See `holes`."""
        self._forget_buffered()

    def _next(self) -> dict[TP, int]:
        return {tp: side.next for tp, side in self.inputs.items()}

    def positions(self, assignment: Iterable[TP] | None = None) -> dict[TP, int]:
        """Where to read on; see `seam.Stage`."""
        if self.watch is None:
            return {}
        self._forget_buffered()
        wanted = None if assignment is None else set(assignment)
        return {tp: offset for tp, offset in self._next().items() if wanted is None or tp in wanted}

    def is_ready(self, partition: TP) -> bool:
        """Whether the state is loaded."""
        return self.watch is not None and partition in self.inputs

    def kick(self) -> None:
        """End offsets moved."""
        self.wake.set()
