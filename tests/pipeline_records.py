"""What a pipeline left behind, read without millrace: topics by kafka-python, checkpoints by their described format."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import time
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition

KNOWN_S = 30.0


class Record(NamedTuple):
    """One record as the broker holds it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def json(self):
        return json.loads(self.value)


class Checkpoint(NamedTuple):
    """The newest checkpoint of a name, its signature checked."""

    generation: int
    sequence: int
    header: dict[str, Any]
    payload: dict[str, Any]

    @property
    def state(self):
        return self.payload["state"]


def read_topic(bootstrap, topic):
    """All committed records of all partitions, by partition and offset."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        places = _places(consumer, [topic])
        ends = consumer.end_offsets(places)
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found = []
        while any(consumer.position(place) < ends[place] for place in places):
            for batch in consumer.poll(timeout_ms=1000, max_records=5000).values():
                found += [
                    Record(r.partition, r.offset, r.timestamp, r.key, r.value, dict(r.headers or ())) for r in batch
                ]
    finally:
        consumer.close()
    return sorted(found)


def end_offsets(bootstrap, topics):
    """`topic/partition` → end."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        places = _places(consumer, topics)
        return {f"{place.topic}/{place.partition}": end for place, end in consumer.end_offsets(places).items()}
    finally:
        consumer.close()


def _places(consumer, topics):
    """All their partitions; a broker that has just come back may not know them at once."""
    found, deadline = [], time.monotonic() + KNOWN_S
    for topic in topics:
        while not (numbers := consumer.partitions_for_topic(topic)):
            assert time.monotonic() < deadline, f"{topic} does not exist"
            time.sleep(0.1)
        found += [TopicPartition(topic, number) for number in sorted(numbers)]
    return found


_PREFIX = struct.Struct(">8s32s8sHIQ")


def read_checkpoint(state, name) -> Checkpoint | None:
    """By its place in the folder, as its file format is described; None if there is none yet."""
    key = (state.parent / "state.key").read_text().split()[0].encode()
    for path in sorted((state / "checkpoints" / name).glob("*.ckpt"), reverse=True):
        try:
            blob = path.read_bytes()
        except FileNotFoundError:  # pruned meanwhile
            continue
        magic, mac, _, version, header_size, _ = _PREFIX.unpack_from(blob)
        assert (magic, version) == (b"millrace", 1)
        assert hmac.compare_digest(mac, hmac.new(key, magic + blob[40:], hashlib.sha256).digest()), path
        header = msgspec.msgpack.decode(blob[_PREFIX.size : _PREFIX.size + header_size])
        payload = msgspec.msgpack.decode(blob[_PREFIX.size + header_size :], strict=False)
        generation, sequence = map(int, path.stem.split("-"))
        return Checkpoint(generation, sequence, header, payload)
    return None


def positions(state, names):
    """`topic/partition` → next offset of whoever of these names has read least, by the newest checkpoints."""
    found: dict[str, int] = {}
    for name in names:
        checkpoint = read_checkpoint(state, name)
        for place, offset in checkpoint.header["offsets"].items() if checkpoint else ():
            found[place] = min(offset, found.get(place, offset))
    return found


def lag(pipeline):
    """`topic/partition` → records that the pipeline's checkpoints do not cover yet; empty once it has caught up."""
    topics = [pipeline.topic(role) for role in ("features", "labels", "predictions", "examples")]
    owners = [f"task-{p}" for p in range(pipeline.partitions)] + [f"shard-{s}" for s in range(pipeline.shards)]
    ends = end_offsets(pipeline.bootstrap, topics)
    now = positions(pipeline.state, ["monitor", *owners])
    return {place: end - now.get(place, 0) for place, end in ends.items() if now.get(place, 0) < end}
