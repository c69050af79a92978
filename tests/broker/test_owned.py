"""The life of a stage: cuts lie between steps, and what a step left half-done never becomes durable."""

import asyncio
import random

import pytest

from streams.errors import BrokerError
from streams.kafka.owned import Owned
from streams.observability.work import Work

FEW = 20
"""Turns of the event loop after which nothing moves any more that could."""


class Answer:
    offset = -1


class Batch(list):
    def append(self, *, key, value, timestamp):
        super().append((key, value, timestamp))
        return object()

    def close(self):
        pass


class Producer:
    """Takes a batch once its gate is open, acknowledges at once; or fails."""

    create_batch = staticmethod(Batch)

    def __init__(self):
        self.taken, self.gate, self.fails = [], asyncio.Event(), False
        self.acknowledges, self.unanswered = True, []

    async def send_batch(self, batch, topic, *, partition):
        assert (topic, partition) == ("outputs", 0)
        await self.gate.wait()
        if self.fails:
            raise BrokerError("could not send")
        self.taken += [int(value) for _, value, _ in batch]
        future = asyncio.get_running_loop().create_future()
        self.unanswered.append(future)
        if self.acknowledges:
            self.acknowledge()
        return future

    def acknowledge(self):
        while self.unanswered:
            self.unanswered.pop().set_result(Answer())


class Process:
    """What a stage asks of its process, without a group and without Kafka."""

    def __init__(self):
        self.producer, self.tasks = Producer(), []

    def work_of(self, _name):
        return Work()

    def spawn(self, work, _name):
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    async def seek_and_resume(self, positions):
        pass

    async def end(self):
        """As a process does: whatever still runs is cancelled."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Tally(Owned):
    """Counts in steps and says each number; a cut is the count."""

    def __init__(self, process):
        super().__init__(process, "tally")
        self.count = self.todo = 0
        self.durable = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.writes = []

    async def restore(self):
        pass

    async def advance(self):
        if not self.todo:
            return False
        self.todo -= 1
        self.count += 1
        await self.outflow.send("outputs", 0, [(None, b"%d" % self.count)])
        return True

    def has_news(self):
        return self.count not in self.durable

    def cut(self):
        return self.count

    async def save(self, cut):
        self.writes.append(cut)
        await self.disk.wait()
        self.durable.append(cut)

    async def checkpoint(self, cut):
        await self.save(cut)

    def positions(self):
        return {}

    def forget_buffered(self):
        pass

    def work(self, steps):
        self.todo += steps
        self.wake.set()


def turn(gate):
    """Open it, or close it."""
    (gate.clear if gate.is_set() else gate.set)()


async def settle():
    for _ in range(FEW):
        await asyncio.sleep(0)


async def started():
    process = Process()
    tally = Tally(process)
    tally.start()
    await settle()
    return process, tally


def test_a_cut_asked_for_inside_a_step_is_taken_once_its_outputs_are_handed_over():
    """Between the change of the state and the producer lies a moment whose cut would lose the outputs in a crash."""

    async def run():
        process, tally = await started()
        tally.work(1)
        await settle()
        tally.cut_if_due()
        await settle()
        inside = tally.count, list(tally.durable), list(process.producer.taken)
        process.producer.gate.set()
        await settle()
        await process.end()
        return inside, tally.durable, process.producer.taken

    assert asyncio.run(run()) == ((1, [], []), [1], [1])


def test_parking_finishes_the_step():
    """Revoked in the middle of a step: its outputs go out, and only then the last cut becomes durable."""

    async def run():
        process, tally = await started()
        tally.work(3)
        await settle()
        parking = asyncio.ensure_future(tally.park())
        await settle()
        inside = parking.done(), list(tally.durable)
        process.producer.gate.set()
        return inside, await parking, tally.durable, process.producer.taken

    assert asyncio.run(run()) == ((False, []), True, [1], [1])


def test_parking_waits_for_a_checkpoint_that_is_being_written():
    """Two writers at once might leave the older one on top."""

    async def run():
        process, tally = await started()
        process.producer.gate.set()
        tally.disk.clear()
        tally.work(1)
        await settle()
        tally.cut_if_due()
        tally.work(1)
        await settle()
        parking = asyncio.ensure_future(tally.park())
        await settle()
        inside = list(tally.writes)
        tally.disk.set()
        return inside, await parking, tally.durable

    assert asyncio.run(run()) == ([1], True, [1, 2])


def test_a_parked_state_has_said_nothing_that_the_broker_does_not_hold():
    """Whoever takes the partition reads the log next: what is still on its way would be said again."""

    async def run():
        process, tally = await started()
        process.producer.gate.set()
        process.producer.acknowledges = False
        tally.work(1)
        await settle()
        parking = asyncio.ensure_future(tally.park())
        await settle()
        inside = parking.done(), list(tally.writes)
        process.producer.acknowledge()
        return inside, await parking, tally.durable

    assert asyncio.run(run()) == ((False, []), True, [1])


async def fail(process, tally):
    process.producer.fails = True
    process.producer.gate.set()
    await asyncio.wait([tally.runner])
    with pytest.raises(BrokerError):
        tally.runner.result()


async def cancel(_process, tally):
    tally.runner.cancel()
    await asyncio.wait([tally.runner])


@pytest.mark.parametrize("broken_off", [fail, cancel])
def test_of_a_step_that_was_broken_off_nothing_becomes_durable(broken_off):
    """The state has changed, its outputs are nowhere: neither a regular cut nor the last one may be taken."""

    async def run():
        process, tally = await started()
        tally.work(1)
        await settle()
        await broken_off(process, tally)
        tally.cut_if_due()
        await settle()
        parked = await tally.park()
        return tally.count, parked, tally.durable

    assert asyncio.run(run()) == (1, False, [])


@pytest.mark.parametrize("seed", range(100))
def test_what_is_durable_was_handed_over_whatever_the_order_of_things(seed):
    """Steps, cuts, a slow producer, a slow disk, the end: every durable count has its outputs, and counts only rise."""
    rng = random.Random(seed)

    async def run():
        process, tally = await started()
        gate, disk = process.producer.gate, tally.disk
        acts = [
            lambda: tally.work(rng.randrange(1, 4)),
            tally.cut_if_due,
            lambda: turn(gate),
            lambda: turn(disk),
        ]
        for _ in range(40):
            rng.choice(acts)()
            for _ in range(rng.randrange(6)):
                await asyncio.sleep(0)
                assert all(count in {0, *process.producer.taken} for count in tally.durable)
        end = asyncio.ensure_future(tally.park())
        if rng.random() < 0.5:
            tally.runner.cancel()
        gate.set()
        disk.set()
        await end
        await process.end()
        return tally.durable, process.producer.taken

    durable, taken = asyncio.run(run())
    assert taken == list(range(1, len(taken) + 1))
    assert set(durable) <= {0, *taken}
    assert durable == sorted(durable)


def test_a_cut_is_not_begun_while_another_is_written():
    """A slow disk delays checkpoints; it never piles them up."""

    async def run():
        process, tally = await started()
        process.producer.gate.set()
        tally.disk.clear()
        for _ in range(3):
            tally.work(1)
            await settle()
            tally.cut_if_due()
        await settle()
        tally.disk.set()
        await settle()
        tally.cut_if_due()
        await settle()
        await process.end()
        return tally.durable

    assert asyncio.run(run()) == [1, 3]
