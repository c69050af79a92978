"""The monitor: one active per pipeline, which owns its history and tells people.

Its assignor gives every partition to one member; the others stand by. What it does with them is in `owned_watch`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

import structlog
from faust.types import TP

from streams.config import Config
from streams.kafka.assignors import OneOwner
from streams.kafka.durable import Identity
from streams.kafka.fetching import Chunk
from streams.kafka.member import Member
from streams.kafka.owned_watch import OwnedWatch
from streams.kafka.report_queue import ReportQueue
from streams.observability.found import Found
from streams.state.store import Store

log = structlog.get_logger()


class Monitor(Member):
    """A member of the group that is active or stands by."""

    def __init__(self, config: Config, connection: Mapping[str, Any], identity: Identity, store: Store) -> None:
        super().__init__("monitor", config, connection, identity, store, PartitionAssignor=OneOwner)
        reports = config.reports
        self.reports = ReportQueue(config.path(reports.folder), reports.timeout_ms, reports.keep)
        self.found = Found()
        """By this process, for those who watch it."""
        self.watch: OwnedWatch | None = None
        """While it is the active one."""
        self.read("watch", ("predictions", "examples", "control"), self._feed)

    def services(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Beside the agent."""
        return {"reports": self.reports.run()}

    @property
    def owned(self) -> Sequence[OwnedWatch]:
        """Its one, while it is the active one."""
        return [] if self.watch is None else [self.watch]

    async def assign(self, partitions: set[TP]) -> None:
        """Everything, or nothing: then stand by."""
        if not partitions:
            log.info("standing_by")
            return
        log.info("partitions_assigned", count=len(partitions))
        self.watch = OwnedWatch(self)  # never a parked one: whoever takes the history up claims it anew
        self.watch.start()

    async def park(self) -> None:
        """Finish the step, whose findings may not be in the outbox yet, and make a last cut durable."""
        watch, self.watch = self.watch, None
        if watch is not None:
            await watch.park()

    def _feed(self, chunk: Chunk) -> None:
        if self.watch is not None and self.watch.ready:
            self.watch.feed(chunk)

    def positions(self, assignment: Iterable[TP]) -> dict[TP, int]:
        """Where to read on; see `seam.Stage`."""
        if self.watch is None or not self.watch.ready:
            return {}
        self.watch.forget_buffered()
        wanted = set(assignment)
        return {tp: offset for tp, offset in self.watch.positions().items() if tp in wanted}

    def is_ready(self, partition: TP) -> bool:
        """Whether the state is loaded."""
        return self.watch is not None and self.watch.ready and partition in self.watch.inputs.sides

    def kick(self) -> None:
        """End offsets moved."""
        if self.watch is not None:
            self.watch.wake.set()
