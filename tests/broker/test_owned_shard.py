"""A shard's versions and snapshots: whoever follows `models` finds what it names, and no cut holds the predictions."""

import asyncio
import random
import threading
import time

import msgspec
import pytest
from offline_worker import CONFIG, OfflineWorker, Row
from river import base

from streams.config import Config
from streams.errors import StateError
from streams.kafka.durable import Durable
from streams.kafka.owned_shard import SNAPSHOTS_KEPT, Cut, OwnedShard, learner_from
from streams.kafka.sending import Outflow
from streams.messages import Example, ModelVersion, encode

WAITS_S = 0.05
"""So long a snapshot does nothing."""


class Heavy(base.Classifier):
    """A model whose pickling takes as long as the test wants; it says how many rows it has learnt."""

    pickling, let_go = threading.Event(), threading.Event()

    def __init__(self):
        self.rows = 0

    def learn_one(self, _x, _y):
        self.rows += 1

    def predict_proba_one(self, _x):
        return {True: 1 / (1 + self.rows), False: self.rows / (1 + self.rows)}

    def __getstate__(self):
        self.pickling.set()
        assert self.let_go.wait(10)
        return {"rows": self.rows}


def heavy(_target, _kinds, _seed):
    return Heavy()


HEAVY = Config.model_validate(
    CONFIG.model_dump(by_alias=True) | {"models": {"candidates": {"champion": {"model": f"{__name__}:heavy"}}}}
)


def row(offset):
    """A labelled example, the `offset`th of the shard."""
    made = Example(f"e{offset}", "yes", (0, offset), offset, 1_000, features={"x": 1.0}, model="champion")
    return Row(offset, 1_000, b"k", encode(made))


def shard(worker):
    """As restored at a first start."""
    owned = OwnedShard(worker, 0)
    owned.learner = learner_from(worker.config, 0, None)
    owned.durable = Durable.adopt(worker.store, owned.name, {}, worker.identity)
    owned.outflow, owned.ready = Outflow(worker.producer), True
    return owned


async def publish(owned, version, model):
    """The version a checkpoint of this moment would publish, its turn having come."""
    owned.published_at = float("-inf")
    snapshot = asyncio.get_running_loop().create_future()
    snapshot.set_result(model)
    await owned.checkpoint(Cut({"next": version}, snapshot, [], {}, version))


def told(worker):
    """What `models` says, in order."""
    return [msgspec.json.decode(value, type=ModelVersion) for value in worker.producer.values("shop.models")]


def loads(worker, record):
    try:
        worker.store.get_object(record.snapshot, record.digest)
    except StateError:
        return False
    return True


@pytest.mark.parametrize("seed", range(5))
def test_the_newest_versions_can_be_loaded_whatever_was_pruned(seed, request):
    """A model that did not change between two versions is one object under two names: the old one must not take it."""
    rng = random.Random(seed)

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = shard(worker)
        for version in range(3 * SNAPSHOTS_KEPT):
            await publish(owned, version, b"model %d" % (version if rng.random() < 0.7 else rng.randrange(30)))
            newest = told(worker)[-SNAPSHOTS_KEPT // 2 :]
            assert all(loads(worker, record) for record in newest), f"version {version}"
        return len(list(worker.store.objects("snapshots")))

    assert SNAPSHOTS_KEPT // 2 <= asyncio.run(run()) <= SNAPSHOTS_KEPT


def test_a_model_that_stands_still_is_never_pruned(request):
    """All versions are the same object: dropping the oldest would drop every one."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = shard(worker)
        for version in range(2 * SNAPSHOTS_KEPT):
            await publish(owned, version, b"the same")
            assert loads(worker, told(worker)[-1]), f"version {version}"

    asyncio.run(run())


def test_what_others_published_is_theirs_to_judge(request):
    """An earlier owner's versions may be all that `models` names until this one's are read, another shard's always."""

    async def run():
        worker = OfflineWorker(request.node.name)
        others = [worker.store.put_object("snapshots", name, b"theirs") for name in ("shard-0", "shard-1")]
        owned = shard(worker)
        for version in range(2 * SNAPSHOTS_KEPT):
            await publish(owned, version, b"model %d" % version)
        return [worker.store.get_object(*stored) for stored in others]

    assert asyncio.run(run()) == [b"theirs", b"theirs"]


def test_while_a_large_model_is_saved_it_predicts_and_does_not_learn(request):
    """What is durable is the model of the cut and its positions, not of the moment when pickling ended."""

    async def run():
        Heavy.let_go.set()
        worker = OfflineWorker(request.node.name, HEAVY)
        owned = shard(worker)
        owned.rows.extend(row(offset) for offset in range(3))
        assert await owned.advance()
        owned.snapshot_s = 0.02  # taken for a large one
        Heavy.let_go.clear()
        Heavy.pickling.clear()
        owned.cut_if_due()
        await asyncio.to_thread(Heavy.pickling.wait, 10)
        owned.rows.extend(row(offset) for offset in range(3, 5))
        learnt = [await owned.advance() for _ in range(3)]
        said = owned.learner.predict({"x": 1.0})["champion"].probabilities["yes"]
        owned.wake.clear()
        Heavy.let_go.set()
        await owned.saving
        assert owned.wake.is_set()
        assert await owned.advance()
        saved = learner_from(HEAVY, 0, Durable.adopt(worker.store, owned.name, {}, worker.identity).state)
        return learnt, said, owned.learner.version, saved.version, saved.candidates.champion_model.rows

    assert asyncio.run(run()) == ([False, False, False], 1 / 4, 5, 3, 3)


@pytest.mark.parametrize(("here", "due"), [((), 16), ((1,), 16), ((0, 1), 32)])
def test_snapshots_take_a_sixteenth_of_the_time_at_most(request, here, due):
    """A model that takes a second to pickle is not pickled every second, and where nobody follows it half as often."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = shard(worker)
        for partition in here:
            worker.own(partition)
        owned.rows.append(row(0))
        assert await owned.advance()
        owned.snapshot_s, now = 1.0, asyncio.get_running_loop().time()
        found = []
        for owned.cut_at in (now, now - due + 1.0, now - due - 1.0):
            found.append(owned.has_news())
        return found

    assert asyncio.run(run()) == [False, False, True]


def test_a_snapshot_takes_as_long_as_the_clock_says(request):
    """On a core that others use, too, its CPU time is little and what it keeps from them as much: the share is kept."""

    async def run():
        Heavy.let_go.set()
        owned = shard(OfflineWorker(request.node.name, HEAVY))
        owned.rows.append(row(0))
        assert await owned.advance()
        owned.snapshot_s = 0.02  # taken for a large one
        Heavy.let_go.clear()
        Heavy.pickling.clear()
        owned.cut_if_due()
        await asyncio.to_thread(Heavy.pickling.wait, 10)
        await asyncio.sleep(WAITS_S)
        Heavy.let_go.set()
        await owned.saving
        return owned.snapshot_s

    assert asyncio.run(run()) >= WAITS_S


def test_a_version_is_due_at_the_checkpoint_nearest_to_its_time(request):
    """Checkpoints are made at ticks: one that is a moment early is not left for the next, and none is made twice."""

    async def run():
        owned = shard(OfflineWorker(request.node.name))
        half_s = owned.worker.config.state.checkpoint_every_ms / 2_000
        publish_s = owned.worker.config.models.publish_every_ms / 1_000
        due = []
        for ago_s in (publish_s - half_s + 0.01, publish_s - half_s - 0.25, 0.0):
            owned.published_at = time.monotonic() - ago_s
            due.append(owned.cut().scores is not None)
        owned.published_at = float("-inf")
        return [*due, *(owned.cut().scores is not None for _ in range(2))]

    assert asyncio.run(run()) == [True, False, False, True, False]
