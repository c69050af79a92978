"""Reading ranges of several partitions from outside, by one consumer and without a group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError
from streams.kafka.subscribing import Record, connect

_POLL_MS = 250
_SILENCE_S = 30.0

Ranges = Mapping[tuple[str, int], tuple[int, int]]
"""(topic, partition) → offsets [start, stop)."""


def newest_of(config: Config, ranges: Ranges, timeout_s: float = 10.0) -> list[Record]:
    """Records of several ranges, unordered: what came in time.

    Raises:
        BrokerError: no broker.
    """
    return list(_records(config, ranges, timeout_s, until_silent=False))


def all_of(config: Config, ranges: Ranges, silence_s: float = _SILENCE_S) -> Iterator[Record]:
    """Every record of several ranges as it comes, those of one partition in order.

    Raises:
        BrokerError: no broker, or nothing came for `silence_s` while something was missing.
    """
    return _records(config, ranges, silence_s, until_silent=True)


def _records(config: Config, ranges: Ranges, timeout_s: float, *, until_silent: bool) -> Iterator[Record]:
    """By one consumer, all ranges at a time."""
    stops = {TopicPartition(*place): stop for place, (start, stop) in ranges.items() if start < stop}
    if not stops:
        return
    topics = ", ".join(sorted({topic for topic, _ in ranges}))
    consumer = connect(config)
    try:
        consumer.assign(list(stops))
        for place in stops:
            consumer.seek(place, ranges[place.topic, place.partition][0])
        deadline = time.monotonic() + timeout_s
        while stops:
            found = consumer.poll(timeout_ms=_POLL_MS)
            for place, rows in found.items():
                yield from (row for row in rows if row.offset < stops.get(place, 0))
            if found and until_silent:
                deadline = time.monotonic() + timeout_s
            done = [place for place, stop in stops.items() if consumer.position(place) >= stop]
            for place in done:
                del stops[place]
                consumer.pause(place)
            if stops and time.monotonic() > deadline:
                if until_silent:
                    raise BrokerError(f"could not read {topics} to the end: nothing came for {timeout_s:g} s")
                return
    except KafkaError as error:
        raise BrokerError(f"could not read {topics}: {error}") from error
    finally:
        consumer.close()
