"""Reading ranges of several partitions from outside, by one consumer and without a group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.errors import BrokerError
from streams.kafka.subscribing import Record, connect
from streams.topic_logs import Place

_POLL_MS = 250
_SILENCE_S = 30.0

Offsets = Mapping[Place, int]
Ranges = Mapping[Place, tuple[int, int]]
"""Offsets [start, stop) of each."""


def offsets_at(config: Config, begins: Offsets, ends: Offsets, ms: int) -> dict[Place, int]:
    """The first offset of each partition at or after a record time; its end where there is none."""
    consumer = connect(config)
    try:
        asked = {TopicPartition(*place): max(0, ms) for place in ends}
        found = consumer.offsets_for_times(asked)
    except KafkaError as error:
        raise BrokerError(f"could not ask for offsets by time: {error}") from error
    finally:
        consumer.close()
    at = {(place.topic, place.partition): known for place, known in found.items()}
    return {
        place: end if at.get(place) is None else max(begins[place], int(at[place].offset))
        for place, end in ends.items()
    }


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
