"""What `millrace status` looks at: offsets, groups and newest records on the broker, newest checkpoints in the store.

Nothing is written, neither on the broker nor in the store. What cannot be reached is a problem in the facts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from streams.config import Config
from streams.errors import BrokerError, ConfigError, StateError
from streams.kafka.admin import Admin
from streams.kafka.ranges import newest_of
from streams.kafka.subscribing import Record
from streams.kafka.topics import topic_specs
from streams.messages import ModelVersion, WindowMetrics
from streams.state.claims import newest_on_lineage
from streams.state.from_config import open_store
from streams.state.store import Store
from streams.status import KafkaFacts, Place, StateFacts, shard_names, task_names

DEAD_LETTERS_MAX = 4_000
"""Newest ones whose reasons are counted."""
_MODELS_EACH = 50
"""Newest offsets of `models` read for each shard."""
_METRICS_MAX = 20
_INPUTS = {"worker": ("features", "labels", "examples"), "monitor": ("predictions", "examples")}


def kafka_facts(config: Config, seconds: float) -> KafkaFacts:
    """Ask the broker; takes at least `seconds`, over which rates are measured."""
    try:
        with Admin(config) as admin:
            return _ask(config, admin, seconds)
    except BrokerError as error:
        return KafkaFacts(problem=str(error))


def _ask(config: Config, admin: Admin, seconds: float) -> KafkaFacts:
    wanted = [spec.name for spec in topic_specs(config)]
    there = admin.topics(wanted)
    ends_before, asked_at = admin.end_offsets(there), time.monotonic()
    begins = admin.begin_offsets(there)
    members = {role: admin.group_members(f"{config.name}.{role}") for role in _INPUTS}
    records = newest_of(config, _looked_at(config, begins, ends_before))
    time.sleep(max(0.0, seconds - (time.monotonic() - asked_at)))
    committed = {
        role: admin.committed_offsets(f"{config.name}.{role}") for role in _INPUTS
    }  # before the ends: no lag < 0
    ends, now = admin.end_offsets(there), time.monotonic()
    return KafkaFacts(
        bootstrap=admin.bootstrap,
        missing=[name for name in wanted if name not in there],
        begins=begins,
        ends=ends,
        ends_before=ends_before,
        seconds=now - asked_at,
        committed=committed,
        members=members,
        models=_newest_models(_of(records, config.topic("models"))),
        metrics=_last_metrics(_of(records, config.topic("metrics"))),
        dead_reasons=[_reason(record) for record in _of(records, config.topic("dead-letters"))],
    )


def _looked_at(config: Config, begins: dict[Place, int], ends: dict[Place, int]) -> dict[Place, tuple[int, int]]:
    each = {
        config.topic("models"): _MODELS_EACH * config.topics.shards,
        config.topic("metrics"): _METRICS_MAX,
        config.topic("dead-letters"): max(1, DEAD_LETTERS_MAX // config.topics.partitions),
    }
    return {place: (max(begins[place], end - each[place[0]]), end) for place, end in ends.items() if place[0] in each}


def _of(records: Iterable[Record], topic: str) -> list[Record]:
    return [record for record in records if record.topic == topic]


def _newest_models(records: Iterable[Record]) -> list[ModelVersion]:
    found: dict[int, ModelVersion] = {}
    for record in sorted(records, key=lambda record: record.offset):
        if record.value is None:  # `millrace rebuild` took it back
            found.pop(int((record.key or b"/-1").rpartition(b"/")[2]), None)
            continue
        try:
            told = msgspec.json.decode(record.value, type=ModelVersion)
        except msgspec.DecodeError:
            continue
        found[told.shard] = told
    return list(found.values())


def _last_metrics(records: Iterable[Record]) -> WindowMetrics | None:
    for record in sorted(records, key=lambda record: record.offset, reverse=True):
        try:
            return msgspec.json.decode(record.value or b"", type=WindowMetrics)
        except msgspec.DecodeError:
            continue
    return None


def _reason(record: Record) -> str:
    return dict(record.headers or ()).get("reason", b"no reason given").decode(errors="replace")


# -- the store ---------------------------------------------------------------------------------------------------


def state_facts(config: Config) -> tuple[list[StateFacts], list[dict[str, Any]], str]:
    """Newest checkpoints, recorded gaps, and why there are none."""
    local = "://" not in config.state.store
    if local and not (config.path(Path(config.state.store)) / "checkpoints").is_dir():
        return [], [], "no checkpoints yet: `millrace worker` and `millrace monitor` write them"
    try:
        store = open_store(config, create=False)
        names = [*task_names(config), *shard_names(config)]
        return [_state(store, name) for name in (*names, "monitor")], recorded_gaps(store), ""
    except (ConfigError, StateError) as error:
        return [], [], str(error)


def _state(store: Store, name: str) -> StateFacts:
    try:
        loaded = store.newest(name) if name != "monitor" else newest_on_lineage(store, name)
        if loaded is None:
            return StateFacts(name=name)
        payload = msgspec.msgpack.decode(loaded.payload, strict=False)
        header = loaded.header
        return StateFacts(
            name=name,
            generation=header.generation,
            sequence=header.sequence,
            created_ms=header.created_ms,
            offsets=header.offsets,
            state=payload["state"],
        )
    except StateError as error:
        return StateFacts(name=name, problem=str(error))
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        return StateFacts(name=name, problem=f"could not read checkpoint {name}: {error!r}")


def recorded_gaps(store: Store) -> list[dict[str, Any]]:
    """What `millrace rebuild --accept-gap` went on without, oldest first."""
    found = [json.loads(store.get_object(*stored)) for stored in store.objects("gaps")]
    return sorted(found, key=lambda gap: (gap["at_ms"], gap["name"], gap["input"]))
