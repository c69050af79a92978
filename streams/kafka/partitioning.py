"""Whether producers put a key where Kafka's own clients would: a sampled check with a warning, never a refusal."""

from __future__ import annotations

import structlog
from kafka.partitioner.default import murmur2

log = structlog.get_logger()


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's Java client, kafka-python and aiokafka put a key.

    >>> [partition_of(b"%d" % n, 4) for n in range(6)]
    [0, 3, 0, 3, 1, 2]
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class KeySample:
    """Looks at one record of each fetch, and warns once for a topic.

    An event and its label meet only on one partition. librdkafka's default partitioner differs from everybody else's,
    so a key that both produce lands on two.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._warned: set[str] = set()

    def look(self, topic: str, partition: int, offset: int, key: bytes | None) -> None:
        """One record; a null key says nothing."""
        if key is None or topic in self._warned or self.partitions == 1:
            return
        expected = partition_of(key, self.partitions)
        if expected != partition:
            self._warned.add(topic)
            log.warning(
                "key_on_another_partition",
                topic=topic,
                partition=partition,
                murmur2_says=expected,
                offset=offset,
                hint="harmless if features and labels are produced alike; for confluent-kafka and other librdkafka "
                "clients set partitioner=murmur2_random",
            )
