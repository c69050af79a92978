"""Sending records as whole batches to a chosen partition, and knowing what the broker holds.

Faust's own `send` costs 130 µs a record and commits past failed sends; batches cost about 2 µs a record, and every
future is awaited before a checkpoint becomes durable.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from streams.errors import BrokerError

Header = tuple[str, bytes]
Lanes = defaultdict[tuple[str, int], asyncio.Lock]

_LANES: WeakKeyDictionary[Any, Lanes] = WeakKeyDictionary()
"""By producer: whose turn it is on each partition. aiokafka takes one waiting batch of a partition at a time; of
several that ask, it lets in any, and counts all their waiting times against each: on a busy machine a task that lost
the race a hundred times in a row was told of a timeout of 120 s within one and a half, which ended the worker."""


class Outflow:
    """What one stage has sent and the broker has not acknowledged yet, in order."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer
        self.lanes = _LANES.setdefault(producer, defaultdict(asyncio.Lock))
        self.inflight: deque[asyncio.Future[Any]] = deque()

    async def send(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes | None, bytes]],
        acknowledged: Callable[[int, int], None] | None = None,
    ) -> None:
        """Send key-value pairs in order; `acknowledged(base offset or -1, records)` is called for each batch.

        A retried idempotent batch is answered without its offset: then it is -1.
        """
        batch, count = self.producer.create_batch(), 0
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                if count == 0:
                    raise BrokerError(f"{topic} could not take a record of {len(value)} bytes: larger than a batch")
                await self._close(batch, topic, partition, count, acknowledged)
                batch, count = self.producer.create_batch(), 0
                batch.append(key=key, value=value, timestamp=None)
            count += 1
        if count:
            await self._close(batch, topic, partition, count, acknowledged)

    async def _close(
        self,
        batch: Any,
        topic: str,
        partition: int,
        count: int,
        acknowledged: Callable[[int, int], None] | None,
    ) -> None:
        batch.close()
        async with self.lanes[topic, partition]:
            future = await self.producer.send_batch(batch, topic, partition=partition)
        if acknowledged is not None:
            future.add_done_callback(lambda done: _tell(done, count, acknowledged))
        self.inflight.append(future)

    async def send_one(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: Iterable[Header] = (),
    ) -> None:
        """Send a single record, with headers."""
        future = await self.producer.send(topic, value=value, key=key, partition=partition, headers=list(headers))
        self.inflight.append(future)

    def check(self) -> None:
        """Forget what is acknowledged; raises `BrokerError` if anything failed."""
        while self.inflight and self.inflight[0].done():
            _result(self.inflight.popleft())

    def pending(self) -> list[asyncio.Future[Any]]:
        """Futures of all that was sent up to now and is not acknowledged, the failed ones too: a cut rests on them."""
        return [each for each in self.inflight if not each.done() or each.cancelled() or each.exception() is not None]

    async def drain(self) -> None:
        """Wait until the broker holds everything."""
        while self.inflight:
            oldest = self.inflight[0]
            await asyncio.wait([oldest])
            if self.inflight and self.inflight[0] is oldest:  # `check` may have been quicker
                self.inflight.popleft()
            _result(oldest)


async def settled(futures: Iterable[asyncio.Future[Any]]) -> None:
    """Wait for these futures; raises `BrokerError` if one failed."""
    for future in futures:
        await asyncio.wait([future])
        _result(future)


def _result(future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        raise BrokerError("could not send: the producer was closed")
    error = future.exception()
    if error is not None:
        raise BrokerError(f"could not send: {error!r}") from error


def _tell(future: asyncio.Future[Any], count: int, acknowledged: Callable[[int, int], None]) -> None:
    if not future.cancelled() and future.exception() is None:
        acknowledged(future.result().offset, count)
