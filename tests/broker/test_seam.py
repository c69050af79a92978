"""What the fetching thread makes of what aiokafka throws at it."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.types import TP

from streams.kafka.seam import ConsumerThread

PLACE = TP("shop.examples", 0)


async def fetched(error):
    """One fetch that ends with this error."""

    async def fetched_records(*_, **__):
        raise error

    thread = object.__new__(ConsumerThread)
    thread.reached, thread.consumer = {}, SimpleNamespace(flow_active=True, ends={})
    consumer = SimpleNamespace(
        _closed=False,
        _fetcher=SimpleNamespace(
            _closed=False,
            _subscriptions=SimpleNamespace(fetch_context=nullcontext),
            fetched_records=fetched_records,
        ),
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=None)),
    )
    return await thread._fetch_records(consumer, {PLACE}, 1.0)


def test_a_partition_that_was_assigned_and_is_not_sought_yet_brings_nothing():
    """A second rebalance within the first second finds no committed offset: our own position is about to be set."""
    assert asyncio.run(fetched(NoOffsetForPartitionError(PLACE))) == {}


def test_what_fell_off_retention_ends_the_process():
    """That is loss, and never passed over."""
    with pytest.raises(OffsetOutOfRangeError):
        asyncio.run(fetched(OffsetOutOfRangeError({PLACE: 7})))
