"""Sending of whole batches: in order, fairly, and never without knowing what the broker holds."""

import asyncio

import pytest

from streams.errors import BrokerError
from streams.kafka.sending import Outflow, settled

ROOM = 3
"""Records in a batch of this producer."""


class Batch:
    """As aiokafka's builder: full after `ROOM` records, or for one that is too large."""

    def __init__(self):
        self.records = []

    def append(self, *, key, value, timestamp):
        assert timestamp is None
        if len(self.records) == ROOM or value == b"too large":
            return None
        self.records.append((key, value))
        return object()

    def close(self):
        pass


class Answer:
    def __init__(self, offset):
        self.offset = offset


class Producer:
    """As aiokafka's accumulator: one batch of a partition waits at a time. Who asks meanwhile is counted."""

    def __init__(self):
        self.log, self.waiting, self.waiting_max, self.fails = [], 0, 0, False

    create_batch = staticmethod(Batch)

    async def send_batch(self, batch, topic, *, partition):
        self.waiting += 1
        self.waiting_max = max(self.waiting_max, self.waiting)
        await asyncio.sleep(0)
        self.waiting -= 1
        future = asyncio.get_running_loop().create_future()
        if self.fails:
            future.set_exception(OSError("gone"))
        else:
            future.set_result(Answer(len(self.log)))
        self.log.extend((topic, partition, value) for _, value in batch.records)
        return future


def records(*values):
    return [(b"k", value) for value in values]


def test_senders_to_one_partition_take_turns():
    """Of many that send at once only one waits in aiokafka, which would let the others starve; all get in, in order."""

    async def run():
        producer = Producer()
        flows = [Outflow(producer) for _ in range(20)]
        await asyncio.gather(*(flow.send("examples", 0, records(b"%d" % number)) for number, flow in enumerate(flows)))
        return producer

    producer = asyncio.run(run())

    assert producer.waiting_max == 1
    assert [value for _, _, value in producer.log] == [b"%d" % number for number in range(20)]


def test_partitions_do_not_wait_for_each_other():
    """A turn is one partition's."""

    async def run():
        producer = Producer()
        await asyncio.gather(*(Outflow(producer).send("predictions", place, records(b"x")) for place in range(4)))
        return producer

    assert asyncio.run(run()).waiting_max == 4


def test_each_batch_tells_where_it_lies():
    """More records than a batch holds become several, in order, each acknowledged with its own offset."""

    async def run():
        producer, told = Producer(), []
        flow = Outflow(producer)
        values = [b"%d" % number for number in range(2 * ROOM + 1)]
        await flow.send("predictions", 0, records(*values), lambda base, count: told.append((base, count)))
        await flow.drain()
        return [value for _, _, value in producer.log] == values, told

    assert asyncio.run(run()) == (True, [(0, ROOM), (ROOM, ROOM), (2 * ROOM, 1)])


def test_a_failed_batch_is_never_taken_for_sent():
    """What a cut rests on is known to have failed, whoever looks: the check between steps, and the drain."""

    async def run(look):
        producer = Producer()
        producer.fails = True
        flow = Outflow(producer)
        await flow.send("examples", 0, records(b"x"))
        with pytest.raises(BrokerError, match="could not send"):
            await look(flow)

    async def check(flow):
        flow.check()

    async def cut(flow):
        await asyncio.wait(flow.inflight)  # failed before the cut, and nobody has looked yet
        await settled(flow.pending())

    for look in (check, Outflow.drain, cut):
        asyncio.run(run(look))


def test_a_record_larger_than_a_batch_is_refused_by_its_topic():
    """And not silently left out."""

    async def run():
        with pytest.raises(BrokerError, match="examples could not take a record of 9 bytes"):
            await Outflow(Producer()).send("examples", 0, records(b"too large"))

    asyncio.run(run())
