"""A real worker without Kafka: what it sends is kept, what it asks of its consumer is noted."""

import asyncio
from types import SimpleNamespace
from typing import NamedTuple

from streams.config import Config
from streams.kafka.durable import Identity
from streams.kafka.fetching import Chunk
from streams.kafka.owned_shard import FollowedModel
from streams.kafka.owned_task import OwnedTask
from streams.kafka.sending import Outflow
from streams.kafka.worker import Worker
from streams.messages import encode
from streams.stages.candidates import build_candidates
from streams.stages.task import Task
from streams.state.done import DoneIds
from streams.state.keyring import Keyring
from streams.state.pending import PendingStore
from streams.state.store import Store

CONFIG = Config.model_validate(
    {
        "name": "shop",
        "kafka": {"bootstrap": "127.0.0.1:9"},
        "topics": {"partitions": 2},
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric"},
        "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
    }
)


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Batch(list):
    """As aiokafka's builder, of any size."""

    def append(self, *, key, value, timestamp):
        super().append((key, value, timestamp))
        return object()

    def close(self):
        pass


class Producer:
    """Has acknowledged whatever it is given when it answers."""

    create_batch = staticmethod(Batch)

    def __init__(self):
        self.sent = []

    async def send_batch(self, batch, topic, *, partition):
        base = sum(1 for record in self.sent if record[:2] == (topic, partition))
        self.sent += [(topic, partition, value) for _, value, _ in batch]
        return self._acknowledged(base)

    async def send(self, topic, *, value, key, partition, headers):  # noqa: ARG002 - aiokafka's signature
        self.sent.append((topic, partition, value))
        return self._acknowledged(len(self.sent))

    def _acknowledged(self, offset):
        future = asyncio.get_running_loop().create_future()
        future.set_result(SimpleNamespace(offset=offset))
        return future

    def values(self, topic):
        return [value for sent_to, _, value in self.sent if sent_to == topic]


class Consumer:
    """Knows how far each log goes; `held` are the partitions it was asked not to read on."""

    def __init__(self):
        self.ends, self.held = {}, set()

    def on_buffer_full(self, partition):
        self.held.add(partition)

    def on_buffer_drop(self, partition):
        self.held.discard(partition)


class OfflineWorker(Worker):
    """Everything but the group and the broker."""

    producer = consumer = None  # instead of the app's

    def __init__(self, store_name, config=CONFIG):
        store = Store(f"memory://{store_name}", Keyring(current=b"k" * 32))
        super().__init__(config, {}, Identity(cluster_id="c", topic_ids={}), store)
        self.temporary.cleanup()
        self.producer, self.consumer = Producer(), Consumer()
        self.sought, self.shown = [], []
        self.following.set()
        self.followed[0] = FollowedModel(build_candidates(config), 0)

    async def seek_and_resume(self, positions):
        self.sought.append(dict(positions))

    async def show_progress(self, offsets):
        self.shown.append(dict(offsets))

    def own(self, partition):
        """A task at the beginning of two empty logs, as if restored; the caller moves it by `advance`."""
        owned = OwnedTask(self, partition)
        owned.hold(Task(partition, self.task_config, self.decoding, PendingStore(10_000, None), DoneIds()))
        owned.start(parked=True)
        owned.runner.cancel()
        owned.outflow, owned.ready = Outflow(self.producer), True
        self.consumer.ends.update(dict.fromkeys(owned.tps, 0))
        self.tasks[partition] = owned
        return owned


def events(owned, start, count, every_ms):
    """A chunk of events, at offset `n` one of `n * every_ms`, and the end of their log behind it."""
    rows = [
        Row(offset, offset * every_ms, b"k", encode({"id": f"e{offset}", "features": {"x": 1.0}}))
        for offset in range(start, start + count)
    ]
    owned.worker.consumer.ends[owned.tps[0]] = start + count
    return Chunk(owned.tps[0], start, start + count, rows)
