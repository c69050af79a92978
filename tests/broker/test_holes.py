"""Chunks that do not begin where the last one ended."""

import asyncio

import pytest
from offline_worker import OfflineWorker, events

from streams.errors import BrokerError
from streams.kafka.fetching import Chunk
from streams.kafka.holes import HEAL_S, Holes

EVERY_MS = 10


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Partition:
    """A task of a worker without Kafka, two rows of whose events have come."""

    def __init__(self, store_name):
        self.worker = OfflineWorker(store_name)
        self.owned = self.worker.own(0)
        self.clock = Clock()
        self.owned.holes = Holes(self.owned, self.clock)
        self.features, self.labels = self.owned.tps
        self.worker.sought.clear()
        self.come(0, 2)

    def come(self, start, stop):
        self.owned.feed(events(self.owned, start, stop - start, EVERY_MS))

    def labels_come(self, start, stop):
        """Nothing but markers of transactions: offsets without rows."""
        self.owned.feed(Chunk(self.labels, start, stop, ()))

    async def sought(self):
        """Where the worker was told to read on, so far."""
        await asyncio.sleep(0)
        return [positions[self.features] for positions in self.worker.sought]


def test_what_is_missing_is_read_again_each_time(request):
    """A rebalance or a full buffer may lose what was fetched, at any time and more than once."""

    async def run():
        partition = Partition(request.node.name)
        partition.come(5, 9)
        first = await partition.sought(), partition.owned.has_rows
        partition.come(0, 9)
        partition.come(20, 30)
        second = await partition.sought(), partition.owned.has_rows
        partition.come(0, 30)
        partition.worker.consumer.ends[partition.labels] = 0
        while await partition.owned.advance():
            pass
        return first, second, partition.owned.task.ledger["predicted"]

    assert asyncio.run(run()) == (([0], False), ([0, 0], False), 30)


def test_chunks_that_were_on_their_way_when_it_was_sought_change_nothing(request):
    """Older ones repeat what is known, later ones leave the same hole: neither is taken, and one seek is enough."""

    async def run():
        partition = Partition(request.node.name)
        while await partition.owned.advance():
            pass
        partition.come(0, 2)
        assert await partition.sought() == []
        partition.come(5, 9)
        partition.clock.now += HEAL_S
        for start, stop in ((9, 12), (0, 2), (1, 3), (12, 20)):
            partition.come(start, stop)
        return await partition.sought(), partition.owned.has_rows

    assert asyncio.run(run()) == ([2], False)


def test_a_hole_that_stays_ends_the_process_while_the_other_input_goes_on(request):
    """A label that fits heals no hole among the events: else it would be sought again for ever, and never be told."""

    async def run():
        partition = Partition(request.node.name)
        partition.come(5, 9)
        partition.labels_come(0, 3)
        partition.clock.now += HEAL_S
        partition.come(9, 12)
        partition.labels_come(3, 4)
        partition.clock.now += 0.1
        with pytest.raises(
            BrokerError, match=r"could not read shop\.features/0 on at offset 0: .*rows from 12"
        ) as told:
            partition.come(12, 14)
        return await partition.sought(), str(told.value)

    sought, told = asyncio.run(run())
    assert sought == [0]
    assert "--accept-gap" not in told


def test_a_hole_that_healed_counts_from_its_next_time(request):
    """Two holes an hour apart are two, each with its own seconds to heal."""

    async def run():
        partition = Partition(request.node.name)
        partition.come(5, 9)
        partition.come(0, 9)
        partition.clock.now += 3600
        partition.come(20, 30)
        return await partition.sought()

    assert asyncio.run(run()) == [0, 0]
