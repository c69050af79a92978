"""What a scorecard and a replay read: ranges of the pipeline's topics, without a group. Nothing is written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streams.config import Config
from streams.cuts import key_of
from streams.errors import BrokerError, ConfigError
from streams.foreign import read_as
from streams.kafka.admin import Admin
from streams.kafka.ranges import all_of, offsets_at
from streams.kafka.subscribing import Record
from streams.kafka.verifying import KafkaLogs
from streams.moments import moment_ms
from streams.replay import Barrier, Sent, SentAlert, barriers_of
from streams.replay_start import Window, inputs_of
from streams.topic_logs import Place

Told = Callable[[int, int], None]
"""Is told how many records were read, and of how many."""
_SPARE = 1.5
"""Keys are not spread evenly: so many times an even share is read of each partition."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the pipeline's topics hold, up to their ends as they were."""

    logs: KafkaLogs
    windows: list[Window]
    """As told, in order; repeats too."""
    alerts: list[SentAlert]
    """As told, in order; those told twice, after a crash, once."""

    @property
    def barriers(self) -> list[Barrier]:
        """Of all of them, in whose order rows were taken."""
        told = [(each.id, each.cut) for each in self.windows] + [(each.said.id, each.said.cut) for each in self.alerts]
        return [barrier for name, cut in told for barrier in barriers_of(name, cut)]


@contextmanager
def recorded(config: Config, note: Callable[[int], None] = lambda _records: None) -> Iterator[Recorded]:
    """The recorded topics of a pipeline, running or not; `note` is told the number of records read.

    Raises:
        BrokerError: no broker, or no topics.
    """
    told, heard = [config.topic(role) for role in ("metrics", "alerts")], {topic for topic, _ in inputs_of(config)}
    with Admin(config) as admin:
        require_topics(admin, [*told, *sorted(heard)])
        begins = admin.begin_offsets([*told, *heard])
        ends = admin.end_offsets(told)
        ends |= admin.end_offsets(heard)  # asked for last: they hold what those tell of
    logs = KafkaLogs(config, begins, ends, note)
    try:
        windows = [found for value in _values(logs, config.topic("metrics")) if (found := read_as(value, Window))]
        alerts: dict[str, SentAlert] = {}
        for value in _values(logs, config.topic("alerts")):
            said, document = read_as(value, Sent), read_as(value, dict[str, Any])
            if said is not None and document is not None:
                alerts.setdefault(said.id, SentAlert(said=said, document=document))
        yield Recorded(logs=logs, windows=windows, alerts=list(alerts.values()))
    finally:
        logs.close()


def _values(logs: KafkaLogs, topic: str) -> Iterator[bytes]:
    for place in [place for place in logs.ends if place[0] == topic]:
        for row in logs.read(place, logs.begins[place], logs.ends[place]):
            yield row.value or b""


def inputs_at(config: Config, logs: KafkaLogs, text: str, option: str) -> dict[str, int]:
    """Where the monitor's inputs are at an offset of `predictions` or at a time, as an option of this name says.

    At an offset, the others begin with what was stored since the earliest of these predictions.

    Raises:
        ConfigError: it is neither, or before what is held.
        BrokerError: no broker.
    """
    inputs = inputs_of(config)
    begins = {place: logs.begins[place] for place in inputs}
    ends = {place: logs.ends[place] for place in inputs}
    if not text.isdecimal():
        try:
            ms = moment_ms(text, int(time.time() * 1000))
        except ValueError as error:
            raise ConfigError(option, str(error).replace("must be", "must be an offset,", 1)) from error
        return {key_of(place): at for place, at in offsets_at(config, begins, ends, ms).items()}
    offset, topic = int(text), config.topic("predictions")
    found: dict[Place, int] = {}
    times: list[int] = []
    for place in (place for place in inputs if place[0] == topic):
        if offset < begins[place]:
            raise ConfigError(
                option, f"must be at least {begins[place]:,}, where {key_of(place)} begins, got {offset:,}"
            )
        found[place] = min(offset, ends[place])
        times += [row.timestamp for row in logs.read(place, found[place], min(found[place] + 1, ends[place]))]
    others = {place: end for place, end in ends.items() if place[0] != topic}
    found |= offsets_at(config, begins, others, min(times)) if times else others
    return {key_of(place): at for place, at in found.items()}
