"""Reading a partition without a group: what a restart needs of predictions, and the followers of `models`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiokafka

from streams.errors import StateError

ROWS_MAX = 1_000
"""Rows handed on at once: whoever takes them does not hold the loop for long."""


@asynccontextmanager
async def reader(connection: Mapping[str, Any]) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    """A read-committed consumer without a group; `connection` as from `streams.kafka.security`."""
    consumer = aiokafka.AIOKafkaConsumer(
        **connection,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def bounds(consumer: aiokafka.AIOKafkaConsumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset still held, and the last stable offset."""
    place = aiokafka.TopicPartition(topic, partition)
    begin = (await consumer.beginning_offsets([place]))[place]
    end = (await consumer.end_offsets([place]))[place]
    return int(begin), int(end)


async def require_held(consumer: aiokafka.AIOKafkaConsumer, topic: str, partition: int, position: int) -> None:
    """Refuse to skip what retention has deleted, and to read on in a log that is shorter than what was read."""
    begin, end = await bounds(consumer, topic, partition)
    if position < begin:
        raise StateError(
            f"{topic}/{partition} must still hold offset {position}, got a log that begins at {begin}: "
            f"{begin - position} offsets fell off retention; `millrace rebuild --accept-gap` goes on without them"
        )
    if position > end:
        raise StateError(
            f"{topic}/{partition} must reach offset {position}, got a log that ends at {end}: the topic was made anew; "
            "`millrace rebuild` folds the logs as they are now"
        )


async def read_through(
    consumer: aiokafka.AIOKafkaConsumer, topic: str, partition: int, start: int, end: int
) -> AsyncIterator[list[Any]]:
    """Rows of [start, end), some at a time."""
    place = aiokafka.TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, start)
    while await consumer.position(place) < end:
        fetched = await consumer.getmany(place, timeout_ms=200, max_records=ROWS_MAX)
        if rows := [row for row in fetched.get(place, []) if row.offset < end]:
            yield rows
