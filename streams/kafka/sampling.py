"""A look into a topic: its oldest records, read without a group, so that nothing is left behind."""

from __future__ import annotations

import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError
from streams.foreign import read_as
from streams.kafka.admin import Admin
from streams.kafka.security import client_settings
from streams.record_shape import Sample

_READ_S = 10.0


def sample_topic(config: Config, topic: str, records_max: int = 1_000) -> Sample:
    """Up to `records_max` of the oldest records, from all partitions; raises BrokerError."""
    with Admin(config) as admin:
        if not admin.topics([topic]):
            raise BrokerError(f"could not find {topic}: neither a file nor a topic at {admin.bootstrap} is called so")
        ends = {place: end for place, end in admin.end_offsets([topic]).items() if place[0] == topic}
        begins = admin.begin_offsets([topic])
    left = {TopicPartition(*place): end for place, end in ends.items() if end > begins.get(place, 0)}
    documents: list[dict[str, object]] = []
    unreadable = 0
    if left:
        try:
            consumer = KafkaConsumer(
                **client_settings(config),
                client_id=f"millrace-{config.name}-init",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
        except (KafkaError, OSError, ValueError) as error:
            raise BrokerError(f"could not read {topic}: {error}") from error
        try:
            consumer.assign(list(left))
            consumer.seek_to_beginning(*left)
            deadline = time.monotonic() + _READ_S
            while left and len(documents) + unreadable < records_max and time.monotonic() < deadline:
                for place, batch in consumer.poll(timeout_ms=500, max_records=records_max).items():
                    for record in batch:
                        document = read_as(record.value, dict[str, object])
                        if document is None:
                            unreadable += 1
                        else:
                            documents.append(document)
                    if consumer.position(place) >= left.get(place, 0):
                        left.pop(place, None)
        except KafkaError as error:
            raise BrokerError(f"could not read {topic}: {error}") from error
        finally:
            consumer.close()
    return Sample(documents[:records_max], unreadable, len(ends))
