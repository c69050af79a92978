"""The life of something a worker or monitor owns: restore, work in steps, save cuts between them, park.

A step changes the state and asks for records to be sent (or told, by way of the outbox); only when all of them are
handed over may a cut be taken or the work be stopped. A cut inside would hold a state whose outputs a crash loses. A
step that failed or was cancelled half-way has left such a state behind: nothing is cut from it any more.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from streams.kafka.holes import Holes
from streams.kafka.pace import Pace
from streams.kafka.sending import Outflow

if TYPE_CHECKING:
    from faust.types import TP

    from streams.kafka.member import Member

log = structlog.get_logger()

C = TypeVar("C")
"""What a cut is."""
BUFFER_ROWS = 4_000
"""Rows of one input held in memory; above it, the fetch is paused."""


class Owned(ABC, Generic[C]):
    """A stage of this process, from assignment to revocation."""

    def __init__(self, member: Member, name: str) -> None:
        self.member, self.name = member, name
        self.wake = asyncio.Event()
        self.ready = False
        """State is loaded: chunks are taken, positions are known."""
        self.stopping = False
        self.worked = member.work_of(name)
        self.pace = Pace(self.worked.took)
        self.pause_s = self.pauses_s = 0.0
        """How long the last cut held the loop, and all of them."""
        self.saving: asyncio.Task[None] | None = None
        self.saved_ms = 0
        """When the newest checkpoint of this owner became durable, by this machine's clock; 0 before the first."""
        self.runner: asyncio.Task[None] | None = None
        self.outflow: Outflow
        self.holes: Holes
        self._in_step = False
        self._cut_due = False

    def start(self, *, parked: bool = False) -> None:
        """Restore (unless the state was parked here and is still the newest), then work."""
        self.wake = asyncio.Event()
        self.ready = self.stopping = self._in_step = self._cut_due = False
        self.outflow, self.holes = Outflow(self.member.producer), Holes(self)
        self.runner = self.member.spawn(self._run(parked=parked), self.name)

    async def _run(self, *, parked: bool) -> None:
        if not parked:
            await self.restore()
            self.worked.follow(self.name, self.ledger)
        await self.before_work()
        self.ready = True
        await self.member.seek_and_resume(self.positions())
        while not self.stopping:
            await self.wake.wait()
            self.wake.clear()
            while not self.stopping and await self._stepped():
                await asyncio.sleep(0)

    async def _stepped(self) -> bool:
        self._in_step = True
        moved = await self.advance()
        self._in_step = False
        if self._cut_due:
            self._cut_due = False
            self.cut_if_due()
        return moved

    def cut_if_due(self) -> None:
        """Begin a checkpoint, after the step if one is under way; not while another is being written."""
        if not self.ready or self.stopping or (self.saving is not None and not self.saving.done()):
            return
        if self._in_step:
            self._cut_due = True
        elif self.has_news():
            started = time.perf_counter()
            cut = self.cut()
            self.pause_s = time.perf_counter() - started
            self.pauses_s += self.pause_s
            self.worked.pauses.observe(self.pause_s)
            log.debug("cut", name=self.name, pause_ms=round(self.pause_s * 1000, 2))
            self.saving = self.member.spawn(self._written(cut, started), f"{self.name}-checkpoint")

    async def _written(self, cut: C, started: float) -> None:
        await self.checkpoint(cut)
        self.worked.writes.observe(time.perf_counter() - started)
        self.saved_ms = int(time.time() * 1000)

    async def park(self) -> bool:
        """Revoked: finish the step, make a last cut durable; True if the state may be used again."""
        self.stopping = True
        self.wake.set()
        if self.runner is not None:
            if not self.ready:
                self.runner.cancel()
            await asyncio.wait([self.runner])
        whole, self.ready = self.ready and not self._in_step, False
        if not whole:
            return False
        await self.outflow.drain()
        if self.saving is not None:
            await asyncio.wait([self.saving])
        self.forget_buffered()
        await self.leave(self.cut())
        return True

    @property
    def ledger(self) -> Counter[str]:
        """What it has counted so far, of all that its state holds."""
        return Counter()

    @property
    def saved_bytes(self) -> int:
        """Size of the newest checkpoint of this owner."""
        return 0

    @abstractmethod
    async def restore(self) -> None:
        """Load the newest checkpoint, refuse what does not fit."""

    async def before_work(self) -> None:
        """Wait for what the first step needs."""

    @abstractmethod
    async def advance(self) -> bool:
        """One step and the sending of what it emitted; False when there is nothing to do."""

    @abstractmethod
    def has_news(self) -> bool:
        """Whether anything changed since the last cut."""

    @abstractmethod
    def cut(self) -> C:
        """State, positions and what they rest on, at this moment."""

    @abstractmethod
    async def save(self, cut: C) -> None:
        """Make a cut durable, once all it rests on is acknowledged."""

    async def leave(self, cut: C) -> None:
        """Make the last cut durable."""
        await self.save(cut)

    @abstractmethod
    async def checkpoint(self, cut: C) -> None:
        """Save, and publish what rests on it."""

    @abstractmethod
    def positions(self) -> dict[TP, int]:
        """Where to read on."""

    @abstractmethod
    def forget_buffered(self) -> None:
        """Before a seek to `positions`: rows read already and rows read again must not mix."""
