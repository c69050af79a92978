"""The monitor's one stage: adopts the pipeline's history, watches, saves cuts, tells people what is durable.

Adoption claims the history exclusively, and the claim is read again before anything is published. What people act on
waits in the outbox until the checkpoint that holds it is durable, so a crash repeats an alert under the same id and
never invents or forgets one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from streams.errors import StateError
from streams.kafka.durable import check_config, check_identity, check_versions, make_header, pinned_by
from streams.kafka.inputs import Inputs
from streams.kafka.keeping import kept
from streams.kafka.owned import Owned
from streams.kafka.reading import bounds, reader, require_held
from streams.messages import encode
from streams.reference_file import reference_from_file
from streams.stages.report_frames import report_job
from streams.stages.watch import ReportDue, Seen, Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.claims import Adopted, adopt, still_owner
from streams.state.outbox import Outbox

if TYPE_CHECKING:
    from faust.types import TP

    from drift.reference import Reference
    from streams.kafka.fetching import Chunk
    from streams.kafka.monitor import Monitor

log = structlog.get_logger()

NAME = "monitor"
"""Of its checkpoints."""
SECTIONS = ("name", "topics", "target", "features", "drift", "models")
BUFFER_ROWS = 20_000
"""Rows of one input held in memory: their order is certain only once all partitions have come as far."""


class Cut(NamedTuple):
    """The history at one moment."""

    sequence: int
    payload: bytes
    offsets: dict[str, int]


class OwnedWatch(Owned[Cut]):
    """Every partition of `predictions`, `examples` and `control`, from assignment to revocation."""

    def __init__(self, monitor: Monitor) -> None:
        super().__init__(monitor, NAME)
        self.monitor = monitor
        self.settings = pinned_by(monitor.config, SECTIONS)
        self.outbox = Outbox()
        self.sequence = 0
        self.changed = self.urgent = False
        self.cut_at = 0.0
        self.payload_bytes = 0
        self.claim: Adopted
        self.watch: Watch
        self.inputs: Inputs

    # -- life ----------------------------------------------------------------------------------------------------

    async def restore(self) -> None:
        """Claim the history, then go on from its newest checkpoint; publish what that still holds."""
        started, monitor = time.perf_counter(), self.monitor
        self.claim = await asyncio.to_thread(adopt, monitor.store, NAME)
        loaded = self.claim.loaded
        async with reader(monitor.connection) as consumer:
            if loaded is None:
                await self._begin(consumer)
            else:
                check_identity(loaded.header, monitor.identity, NAME)
                check_versions(loaded.header, NAME)
                state = await asyncio.to_thread(load_watch, monitor.config, monitor.store, loaded.payload)
                check_config(state.settings, self.settings, NAME)
                self.watch, self.outbox = state.watch, state.outbox
            for side in self.watch.merge.inputs:
                await require_held(consumer, side.topic, side.partition, side.next)
        self.inputs = Inputs(monitor, self.watch.merge.inputs, BUFFER_ROWS)
        if loaded is None:
            await self.save(self.cut())  # before anything is told: outputs always have a checkpoint
        else:
            await self._publish()
        log.info(
            "monitor_restored",
            generation=self.claim.generation,
            windows=self.watch.windows_total,
            incident=self.watch.incidents.open_incident,
            seconds=round(time.perf_counter() - started, 3),
        )

    async def _begin(self, consumer: Any) -> None:
        """A first start: at the beginning of the logs, with the reference of the config's file if it names one."""
        config, store = self.monitor.config, self.monitor.store
        await self._refuse_outputs_without_state(consumer)
        roles = [("predictions", config.topics.partitions), ("examples", config.topics.shards), ("control", 1)]
        places = [(config.topic(role), number) for role, count in roles for number in range(count)]
        starts = {f"{topic}/{number}": (await bounds(consumer, topic, number))[0] for topic, number in places}
        reference = await asyncio.to_thread(reference_from_file, config)
        if reference is not None:  # the checkpoint names it by its digest
            await asyncio.to_thread(store.put_object, "references", NAME, reference.to_bytes())
        self.watch = Watch(config, {"next": starts, "high_ms": {}}, reference)

    async def _refuse_outputs_without_state(self, consumer: Any) -> None:
        config = self.monitor.config
        topic = config.topic("metrics")
        begin, end = await bounds(consumer, topic, 0)
        if end > begin:
            raise StateError(
                f"checkpoint {NAME} must exist beside {topic}, which has {end - begin} records, "
                f"got none in {config.state.store}: `millrace rebuild --monitor` begins a new history"
            )

    # -- work ----------------------------------------------------------------------------------------------------

    async def advance(self) -> bool:
        """Watch some rows; what was found is in the outbox when it returns."""
        self.inputs.read_ends()
        started = time.thread_time()
        seen = self.watch.step(self.pace.rows)
        if seen is not None:
            if seen.rows:  # and not a piece of what is owed
                self.pace.took(seen.rows, time.thread_time() - started)
            self.changed = True
            await self._take(seen)
            self.inputs.resume_fetching()
        if self.urgent or time.monotonic() - self.cut_at >= self.monitor.config.state.checkpoint_every_ms / 1000:
            self.cut_if_due()
        return seen is not None

    async def _take(self, seen: Seen) -> None:
        config = self.monitor.config
        self.monitor.found.take(seen.metrics, seen.alerts, seen.requests)
        for reference in seen.references:
            await kept(self._keep, reference)
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

    def _keep(self, reference: Reference) -> None:
        self.monitor.store.put_object("references", NAME, reference.to_bytes())

    async def _order_report(self, due: ReportDue) -> None:
        config, reports = self.monitor.config, self.monitor.reports
        if config.reports.on_incident and due.phase is not None:
            await reports.order(due.phase.incident, await asyncio.to_thread(report_job, config, due))

    def feed(self, chunk: Chunk) -> None:
        """Rows of one input, from the agent."""
        if not self.inputs.feed(chunk):
            self.holes.found(self.monitor, chunk, self.inputs.expected(chunk))
            return
        self.holes.none(chunk)
        self.wake.set()

    def positions(self) -> dict[TP, int]:
        """Where to read on."""
        return self.inputs.positions()

    def forget_buffered(self) -> None:
        """Before a seek to `positions`."""
        self.inputs.forget_buffered()

    @property
    def saved_bytes(self) -> int:
        """See `Owned`."""
        return self.payload_bytes

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        """Rows were taken, or records told that the next checkpoint forgets."""
        return self.changed

    def cut(self) -> Cut:
        """See `Owned`; the outbox is part of it."""
        self.changed = self.urgent = False
        self.cut_at = time.monotonic()
        self.sequence += 1
        payload = pack_watch(WatchState(self.watch, self.outbox, self.settings), self.sequence)
        return Cut(self.sequence, payload, self.watch.merge.positions())

    async def save(self, cut: Cut) -> None:
        """See `Owned`; what it holds may then be told."""
        monitor = self.monitor
        header = make_header(NAME, monitor.identity, self.settings, cut.offsets)
        await kept(monitor.store.write, NAME, self.claim.generation, cut.sequence, header, cut.payload)
        self.payload_bytes = len(cut.payload)
        self.outbox.mark_durable(cut.sequence)
        await self._publish()
        await monitor.show_progress(cut.offsets)

    async def checkpoint(self, cut: Cut) -> None:
        """Save; then look again, since what became urgent meanwhile could not begin another."""
        await self.save(cut)
        self.wake.set()

    async def _publish(self) -> None:
        """What is durable and not yet told; only while the history is ours."""
        records = self.outbox.unpublished()
        if not records:
            return
        if not await kept(still_owner, self.monitor.store, self.claim):
            raise StateError("the monitor's history was adopted by another process: this one stops")
        for record in records:
            await self.outflow.send_one(record.topic, record.key, record.payload, partition=0)
        await self.outflow.drain()
        self.outbox.published([record.record_id for record in records])
        self.changed = True  # the next checkpoint forgets them
