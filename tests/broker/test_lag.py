"""On a backlog the model of a worker's own shard lacks so many examples at most, of all that were emitted."""

import asyncio
import json
import random
from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest
from kafka import KafkaProducer
from offline_worker import CONFIG, Batch, OfflineWorker, Row, events
from pipeline_process import Pipeline, until
from pipeline_records import end_offsets, read_topic

from streams.config import Config
from streams.kafka.durable import Durable
from streams.kafka.fetching import Chunk
from streams.kafka.owned_shard import OwnedShard, learner_from
from streams.kafka.pace import ROWS_MAX
from streams.kafka.sending import Outflow
from streams.messages import Prediction, encode

MOST, EVENTS, EVERY_MS = 100, 600, 10
MODELS = {"lag_examples_max": MOST, "candidates": {"champion": {"model": "logistic_regression"}}}
BOUNDED = Config.model_validate(CONFIG.model_dump(by_alias=True) | {"models": MODELS})
FEW = 3
"""Turns of the event loop after which an answer was heard."""


class Slow:
    """A producer that acknowledges when it is told to, and sometimes forgets to say where."""

    create_batch = staticmethod(Batch)

    def __init__(self, chance):
        self.chance, self.logs, self.unanswered = chance, {"shop.examples": [], "shop.predictions": []}, []

    async def send_batch(self, batch, topic, **_):
        log, future = self.logs[topic], asyncio.get_running_loop().create_future()
        if topic == "shop.examples":
            self.unanswered.append((future, -1 if self.chance.random() < 0.2 else len(log)))
        else:
            future.set_result(SimpleNamespace(offset=len(log)))
        log += [value for _, value, _ in batch]
        return future

    async def acknowledge(self, count):
        for _ in range(min(count, len(self.unanswered))):
            future, offset = self.unanswered.pop(0)
            future.set_result(SimpleNamespace(offset=offset))
        for _ in range(FEW):
            await asyncio.sleep(0)


class Backlog:
    """Two partitions of events whose labels follow each at once, and the shard that learns from both."""

    def __init__(self, name, seed):
        self.chance = random.Random(seed)
        self.worker = OfflineWorker(name, BOUNDED)
        self.producer = self.worker.producer = Slow(self.chance)
        self.shard = OwnedShard(self.worker, 0)
        self.shard.learner = learner_from(BOUNDED, 0, None)
        self.shard.durable = Durable.adopt(self.worker.store, self.shard.name, {}, self.worker.identity)
        self.shard.start(parked=True)
        self.shard.runner.cancel()
        self.shard.outflow, self.shard.ready = Outflow(self.producer), True
        self.worker.shards[0] = self.shard
        self.tasks = [self.worker.own(partition) for partition in (0, 1)]
        for owned in self.tasks:
            owned.feed(events(owned, 0, EVENTS, EVERY_MS))
            self.worker.consumer.ends[owned.tps[1]] = EVENTS
            owned.feed(Chunk(owned.tps[1], 0, EVENTS, [label(n) for n in range(EVENTS)]))
        self.lacked = []
        """Of the model at each step, the examples of all partitions that were emitted by then."""

    @property
    def examples(self):
        return self.producer.logs["shop.examples"]

    @property
    def predicted(self):
        return [msgspec.json.decode(value, type=Prediction) for value in self.producer.logs["shop.predictions"]]

    async def step(self, owned):
        """Whether the partition went on."""
        lacked, before = len(self.examples) - self.shard.version, len(self.producer.logs["shop.predictions"])
        moved = await owned.advance()
        if len(self.producer.logs["shop.predictions"]) > before:
            self.lacked.append(lacked)
        return moved

    async def learn(self, count):
        """So many more examples are fetched and learnt."""
        shard, held = self.shard, self.worker.catching_up(0)
        stop = min(len(self.examples), shard.read + count)
        if stop > shard.read:
            rows = [Row(offset, 1_000, b"k", self.examples[offset]) for offset in range(shard.read, stop)]
            shard.feed(Chunk(shard.tp, shard.read, stop, rows))
        for owned in self.tasks:
            owned.wake.clear()
        while await shard.advance():
            pass
        if held and not self.worker.catching_up(0):
            assert all(owned.wake.is_set() for owned in self.tasks), "nobody told them to go on"


def label(number):
    value = encode({"id": f"e{number}", "label": "yes" if number % 3 else "no"})
    return Row(number, number * EVERY_MS + 1, b"k", value)


async def until_held(backlog):
    """Both partitions for as long as either moves; nothing is acknowledged, nothing learnt."""
    while any([await backlog.step(owned) for owned in backlog.tasks]):
        pass


def test_examples_that_nobody_has_acknowledged_are_lacked_too(request):
    """The broker says nothing for a while: the partitions stop at the bound, and go on as the model learns."""

    async def run():
        backlog = Backlog(request.node.name, seed=0)
        await until_held(backlog)
        emitted = len(backlog.examples)
        await backlog.producer.acknowledge(EVENTS)
        await until_held(backlog)
        held = len(backlog.examples)
        await backlog.learn(emitted)
        await until_held(backlog)
        return emitted, held, len(backlog.examples)

    emitted, held, then = asyncio.run(run())
    assert MOST < emitted <= MOST + ROWS_MAX
    assert held == emitted
    assert then > emitted


def test_what_other_workers_have_appended_is_lacked_too(request):
    """As far as the fetch has told: with more of them than the bound, this worker's partitions wait for the model."""

    async def run():
        backlog = Backlog(request.node.name, seed=0)
        backlog.worker.consumer.ends[backlog.shard.tp] = MOST + 1
        return [await owned.advance() for owned in backlog.tasks]

    assert asyncio.run(run()) == [False, False]


@pytest.mark.parametrize("seed", range(30))
def test_no_prediction_is_made_by_a_model_that_lacks_more_than_the_bound(request, seed):
    """Whatever the order of steps, answers and lessons: no step begins beyond it, each says so, and all is learnt."""

    async def run():
        backlog = Backlog(request.node.name, seed)
        chance = backlog.chance
        while backlog.shard.version < 2 * EVENTS:
            for owned in chance.sample(backlog.tasks, 2):
                await backlog.step(owned)
            if chance.random() < 0.5:
                await backlog.producer.acknowledge(chance.randrange(4))
            if chance.random() < 0.5:
                await backlog.learn(chance.randrange(1, 2 * ROWS_MAX))
        return backlog.lacked, [said.behind for said in backlog.predicted]

    lacked, behind = asyncio.run(run())
    assert max(lacked) == max(behind) <= MOST
    assert len(behind) == 2 * EVENTS


BLOCK, BLOCKS = 50, 80


def send_backlog(broker, pipeline):
    """Blocks of events, each followed by its labels."""
    producer = KafkaProducer(bootstrap_servers=broker, linger_ms=5)
    for block in range(BLOCKS):
        for role in ("features", "labels"):
            for number in range(block * BLOCK, (block + 1) * BLOCK):
                key = f"e{number}"
                event = {"id": key, "features": {"x": number % 7 - 3.0, "y": 1.0}}
                said = event if role == "features" else {"id": key, "label": "yes" if number % 3 else "no"}
                producer.send(pipeline.topic(role), key=key.encode(), value=json.dumps(said).encode())
            producer.flush()
    producer.close()


def emitted_before(pipeline, broker):
    """Of each event, by id: how many examples its partition had emitted when its turn came, by the inputs alone."""
    inputs = [
        (record.partition, record.timestamp, rank, record.offset, record.json["id"])
        for rank, role in enumerate(("features", "labels"))
        for record in read_topic(broker, pipeline.topic(role))
    ]
    emitted, found, halves = Counter(), {}, set()
    for partition, _, rank, _, identity in sorted(inputs):
        if rank == 0:
            found[identity] = emitted[partition]
        emitted[partition] += identity in halves  # the other half is there
        halves.add(identity)
    return found


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 4])
def test_on_a_real_backlog_every_prediction_was_made_within_the_bound(broker, pipeline_name, tmp_path, partitions):
    """By the logs: what a partition's labels before an event had brought and its model had not learnt, but one step."""
    tables = {"models": MODELS, "labels": {"wait": "1h"}, "topics": {"partitions": partitions}}
    with Pipeline(tmp_path, broker, pipeline_name, **tables).create_topics() as pipeline:
        send_backlog(broker, pipeline)
        examples, wanted = pipeline.topic("examples"), BLOCK * BLOCKS
        worker = pipeline.start("worker")
        until(lambda: sum(end_offsets(broker, [examples]).values()) >= wanted, 120, "all joined")
        assert worker.stop() == 0
        learnt = [record.json["label_source"][0] for record in read_topic(broker, examples)]
        predicted = [(record.partition, record.json) for record in read_topic(broker, pipeline.topic("predictions"))]
        before = emitted_before(pipeline, broker)

    of = {partition: [0] for partition in range(partitions)}  # examples of a partition below each version
    for source in learnt:
        for partition, counts in of.items():
            counts.append(counts[-1] + (partition == source))
    lacked = [before[said["id"]] - of[partition][said["version"]] for partition, said in predicted]
    assert len(lacked) == wanted
    assert max(lacked) <= MOST + ROWS_MAX
    assert max(said.get("behind", 0) for _, said in predicted) <= MOST
