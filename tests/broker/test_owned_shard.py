"""Published versions of a shard: whoever follows `models` must find what it names."""

import asyncio
import random

import msgspec
import pytest
from offline_worker import OfflineWorker

from streams.errors import StateError
from streams.kafka.durable import Durable
from streams.kafka.owned_shard import SNAPSHOTS_KEPT, Cut, OwnedShard, learner_from
from streams.kafka.sending import Outflow
from streams.messages import ModelVersion


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
    await owned.checkpoint(Cut({"candidates": model, "next": version}, [], {}, version))


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
