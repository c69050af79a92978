"""Following `models`: shards that another worker learns are predicted with their newest published version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiokafka
import msgspec
import structlog

from streams.errors import StateError
from streams.kafka.owned_shard import FollowedModel
from streams.kafka.reading import bounds, reader
from streams.messages import ModelVersion
from streams.stages.candidates import build_candidates

if TYPE_CHECKING:
    from streams.kafka.worker import Worker

log = structlog.get_logger()


async def follow_models(worker: Worker) -> None:
    """Read `models` without a group from its beginning, for ever; only greater versions are accepted."""
    topic = worker.config.topic("models")
    place = aiokafka.TopicPartition(topic, 0)
    decode = msgspec.json.Decoder(ModelVersion).decode
    async with reader(worker.connection) as consumer:
        consumer.assign([place])
        begin, end = await bounds(consumer, topic, 0)
        consumer.seek(place, begin)
        while True:
            newest: dict[int, ModelVersion] = {}
            for row in (await consumer.getmany(place, timeout_ms=500)).get(place, []):
                if row.value is None:
                    if (shard := _taken_back(worker, row.key)) is not None:
                        newest.pop(shard, None)
                    continue
                try:
                    record = decode(row.value)
                except (msgspec.DecodeError, RecursionError):
                    continue  # somebody else's record in a topic of ours
                if record.shard not in newest or record.version > newest[record.shard].version:
                    newest[record.shard] = record
            for shard, record in newest.items():
                await _accept(worker, shard, record)
            if not worker.following.is_set() and await consumer.position(place) >= end:
                worker.following.set()


def _taken_back(worker: Worker, key: bytes | None) -> int | None:
    """The shard of a tombstone: `millrace rebuild` began it anew, its versions count from the beginning again."""
    number = (key or b"").rpartition(b"/")[2]
    if not number.isdigit():
        return None  # somebody else's tombstone
    shard = int(number)
    if shard in worker.followed:
        worker.followed[shard].version = 0  # any new one is greater
    return shard


async def _accept(worker: Worker, shard: int, record: ModelVersion) -> None:
    held = worker.followed.get(shard)
    if shard in worker.shards or (held is not None and held.version >= record.version):
        return
    try:
        snapshot = await asyncio.to_thread(worker.store.get_object, record.snapshot, record.digest)
        candidates = await asyncio.to_thread(build_candidates, worker.config, snapshot)
    except StateError as error:  # pruned meanwhile, or written with other settings: a newer one will come
        log.warning("version_not_loaded", shard=shard, version=record.version, reason=str(error))
        return
    worker.followed[shard] = FollowedModel(candidates, record.version, record.published_ms)
    log.info("version_followed", shard=shard, version=record.version)
