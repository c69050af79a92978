"""What the benchmarks of whole processes share: a throw-away Kafka, a pipeline's config, topics and backlog."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tempfile
import time
from pathlib import Path

import aiokafka
import msgspec
import tomlkit

from streams.config import Config
from streams.config_file import load
from streams.kafka.admin import Admin
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker
from streams.kafka.partitioning import partition_of
from streams.kafka.topics import topic_specs

PARTITIONS, BLOCK = 4, 400
LOGISTIC = {"champion": {"model": "logistic_regression"}}
WITH_TREE = {**LOGISTIC, "tree": {"model": "hoeffding_tree"}}


def names_of(width):
    """Names of so many features."""
    return tuple(f"f{place}" for place in range(width))


FEATURES = names_of(8)


@contextlib.contextmanager
def ground():
    """A folder, and in it a Kafka that ends with this process: (folder, address)."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        with LocalBroker(LocalBrokerSettings(folder=folder / "kafka")) as broker:
            yield folder, broker.status().bootstrap


def pipeline(folder, bootstrap, name, *, candidates=None, inputs=None, names=FEATURES, **tables) -> Path:
    """A new pipeline's millrace.toml, its topics made; `inputs` names the pipeline whose inputs it reads."""
    home = folder / name
    home.mkdir()
    topics = {"partitions": PARTITIONS}
    if inputs is not None:
        topics |= {"features": f"{inputs}.features", "labels": f"{inputs}.labels"}
    settings = {
        "name": name,
        "kafka": {"bootstrap": bootstrap},
        "topics": topics,
        "target": {"task": "binary", "labels": [0, 1], "positive": 1},
        "features": dict.fromkeys(names, "numeric"),
        "models": {"candidates": candidates or LOGISTIC},
        **tables,
    }
    path = home / "millrace.toml"
    path.write_text(tomlkit.dumps(settings), encoding="utf-8")
    config = load(path)
    with Admin(config) as admin:
        wanted = topic_specs(config)
        there = admin.topics([spec.name for spec in wanted])
        admin.create_topics([spec for spec in wanted if spec.name not in there])
    return path


class Stream:
    """Events of numbers and their labels, the same in every run."""

    def __init__(self, seed=1, names=FEATURES):
        self.source, self.encode, self.names = random.Random(seed), msgspec.json.Encoder().encode, names

    def pair(self, number):
        """(key, event, label) as bytes."""
        gauss = self.source.gauss
        features = {name: gauss(0, 1) for name in self.names}
        label = int(features["f0"] + features["f1"] + gauss(0, 1) > 0)
        key = str(number)
        event = self.encode({"id": key, "features": features})
        return key.encode(), event, self.encode({"id": key, "label": label})


async def backlog(config: Config, events: int, told=lambda _: None, unlabelled: int = 0, first: int = 0):
    """Each block of events is on the broker before its labels are sent, as live traffic would be.

    The first `unlabelled` events get no label; they are numbered from `first`.
    """
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, acks="all", max_batch_size=1 << 20, linger_ms=0
    )
    await producer.start()
    stream = Stream(names=tuple(config.features))
    block = min(BLOCK, 20_000 // len(stream.names))  # one batch of a partition holds it
    for start in range(0, events, block):
        rows = [stream.pair(first + number) for number in range(start, min(events, start + block))]
        for topic, place in ((config.topic("features"), 1), (config.topic("labels"), 2)):
            batches = {}
            for row in rows if place == 1 else rows[max(0, unlabelled - start) :]:
                partition = partition_of(row[0], PARTITIONS)
                batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
                assert batch.append(key=row[0], value=row[place], timestamp=None) is not None
            sent = [
                await producer.send_batch(batch, topic, partition=partition) for partition, batch in batches.items()
            ]
            await asyncio.gather(*sent)
        told(min(events, start + block))
    await producer.stop()


def fresh(prefix):
    """A pipeline name nobody has used."""
    return f"{prefix}-{os.getpid()}-{time.monotonic_ns() % 10**9}"
