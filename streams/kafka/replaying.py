"""What a scorecard and a replay read: ranges of the pipeline's topics, without a group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC

from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.config import Config
from streams.durations import parse_duration_ms
from streams.errors import BrokerError, ConfigError
from streams.kafka.admin import Admin
from streams.kafka.ranges import all_of
from streams.kafka.subscribing import Record, connect
from streams.values import parse_time

Told = Callable[[int, int], None]
"""Is told how many records were read, and of how many."""
_SPARE = 1.5
"""Keys are not spread evenly: so many times an even share is read of each partition."""


def since_ms(text: str, now_ms: int) -> int:
    """Record time of `1h` (ago) or of a point in time; raises ConfigError."""
    try:
        return now_ms - parse_duration_ms(text)
    except ValueError:
        pass
    try:
        found = parse_time(text)
    except ValueError:
        found = None
    if found is None:
        raise ConfigError("", f"a time must be like 1h (ago) or 2026-01-31T12:00:00Z, got {text!r}")
    return int(found.astimezone(UTC).timestamp() * 1000)


def stretch_records(config: Config, role: str, rows: int, since: int | None, told: Told) -> list[Record]:
    """The newest records of a topic, or the first from a time on, in the order of their times.

    Raises:
        BrokerError: no broker, or no such topic.
    """
    topic = config.topic(role)
    with Admin(config) as admin:
        require_topics(admin, [topic])
        begins, ends = admin.begin_offsets([topic]), admin.end_offsets([topic])
    share = math.ceil(rows / len(ends) * (_SPARE if len(ends) > 1 else 1))
    if since is None:
        ranges = {place: (max(begins[place], end - share), end) for place, end in ends.items()}
    else:
        starts = offsets_at(config, begins, ends, since)
        ranges = {place: (starts[place], min(end, starts[place] + share)) for place, end in ends.items()}
    total = sum(stop - start for start, stop in ranges.values())
    found: list[Record] = []
    for record in all_of(config, ranges):
        found.append(record)
        if len(found) % 500 == 0:
            told(len(found), total)
    found.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return found[-rows:] if since is None else found[:rows]


def require_topics(admin: Admin, topics: Iterable[str]) -> None:
    """Raises BrokerError naming those that are not there."""
    wanted = list(topics)
    known = admin.topics(wanted)
    if missing := [topic for topic in wanted if topic not in known]:
        raise BrokerError(f"could not find topic {', '.join(missing)}: `millrace topics create` makes it")


def offsets_at(
    config: Config, begins: dict[tuple[str, int], int], ends: dict[tuple[str, int], int], ms: int
) -> dict[tuple[str, int], int]:
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
