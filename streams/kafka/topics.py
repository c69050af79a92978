"""The pipeline's topics as they should be (design, section 2), and what differs from it. Pure: no broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from streams.config import Config

Role = Literal[
    "features", "labels", "predictions", "examples", "models", "metrics", "alerts", "retrain", "control", "dead-letters"
]

_DAY_MS = 86_400_000
_FOREVER = -1
_OVERHEAD_BYTES = 64 * 1024
"""Of a record batch, its headers and the JSON around a payload."""
_RAW_BYTES_MIN = 4 * 1024 * 1024
"""Inputs accept more than an event may have, so that a record that is too large becomes a dead letter for everybody
to see and not only an error at its producer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic as it should be."""

    name: str
    role: Role
    partitions: int
    replication: int
    configs: Mapping[str, str]
    """What `topics create` sets."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """Numbers that need only be reached, where less than in `configs` will do; -1 is without limit."""
    owned: bool = True
    """False: it is the user's, named in millrace.toml: looked at, never created or altered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """One topic as it is on the broker."""

    name: str
    topic_id: str | None
    """Changes when a topic is deleted and made again; None from brokers older than 2.8."""
    partitions: int
    replication: int
    configs: Mapping[str, str | None]
    """All effective settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One thing that is not as it should be, and how to mend it."""

    topic: str
    what: str
    """`topic`, `partitions`, `replication` or a setting's name."""
    expected: str
    actual: str
    mend: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.topic}: {self.what} must be {self.expected}, got {self.actual}"


def topic_specs(config: Config) -> list[TopicSpec]:
    """All ten topics, inputs first."""
    wait_floor_ms = config.labels.wait_ms + _DAY_MS
    kept_ms = max(7 * _DAY_MS, wait_floor_ms)
    raw_bytes = max(_RAW_BYTES_MIN, 4 * config.input.event_bytes_max)
    derived_bytes = 4 * config.input.event_bytes_max + _OVERHEAD_BYTES
    many, shards = config.topics.partitions, config.topics.shards

    def spec(role: Role, partitions: int, retention_ms: int, bytes_max: int, floor_ms: int | None = None) -> TopicSpec:
        configs = {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "delete",
            "retention.ms": str(retention_ms),
            "retention.bytes": str(_FOREVER),
            "max.message.bytes": str(bytes_max),
        }
        if config.topics.replication > 2:  # noqa: PLR2004  acks=all then survives the loss of one broker, and so do writes
            configs["min.insync.replicas"] = str(config.topics.replication - 1)
        return TopicSpec(
            name=config.topic(role),
            role=role,
            partitions=partitions,
            replication=config.topics.replication,
            configs=configs,
            floors={"retention.ms": retention_ms if floor_ms is None else floor_ms, "max.message.bytes": bytes_max},
        )

    inputs = [spec("features", many, kept_ms, raw_bytes, _DAY_MS), spec("labels", many, kept_ms, raw_bytes, _DAY_MS)]
    given = {"features": config.topics.features, "labels": config.topics.labels}
    models = spec("models", 1, _FOREVER, derived_bytes)
    return [
        *(_as_users(each) if given[each.role] else each for each in inputs),
        spec("predictions", many, kept_ms, derived_bytes, wait_floor_ms),
        spec("examples", shards, _FOREVER, derived_bytes),
        _compacted(models),
        spec("metrics", 1, 30 * _DAY_MS, derived_bytes, _DAY_MS),
        spec("alerts", 1, _FOREVER, derived_bytes),
        spec("retrain", 1, _FOREVER, derived_bytes),
        spec("control", 1, _FOREVER, derived_bytes),
        spec("dead-letters", many, 30 * _DAY_MS, raw_bytes + _OVERHEAD_BYTES, _DAY_MS),
    ]


def diff(
    specs: Sequence[TopicSpec], actual: Mapping[str, TopicState], *, bootstrap: str = "HOST:PORT"
) -> list[Departure]:
    """Every departure, in the order of `specs`; `bootstrap` goes into the commands that mend them."""
    found: list[Departure] = []
    by_role = {spec.role: spec for spec in specs}
    for spec in specs:
        state = actual.get(spec.name)
        if state is None:
            found.append(_missing(spec))
            continue
        found += _layout(spec, state)
        found += [
            Departure(
                topic=spec.name,
                what=key,
                expected=wanted,
                actual=str(state.configs.get(key)),
                mend=f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics "
                f"--entity-name {spec.name} --add-config {key}={spec.configs[key]}",
            )
            for key, wanted in _wrong_configs(spec, state)
        ]
    found += _unequal_inputs(by_role, actual)
    return found


def _compacted(spec: TopicSpec) -> TopicSpec:
    configs = {key: value for key, value in spec.configs.items() if not key.startswith("retention.")}
    floors = {key: value for key, value in spec.floors.items() if not key.startswith("retention.")}
    return TopicSpec(
        name=spec.name,
        role=spec.role,
        partitions=spec.partitions,
        replication=spec.replication,
        configs=configs | {"cleanup.policy": "compact"},
        floors=floors,
    )


def _as_users(spec: TopicSpec) -> TopicSpec:
    """Of a topic that is not ours only what the join rests on matters: its clock, and that events stay a while."""
    keys = ("message.timestamp.type", "cleanup.policy", "retention.ms")
    return TopicSpec(
        name=spec.name,
        role=spec.role,
        partitions=spec.partitions,
        replication=1,
        configs={key: spec.configs[key] for key in keys},
        floors={"retention.ms": spec.floors["retention.ms"]},
        owned=False,
    )


def _missing(spec: TopicSpec) -> Departure:
    mend = "millrace topics create"
    if not spec.owned:
        mend = f"create it with {spec.partitions} partitions, or remove topics.{spec.role} from millrace.toml"
    return Departure(topic=spec.name, what="topic", expected="there", actual="none", mend=mend)


def _layout(spec: TopicSpec, state: TopicState) -> list[Departure]:
    found = []
    if state.partitions != spec.partitions:
        setting = "shards" if spec.role == "examples" else "partitions"
        mend = f"set topics.{setting} = {state.partitions} in millrace.toml"
        if spec.role not in {"features", "labels", "examples"}:
            mend = "their number is fixed for a pipeline's life, keys would move: give the pipeline another name"
        found.append(_number(spec, "partitions", str(spec.partitions), state.partitions, mend))
    if state.replication < spec.replication:
        mend = f"kafka-reassign-partitions.sh, or set topics.replication = {state.replication} in millrace.toml"
        found.append(_number(spec, "replication", f"at least {spec.replication}", state.replication, mend))
    return found


def _number(spec: TopicSpec, what: str, expected: str, actual: int, mend: str) -> Departure:
    return Departure(topic=spec.name, what=what, expected=expected, actual=str(actual), mend=mend)


def _wrong_configs(spec: TopicSpec, state: TopicState) -> list[tuple[str, str]]:
    """(setting, what it must be) of each that is wrong."""
    wrong = []
    for key, value in spec.configs.items():
        actual = state.configs.get(key)
        floor = spec.floors.get(key)
        if floor is None:
            if actual != value:
                wrong.append((key, value))
        elif not _reaches(actual, floor):
            wrong.append((key, "-1 (no limit)" if floor == _FOREVER else f"at least {floor}"))
    return wrong


def _reaches(actual: str | None, floor: int) -> bool:
    try:
        number = int(actual or "")
    except ValueError:
        return False
    return number == _FOREVER or (floor != _FOREVER and number >= floor)


def _unequal_inputs(specs: Mapping[Role, TopicSpec], actual: Mapping[str, TopicState]) -> list[Departure]:
    """A label can meet its event only on a partition of the same number."""
    if not {"features", "labels"} <= specs.keys():
        return []
    features, labels = actual.get(specs["features"].name), actual.get(specs["labels"].name)
    if features is None or labels is None or features.partitions == labels.partitions:
        return []
    return [
        Departure(
            topic=labels.name,
            what="partitions",
            expected=f"{features.partitions}, as many as {features.name} has",
            actual=str(labels.partitions),
            mend="use topics with the same number of partitions, written with the same partitioner",
        )
    ]
