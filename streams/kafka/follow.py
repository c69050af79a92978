"""Following `models`: shards that another worker learns are predicted with their newest published version."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiokafka
import structlog

from streams.errors import StateError
from streams.foreign import read_as
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
    async with reader(worker.connection) as consumer:
        consumer.assign([place])
        begin, end = await bounds(consumer, topic, 0)
        consumer.seek(place, begin)
        while True:
            for row in (await consumer.getmany(place, timeout_ms=500)).get(place, []):
                if row.value is None:
                    _take_back(worker, row.key)
                    continue
                record = read_as(row.value, ModelVersion)
                if record is None:
                    continue  # somebody else's record in a topic of ours
                known = worker.published.get(record.shard)
                if known is None or record.version > known.version:
                    worker.published[record.shard] = record
            for shard in {task.shard for task in worker.tasks.values()}:
                await follow_newest(worker, shard)
            if not worker.following.is_set() and await consumer.position(place) >= end:
                worker.following.set()


def _take_back(worker: Worker, key: bytes | None) -> None:
    """A shard's tombstone: `millrace rebuild` began it anew, its versions count from the beginning again."""
    number = (key or b"").rpartition(b"/")[2]
    if not number.isdigit():
        return  # somebody else's tombstone
    shard = int(number)
    worker.published.pop(shard, None)
    if shard in worker.followed:
        worker.followed[shard].version = 0  # any new one is greater


async def follow_newest(worker: Worker, shard: int) -> None:
    """Predict with the newest published version of a shard that another worker learns, unless what is here is newer."""
    record = worker.published.get(shard)
    if record is None or not _is_news(worker, record):
        return
    try:
        snapshot = await asyncio.to_thread(worker.store.get_object, record.snapshot, record.digest)
        candidates = await asyncio.to_thread(build_candidates, worker.config, snapshot)
    except StateError as error:  # pruned meanwhile, or written with other settings: a newer one will come
        log.warning("version_not_loaded", shard=shard, version=record.version, reason=str(error))
        if worker.published.get(shard) is record:
            del worker.published[shard]
        return
    if _is_news(worker, record):
        age_s = max(0.0, time.time() - (record.cut_ms or record.published_ms) / 1000)
        worker.followed[shard] = FollowedModel(candidates, record.version, time.monotonic() - age_s)
        worker.kick()
        log.info("version_followed", shard=shard, version=record.version)


def _is_news(worker: Worker, record: ModelVersion) -> bool:
    held = worker.followed.get(record.shard)
    return record.shard not in worker.shards and (held is None or held.version < record.version)
