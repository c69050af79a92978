"""Models of other workers: what a partition is predicted with when its shard moves, and what is said of its age."""

import asyncio
import time

import msgspec
import pytest
from offline_worker import CONFIG, OfflineWorker, Row, events

from streams.config import Config
from streams.kafka.durable import Durable
from streams.kafka.follow import follow_newest
from streams.kafka.owned import BUFFER_ROWS
from streams.kafka.owned_shard import FollowedModel, OwnedShard, learner_from
from streams.kafka.sending import Outflow
from streams.messages import Example, ModelVersion, Prediction, encode
from streams.stages.candidates import build_candidates

SHARDED = Config.model_validate(CONFIG.model_dump(by_alias=True) | {"topics": {"partitions": 2, "shards": 2}})


class Log:
    """What a consumer says of one partition that begins at `begin`."""

    def __init__(self, begin, values):
        self.begin, self.values, self.at = begin, values, begin

    async def beginning_offsets(self, places):
        return dict.fromkeys(places, self.begin)

    async def end_offsets(self, places):
        return dict.fromkeys(places, self.begin + len(self.values))

    def assign(self, places):
        pass

    def seek(self, _place, offset):
        self.at = offset

    async def position(self, _place):
        return self.at

    async def getmany(self, place, **_):
        found = [Row(self.begin + n, 1, b"k", value) for n, value in enumerate(self.values)][self.at - self.begin :]
        self.at = self.begin + len(self.values)
        return {place: found}


def rows(start, stop):
    """Labelled examples of a shard."""
    made = (
        Example(f"e{n}", "yes", (0, n), n, 1_000, features={"x": 1.0}, model="champion") for n in range(start, stop)
    )
    return [Row(start + n, 1_000, b"k", encode(example)) for n, example in enumerate(made)]


def learning(worker, shard=0):
    """A shard of this worker's, as restored at a first start."""
    owned = OwnedShard(worker, shard)
    owned.learner = learner_from(worker.config, shard, None)
    owned.durable = Durable.adopt(worker.store, owned.name, {}, worker.identity)
    owned.start(parked=True)
    owned.runner.cancel()
    owned.outflow, owned.ready = Outflow(worker.producer), True
    worker.shards[shard] = owned
    return owned


def told(worker):
    """What `models` says, in order."""
    return [msgspec.json.decode(value, type=ModelVersion) for value in worker.producer.values("shop.models")]


def said(worker):
    return [msgspec.json.decode(value, type=Prediction) for value in worker.producer.values("shop.predictions")]


async def predicted(owned, start, count):
    """Events of a partition, and the predictions that came of one step."""
    before = len(said(owned.worker))
    owned.feed(events(owned, start, count, 10))
    await owned.advance()
    return said(owned.worker)[before:]


def appended(owned, base, count):
    """Examples of this partition, emitted and acknowledged."""
    owned.worker.examples_emitted(owned, count)(base, count)


def test_a_shard_that_leaves_is_published_as_it_is_once(request):
    """Whoever predicts with it elsewhere waits for no next owner; a version that is known is not told again."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = learning(worker)
        for stop in (3, 3, 5):
            owned.rows.extend(rows(owned.version, stop))
            await owned.advance()
            worker.shards[0] = owned
            owned.runner, owned.ready, owned.stopping = asyncio.ensure_future(asyncio.sleep(0)), True, False
            await worker.park()
        return [record.version for record in told(worker)]

    assert asyncio.run(run()) == [3, 5]


@pytest.mark.parametrize(("told_before", "due"), [(None, True), (1, True), (3, False)])
def test_a_successor_publishes_what_is_new_as_soon_as_it_has_caught_up(request, told_before, due):
    """Others predict with what a dead owner published last; what everybody has is not told again."""

    async def run():
        worker = OfflineWorker(request.node.name)
        dead = learning(worker)
        dead.rows.extend(rows(0, 3))
        await dead.advance()
        await dead.save(dead.cut())
        successor = learning(worker)
        successor.durable = Durable.adopt(worker.store, dead.name, {}, worker.identity)
        successor.learner = learner_from(worker.config, 0, successor.durable.state)
        if told_before is not None:
            worker.published[0] = ModelVersion("champion", 0, told_before, 0, "", "", 1, {})
        successor._told_so_far()
        news = successor.has_news()
        successor.end_then = 5
        for start in (3, 4):
            assert successor.saving is None
            successor.rows.extend(rows(start, start + 1))
            await successor._stepped()
        await successor.saving
        successor.rows.extend(rows(5, 6))
        await successor._stepped()
        assert successor.saving.done()
        return news, [record.version for record in told(worker)]

    assert asyncio.run(run()) == (due, [5])


def test_one_that_was_taken_for_dead_publishes_nothing_when_it_leaves(request):
    """Its version is older than what its successor has published since, and would be the last word on `models`."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = learning(worker)
        owned.rows.extend(rows(0, 3))
        await owned.advance()
        successor = Durable.adopt(worker.store, owned.name, {}, worker.identity)
        await successor.save(b"\x80", {})
        owned.runner = asyncio.ensure_future(asyncio.sleep(0))
        await worker.park()
        return told(worker)

    assert asyncio.run(run()) == []


def test_a_shard_that_is_lost_is_predicted_with_as_it_was(request):
    """Not by a model that has learnt nothing, though nobody has published yet."""

    async def run():
        worker = OfflineWorker(request.node.name)
        worker.followed.clear()
        owned = learning(worker)
        owned.rows.extend(rows(0, 7))
        await owned.advance()
        owned.runner = asyncio.ensure_future(asyncio.sleep(0))
        await worker.park()
        await worker.predictor_ready(0)
        return worker.predictor(0).version, worker.predictor(0).predict({"x": 1.0}) == owned.learner.predict({"x": 1.0})

    assert asyncio.run(run()) == (7, True)


def test_a_partition_is_not_predicted_by_an_older_model_than_before(request):
    """Its last owner had a newer one: until that is here the events wait, but not for ever."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = worker.own(0)
        owned.awaited, owned.awaited_until = 5, float("inf")
        older = await predicted(owned, 0, 3)
        worker.followed[0].version = 5
        newer = await predicted(owned, 3, 1)
        owned.awaited, owned.awaited_until = 9, time.monotonic()
        waited = await predicted(owned, 4, 2)
        return [[prediction.version for prediction in each] for each in (older, newer, waited)]

    assert asyncio.run(run()) == [[], [5, 5, 5, 5], [5, 5]]


@pytest.mark.parametrize("tail", [7, 8, 9])
@pytest.mark.parametrize(
    ("last", "awaited"),
    [(encode({"id": "e", "source": 1, "version": 40}), 40), (b"foreign", 0)],
    ids=["a prediction", "foreign"],
)
def test_a_partition_that_comes_awaits_the_version_of_its_last_prediction(request, tail, last, awaited):
    """Wherever its pending ones begin, be it behind the last; whoever put something else there says nothing."""

    async def run():
        owned = OfflineWorker(request.node.name).own(0)
        await owned._read_logged(Log(7, [encode({"id": "d", "source": 0, "version": 39}), last]), tail)
        return owned.awaited, owned.acknowledged_end

    assert asyncio.run(run()) == (awaited, 9)


def test_a_partition_that_never_said_anything_awaits_nothing(request):
    """An empty log, or one of which retention has left nothing."""

    async def run():
        owned = OfflineWorker(request.node.name).own(0)
        await owned._read_logged(Log(7, []), 7)
        return owned.awaited

    assert asyncio.run(run()) == 0


def test_only_greater_versions_are_followed_and_none_of_a_shard_that_is_ours(request):
    """`models` may say an older one last: compaction keeps whoever spoke last."""

    async def run():
        worker = OfflineWorker(request.node.name, SHARDED)
        stored = worker.store.put_object("snapshots", "shard-1", build_candidates(SHARDED).snapshot())

        async def publish(version):
            worker.published[1] = ModelVersion("champion", 1, version, 0, stored.path, stored.digest, 1, {})
            await follow_newest(worker, 1)
            return worker.followed[1].version if 1 in worker.followed else None

        found = [await publish(version) for version in (4, 3, 9)]
        worker.followed.clear()
        learning(worker, 1)
        return [*found, await publish(10)]

    assert asyncio.run(run()) == [4, 4, 9, None]


def test_on_a_backlog_a_followed_model_lacks_a_stated_number_of_examples_at_most(request):
    """Beyond it the partition waits for the next version, which wakes it; live traffic does not wait."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned, most = worker.own(0), CONFIG.models.lag_followed_max
        stored = worker.store.put_object("snapshots", "shard-0", build_candidates(CONFIG).snapshot())
        found = []

        async def step(start, count):
            found.append(len(await predicted(owned, start, count)) > 0)

        appended(owned, 0, most)
        await step(0, BUFFER_ROWS + 1)
        appended(owned, most, 1)
        await step(BUFFER_ROWS + 1, 1)
        owned.wake.clear()
        worker.published[0] = ModelVersion("champion", 0, 1, 0, stored.path, stored.digest, 1, {})
        await follow_newest(worker, 0)
        found.append(owned.wake.is_set())
        await step(BUFFER_ROWS + 2, 1)
        appended(owned, most + 1, 2 * most)
        owned.inputs.paused.clear()  # as with traffic that comes no faster than it is worked off
        await step(BUFFER_ROWS + 3, 1)
        return found

    assert asyncio.run(run()) == [True, False, True, True, True]


def test_a_prediction_says_what_its_model_lacked(request):
    """Nothing while it had learnt all that is known of; else how many examples, and since when at most."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned, now = worker.own(0), time.monotonic()
        worker.followed[0] = FollowedModel(build_candidates(CONFIG), 40, now - 60)
        found = []
        appended(owned, 30, 10)
        found += await predicted(owned, 0, 1)
        appended(owned, 40, 5)  # the model lacks these from now on, however old it is
        worker.even_at[0] -= 2
        appended(owned, 45, 5)
        found += await predicted(owned, 1, 1)
        worker.followed[0] = FollowedModel(build_candidates(CONFIG), 49, now - 1)
        found += await predicted(owned, 2, 1)
        return [(each.version, each.behind, each.behind_ms // 1000) for each in found]

    assert asyncio.run(run()) == [(40, 0, 0), (40, 10, 2), (49, 1, 1)]
