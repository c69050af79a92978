"""Sending prepared records by kafka-python: idempotent, acknowledged by all replicas, murmur2 by key, bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError
from streams.kafka.admin import Admin
from streams.kafka.security import client_settings

IN_FLIGHT_MAX = 20_000
"""Records sent and not yet acknowledged; kafka-python itself has no bound."""
_BATCH_BYTES = 256 * 1024
_LINGER_MS = 20
_RECORD_BYTES_EXTRA = 4_096
"""Above the largest value that is sent: key, headers and framing."""


@dataclass(slots=True)
class Sent:
    """What the broker has acknowledged."""

    records: int = 0
    bytes: int = 0
    by_topic: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, tuple[int, int]] = field(default_factory=dict)
    """`topic/partition` → smallest and greatest offset."""


class RecordSender:
    """Sends records to the pipeline's topics by role; a context manager that flushes at its end.

    Building it reaches for the broker and checks that the topics exist: BrokerError within seconds if not. The first
    record that cannot be delivered raises BrokerError, from `send` or `flush`; `sent` tells what arrived.
    """

    def __init__(self, config: Config, roles: tuple[str, ...]) -> None:
        self.sent = Sent()
        self.warnings = _check_topics(config, roles)
        self._topics = {role: config.topic(role) for role in roles}
        self._in_flight: deque[tuple[str, Any]] = deque()
        try:
            self._producer = KafkaProducer(
                **client_settings(config),
                client_id=f"millrace-{config.name}-produce",
                enable_idempotence=True,
                acks="all",
                linger_ms=_LINGER_MS,
                batch_size=_BATCH_BYTES,
                max_request_size=max(1_048_576, config.input.event_bytes_max + _RECORD_BYTES_EXTRA),
                allow_auto_create_topics=False,
                max_block_ms=10_000,
                bootstrap_timeout_ms=10_000,
            )
        except (KafkaError, OSError, ValueError) as error:
            raise BrokerError(f"could not start a producer: {_reason(error)}") from error

    def send(self, role: str, key: bytes, value: bytes) -> None:
        """Hand over one record; waits while `IN_FLIGHT_MAX` are unacknowledged."""
        while len(self._in_flight) >= IN_FLIGHT_MAX or (self._in_flight and self._in_flight[0][1].is_done):
            self._settle(*self._in_flight.popleft())
        topic = self._topics[role]
        try:
            self._in_flight.append((topic, self._producer.send(topic, key=key, value=value)))
        except (KafkaError, ValueError) as error:
            raise BrokerError(f"could not send to {topic}: {_reason(error)}") from error

    @property
    def in_flight(self) -> int:
        """Records handed over and not known to have arrived."""
        return len(self._in_flight)

    def flush(self, timeout_s: float = 130.0) -> None:
        """Wait until all that was handed over has arrived. The default outlasts the producer's own delivery timeout."""
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            raise BrokerError(f"could not deliver {self.in_flight:,} records: {_reason(error)}") from error
        failures: list[BrokerError] = []
        while self._in_flight:
            try:
                self._settle(*self._in_flight.popleft())
            except BrokerError as error:
                failures.append(error)
        if failures:
            raise BrokerError(f"could not deliver {len(failures):,} records, the first one: {failures[0]}")

    def close(self) -> None:
        """Let go of the connection; what is in flight is given up."""
        self._producer.close(timeout=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def _settle(self, topic: str, future: Any) -> None:
        try:
            arrived = future.get(timeout=130.0)
        except KafkaError as error:
            raise BrokerError(f"could not deliver a record to {topic}: {_reason(error)}") from error
        sent = self.sent
        sent.records += 1
        sent.bytes += arrived.serialized_key_size + arrived.serialized_value_size
        sent.by_topic[topic] = sent.by_topic.get(topic, 0) + 1
        if arrived.offset >= 0:  # a retried idempotent batch can answer with -1
            place = f"{topic}/{arrived.partition}"
            first, last = sent.offsets.get(place, (arrived.offset, arrived.offset))
            sent.offsets[place] = min(first, arrived.offset), max(last, arrived.offset)


def _check_topics(config: Config, roles: tuple[str, ...]) -> list[str]:
    """Raises BrokerError for a topic that is not there; warnings for one with other partitions than the config's."""
    names = {role: config.topic(role) for role in roles}
    with Admin(config) as admin:
        found = admin.topics(names.values())
    absent = [name for name in names.values() if name not in found]
    if absent:
        raise BrokerError(
            f"could not find topic {' and '.join(absent)}: `millrace topics create` makes the pipeline's own"
        )
    return [
        f"{name} has {topic.partitions} partitions and topics.partitions is {config.topics.partitions}: "
        "`millrace topics check` says more"
        for name, topic in found.items()
        if topic.partitions != config.topics.partitions
    ]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
