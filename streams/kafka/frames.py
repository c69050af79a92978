"""Topics as pandas frames, and published models as River's: for notebooks, whoever looks and tries things out.

Reading leaves nothing on the broker. What a topic may say twice (after a crash) is there once, as its readers are told
to take it; somebody else's records in a topic of ours are left out and counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from kafka import TopicPartition

from learners.allowlist import Allowlist
from learners.candidates import load_models
from learners.catalog import factory_module
from streams.config import Config
from streams.config_file import load
from streams.durations import parse_duration_ms
from streams.errors import BrokerError, ConfigError, StateError
from streams.kafka.admin import Admin
from streams.kafka.ranges import all_of
from streams.kafka.subscribing import Record, connect
from streams.kafka.topics import topic_specs
from streams.messages import WIRE, ModelVersion
from streams.state.from_config import open_store

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[str, int]
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
    text, or `"1h"` for so long ago. None is the beginning and the end. Columns are `partition`, `offset`, `time` (the
    record's, in UTC), `key` and the record's fields, tables in them as `features.amount` unless `flatten` is false;
    of dead letters the headers, never the bytes. `repeats` keeps what a crash said twice. `frame.attrs["unreadable"]`
    counts records that are none of ours.

    Raises:
        ConfigError: no such topic, or a bound is none.
        BrokerError: no broker, or more than `offsets_max` offsets are asked for.
    """
    import pandas as pd  # noqa: PLC0415 - nobody else here needs it

    loaded = _config(config)
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
        rows.append(
            {"partition": record.partition, "offset": record.offset, "time": record.timestamp, "key": key} | told
        )
    rows.sort(key=lambda row: (row["time"], row["partition"], row["offset"]))
    if not repeats:
        rows = list(_first_of_each(rows, IDENTITY.get(role, ())))
    frame = pd.DataFrame(rows, columns=None if rows else _columns(role))
    frame["time"] = pd.to_datetime(frame["time"], unit="ms", utc=True)
    frame.attrs["unreadable"] = unreadable
    return frame


def _config(given: Config | Path | str) -> Config:
    return given if isinstance(given, Config) else load(Path(given))


def _ranges(
    config: Config, role: str, start: Bound = None, stop: Bound = None, offsets_max: int | None = None
) -> dict[Place, tuple[int, int]]:
    topic = config.topic(role)
    with Admin(config) as admin:
        begins, ends = admin.begin_offsets([topic]), admin.end_offsets([topic])
    starts, stops = (_bounds(config, bound, ends) for bound in (start, stop))
    ranges = {
        place: (max(begin, starts.get(place, begin)), min(ends[place], stops.get(place, ends[place])))
        for place, begin in begins.items()
    }
    asked = sum(max(0, until - since) for since, until in ranges.values())
    if offsets_max is not None and asked > offsets_max:
        raise BrokerError(f"could not read {asked:,} offsets of {topic} at once: name a start, at most {offsets_max:,}")
    return ranges


def _bounds(config: Config, bound: Bound, ends: Mapping[Place, int]) -> dict[Place, int]:
    """An offset for each partition that the bound says something of."""
    if bound is None:
        return {}
    if isinstance(bound, bool):
        raise ConfigError("start", f"must be an offset or a time, got {bound}")
    if isinstance(bound, int):
        return dict.fromkeys(ends, bound)
    if isinstance(bound, Mapping):
        return {place: bound[place[1]] for place in ends if place[1] in bound}
    at_ms = _time_ms(bound)
    consumer = connect(config)
    try:
        found = consumer.offsets_for_times({TopicPartition(*place): at_ms for place in ends})
    finally:
        consumer.close()
    told = {(at.topic, at.partition): offset for at, offset in found.items()}
    return {place: end if told.get(place) is None else int(told[place].offset) for place, end in ends.items()}


def _time_ms(bound: str | datetime) -> int:
    if isinstance(bound, str):
        try:
            return int(time.time() * 1000) - parse_duration_ms(bound)
        except ValueError:
            pass
        try:
            bound = datetime.fromisoformat(bound)
        except ValueError:
            raise ConfigError("start", f"must be a time such as 2026-01-31T12:00:00Z or 1h, got {bound!r}") from None
    return int(bound.timestamp() * 1000)


def _fields(record: Record, *, flatten: bool) -> dict[str, Any] | None:
    """None for what is no JSON object."""
    try:
        told = msgspec.json.decode(record.value or b"")
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    told.pop("time", None)  # the producer's own; the record's has the column
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


def load_model(
    snapshot: str | None = None,
    *,
    config: Config | Path | str = "millrace.toml",
    shard: int = 0,
    candidate: str | None = None,
) -> Any:
    """A published River model, with all that it has learnt: the champion's, or another candidate's.

    `snapshot` is that field of a record of `models`; None is the newest published version of the shard. It comes out
    of `state.store`, its signature is checked before anything is read, and what it may name is the exact list that
    workers go by. A binary model answers True for `target.positive`, one of several classes the place in
    `target.labels`. It is a copy: teach it what you like.

    Raises:
        StateError: there is none, or it is not genuine.
        ConfigError: no such candidate, or the store or its key cannot be used.
    """
    loaded = _config(config)
    wanted = candidate or loaded.models.champion
    if wanted not in loaded.models.candidates:
        raise ConfigError("candidate", f"must be one of {', '.join(loaded.models.candidates)}, got {wanted!r}")
    place = snapshot or _newest(loaded, shard).snapshot
    blob = open_store(loaded, create=False).get_object(place, Path(place).stem)
    models = load_models(blob, Allowlist(modules=_own_modules(loaded)))
    if wanted not in models:
        raise StateError(f"snapshot {place} must hold {wanted}, got {', '.join(models)}")
    return models[wanted]


def _own_modules(config: Config) -> tuple[str, ...]:
    """Modules of the user's own models, imported: a snapshot imports nothing."""
    names = (factory_module(candidate.model) for candidate in config.models.candidates.values())
    found = tuple(dict.fromkeys(name for name in names if name is not None))
    root = str(config.root.resolve())
    if found and root not in sys.path:
        sys.path.insert(0, root)
    for name in found:
        import_module(name)
    return found


def _newest(config: Config, shard: int) -> ModelVersion:
    newest: ModelVersion | None = None
    for record in all_of(config, _ranges(config, "models")):
        if record.value is None:  # a rebuild began the shard anew: what came before is of another life
            if (record.key or b"").rpartition(b"/")[2] == b"%d" % shard:
                newest = None
            continue
        try:
            told = msgspec.json.decode(record.value, type=ModelVersion)
        except (msgspec.DecodeError, RecursionError):
            continue
        if told.shard == shard and (newest is None or told.version >= newest.version):
            newest = told
    if newest is None:
        raise StateError(
            f"{config.topic('models')} must hold a version of shard {shard}, got none: nothing is published yet"
        )
    return newest
