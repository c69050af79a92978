"""Reading one partition from outside: the newest records, everything since a time, or following it for ever.

By kafka-python, read-committed and without a group: looking leaves nothing behind on the broker. A follower outlives
the broker: it says that the broker is gone, waits, says that it is back, and goes on at the next record.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError
from streams.kafka.admin import Admin
from streams.kafka.bootstrap import host_and_port
from streams.kafka.security import client_settings

_POLL_MS = 250
_PROBE_S = 2.0
"""Of silence, before a follower asks whether the broker is there at all."""
_PROBE_TIMEOUT_S = 1.0
_AGAIN_S = 0.5
_STALLED_S = 30.0
"""Without a record that the broker says it has."""


class Record(Protocol):
    """A record as kafka-python gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def connect(config: Config, *, check_crcs: bool = True) -> Any:
    """A kafka-python consumer without a group that reads what is committed; raises BrokerError.

    Its checksums are pure Python, 0.3 s for each MB: three quarters of the time of a reader that only shows.
    """
    try:
        return KafkaConsumer(
            **client_settings(config),
            client_id=f"millrace-{config.name}-look",
            isolation_level="read_committed",
            auto_offset_reset="earliest",  # retention may pass a reader that only looks
            enable_auto_commit=False,
            reconnect_backoff_max_ms=1_000,
            bootstrap_timeout_ms=10_000,
            fetch_max_wait_ms=_POLL_MS,
            allow_auto_create_topics=False,
            check_crcs=check_crcs,
        )
    except (KafkaError, OSError, ValueError) as error:
        raise BrokerError(f"could not start a consumer: {error}") from error


class Subscription:
    """One partition of the topic that plays `role`; a context manager.

    Building it reaches for the broker and fails within 10 s. `outage` is told when a follower loses the broker and
    when it has it again. Not for use from two threads.
    """

    def __init__(
        self, config: Config, role: str, partition: int = 0, *, outage: Callable[[str], None] = lambda _: None
    ) -> None:
        self._config, self._outage = config, outage
        self.topic = config.topic(role)
        self._place = TopicPartition(self.topic, partition)
        with Admin(config) as admin:
            if not admin.topics([self.topic]):
                raise BrokerError(f"could not find topic {self.topic}: `millrace topics create` makes it")
            here = (self.topic, partition)
            self.begin, self.end = admin.begin_offsets([self.topic])[here], admin.end_offsets([self.topic])[here]
        self._consumer: Any = self._connect()

    # -- what there is -------------------------------------------------------------------------------------------

    def newest(self, limit: int, since_ms: int | None = None) -> list[Record]:
        """The last `limit` records (of those not older than `since_ms`), oldest first.

        Offsets are not records (transactions leave markers, compaction leaves holes): it reaches back until it has
        enough of them.
        """
        first = self.begin if since_ms is None else self._offset_at(since_ms)
        span = limit
        while limit > 0:
            start = max(first, self.end - span)
            found = deque(self.between(start), maxlen=limit)
            if len(found) == limit or start == first:
                return list(found)
            span *= 4
        return []

    def since(self, since_ms: int | None = None) -> Iterator[Record]:
        """Everything up to the end as it was when this was built, from a record time in ms or from the beginning."""
        return self.between(self.begin if since_ms is None else self._offset_at(since_ms))

    def between(self, start: int, stop: int | None = None) -> Iterator[Record]:
        """Records of [start, stop), `stop` being the end unless given.

        Raises:
            BrokerError: the broker is lost on the way.
        """
        stop = self.end if stop is None else min(stop, self.end)
        if start >= stop:
            return
        self._consumer.seek(self._place, start)
        heard = time.monotonic()
        while self._consumer.position(self._place) < stop:
            rows = self._poll()
            for row in rows:
                if row.offset >= stop:
                    return
                yield row
            if rows:
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALLED_S or not self._answers():
                raise BrokerError(f"could not read {self.topic} to its end: Kafka does not answer any more")

    def follow(self) -> Iterator[Record]:
        """Every record from the end (as it was when this was built) on, for ever; waits while the broker is away."""
        position = self.end
        self._consumer.seek(self._place, position)
        heard = time.monotonic()
        while True:
            rows = self._poll()
            for row in rows:
                position = row.offset + 1
                yield row
            if rows:
                heard = time.monotonic()
            elif time.monotonic() - heard > _PROBE_S:
                if not self._answers():
                    self._wait_for_broker()
                    self._consumer.seek(self._place, position)
                heard = time.monotonic()

    # -- the broker ----------------------------------------------------------------------------------------------

    def _poll(self) -> list[Record]:
        try:
            found: list[Record] = self._consumer.poll(timeout_ms=_POLL_MS).get(self._place, [])
        except KafkaError as error:
            if error.retriable:
                return []
            raise BrokerError(f"could not read {self.topic}: {error}") from error
        return found

    def _offset_at(self, since_ms: int) -> int:
        found = self._consumer.offsets_for_times({self._place: max(0, since_ms)})[self._place]
        return self.end if found is None else max(self.begin, int(found.offset))

    def _connect(self) -> Any:
        consumer = connect(self._config)
        consumer.assign([self._place])
        return consumer

    def _answers(self) -> bool:
        """Whether any of the cluster's addresses takes a connection; a poll alone is as silent as a quiet topic."""
        try:
            addresses = client_settings(self._config)["bootstrap_servers"]
        except BrokerError:  # the local one, stopped
            return False
        for address in addresses:
            try:
                socket.create_connection(host_and_port(address), timeout=_PROBE_TIMEOUT_S).close()
            except OSError:
                continue
            return True
        return False

    def _wait_for_broker(self) -> None:
        self._outage("Kafka does not answer: waiting for it")
        self._consumer.close()
        while True:
            time.sleep(_AGAIN_S)
            if not self._answers():
                continue
            try:
                with Admin(self._config) as admin:  # a broker that takes connections may not know its topics yet
                    known = admin.topics([self.topic])
                if known:
                    self._consumer = self._connect()
                    break
            except BrokerError:
                continue
        self._outage("Kafka is back")

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
