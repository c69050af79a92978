"""Topics as pandas frames: for notebooks, whoever looks and tries things out.

Reading leaves nothing on the broker. What a topic may say twice (after a crash) is there once, as its readers are told
to take it; somebody else's records in a topic of ours are left out and counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.config import Config
from streams.config_file import load
from streams.errors import BrokerError, ConfigError
from streams.foreign import read_as
from streams.kafka.admin import Admin
from streams.kafka.ranges import all_of, offsets_at
from streams.kafka.subscribing import Record
from streams.kafka.topics import topic_specs
from streams.messages import WIRE
from streams.moments import moment_ms
from streams.topic_logs import Place

if TYPE_CHECKING:
    import pandas as pd

Bound = int | str | datetime | Mapping[int, int] | None
OFFSETS_MAX = 2_000_000
"""Asked for at once; a frame of them takes a few GB."""
IDENTITY: Mapping[str, tuple[str, ...]] = {
    "predictions": ("partition", "source"),
    "examples": ("label_source",),
    "metrics": ("id",),
    "alerts": ("id",),
    "retrain": ("id",),
    "dead-letters": ("key",),
}
"""What two records of a topic have in common when they are one said twice."""


def read(
    role: str,
    start: Bound = None,
    stop: Bound = None,
    *,
    config: Config | Path | str = "millrace.toml",
    flatten: bool = True,
    repeats: bool = False,
    offsets_max: int = OFFSETS_MAX,
) -> pd.DataFrame:
    """Records of the topic that plays `role` (`alerts`, `metrics`, `examples` …) as a frame, a row for each.

    `start` and `stop` (exclusive) are offsets, for every partition or by partition; or record times: a datetime, an ISO
    text (without a zone: UTC), or `"1h"` for so long ago. None is the beginning and the end. Columns are `partition`,
    `offset`, `time` (the record's, in UTC), `key` and the record's fields, tables in them as `features.amount` unless
    `flatten` is false; of dead letters the headers, never the bytes. `repeats` keeps what a crash said twice.
    `frame.attrs["unreadable"]` counts records that are none of ours.

    Raises:
        ConfigError: no such topic, or a bound is none.
        BrokerError: no broker, or more than `offsets_max` offsets are asked for.
    """
    import pandas as pd  # noqa: PLC0415 - nobody else here needs it

    loaded = config_of(config)
    if role not in {spec.role for spec in topic_specs(loaded)}:
        raise ConfigError("role", f"must be one of {', '.join(s.role for s in topic_specs(loaded))}, got {role!r}")
    ranges = _ranges(loaded, role, start, stop, offsets_max)
    rows: list[dict[str, Any]] = []
    unreadable = 0
    for record in all_of(loaded, ranges):
        told = _letter(record) if role == "dead-letters" else _fields(record, flatten=flatten)
        if told is None:
            unreadable += 1
            continue
        key = record.key.decode(errors="replace") if record.key is not None else None
        where = {"partition": record.partition, "offset": record.offset, "time": record.timestamp, "key": key}
        rows.append(where | told | where)  # where it is comes first, and is the record's own whatever it holds
    rows.sort(key=lambda row: (row["time"], row["partition"], row["offset"]))
    if not repeats:
        rows = list(_first_of_each(rows, IDENTITY.get(role, ())))
    frame = pd.DataFrame(rows, columns=None if rows else _columns(role))
    frame["time"] = pd.to_datetime(frame["time"], unit="ms", utc=True)
    frame.attrs["unreadable"] = unreadable
    return frame


def config_of(given: Config | Path | str) -> Config:
    """The pipeline's, from its file or as it is."""
    return given if isinstance(given, Config) else load(Path(given))


def _ranges(config: Config, role: str, start: Bound, stop: Bound, offsets_max: int) -> dict[Place, tuple[int, int]]:
    topic = config.topic(role)
    with Admin(config) as admin:
        begins, ends = admin.begin_offsets([topic]), admin.end_offsets([topic])
    starts = _bounds(config, "start", start, begins, ends)
    stops = _bounds(config, "stop", stop, begins, ends)
    ranges = {
        place: (max(begin, starts.get(place, begin)), min(ends[place], stops.get(place, ends[place])))
        for place, begin in begins.items()
    }
    asked = sum(max(0, until - since) for since, until in ranges.values())
    if asked > offsets_max:
        raise BrokerError(f"could not read {asked:,} offsets of {topic} at once: name a start, at most {offsets_max:,}")
    return ranges


def _bounds(
    config: Config, name: str, bound: Bound, begins: Mapping[Place, int], ends: Mapping[Place, int]
) -> dict[Place, int]:
    """An offset for each partition that the bound says something of."""
    if bound is None:
        return {}
    if isinstance(bound, bool):
        raise ConfigError(name, f"must be an offset or a time, got {bound}")
    if isinstance(bound, int):
        return dict.fromkeys(ends, bound)
    if isinstance(bound, Mapping):
        return {place: bound[place[1]] for place in ends if place[1] in bound}
    try:
        at_ms = moment_ms(bound if isinstance(bound, str) else bound.isoformat(), int(time.time() * 1000))
    except ValueError as error:
        raise ConfigError(name, str(error)) from error
    return offsets_at(config, begins, ends, at_ms)


def _fields(record: Record, *, flatten: bool) -> dict[str, Any] | None:
    """None for what is no JSON object."""
    told = read_as(record.value, dict[str, Any])
    if told is None:
        return None
    return dict(_flat(told)) if flatten else told


def _flat(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _columns(role: str) -> list[str]:
    """Of an empty frame: a notebook's next cell finds what it asks for."""
    fields = WIRE[role].__struct_fields__ if role in WIRE else ()
    return ["partition", "offset", "time", "key", *(name for name in fields if name != "time")]


def _letter(record: Record) -> dict[str, Any]:
    """Why and where, never what. The columns that name its place are `of_…`: the others are the letter's own."""
    found = {name: value.decode(errors="replace") for name, value in record.headers or ()}
    return {
        "reason": found.get("reason"),
        "of_topic": found.get("topic"),
        "of_partition": found.get("partition"),
        "of_offset": found.get("offset"),
        "size": found.get("size"),
    }


def _first_of_each(rows: list[dict[str, Any]], identity: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    said = set()
    for row in rows:
        known = tuple(str(row.get(name)) for name in identity)
        if not identity or row.get(identity[-1]) is None or known not in said:
            said.add(known)
            yield row
