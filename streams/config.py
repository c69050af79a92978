"""The configuration tree of millrace.toml: frozen, typed, checked when built.

Every field says what happens when it changes under state that exists already: `harmless` (nothing),
`rebuild` (the state is folded anew from the log: `millrace rebuild`) or `refuse` (another pipeline name is needed).
Reading files and the environment is `streams.config_file`'s part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from learners.features import FeatureGuard, FeatureKind
from learners.target import Target
from streams.config_drift import DriftConfig, RetrainConfig
from streams.config_observing import AlertsConfig, HealthConfig, MetricsConfig
from streams.setting import HARMLESS, REBUILD, REFUSE, DurationMs, OnChange, Section


def _pipeline_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError("must be 1 to 64 letters, digits, '_' or '-' (topics are called <name>.features, …)")
    return name


def _feature_names(features: dict[str, FeatureKind]) -> dict[str, FeatureKind]:
    FeatureGuard(features)
    return features


class TlsConfig(Section):
    """TLS towards the broker; with `cert` and `key` the client shows its own certificate (mTLS)."""

    ca: Annotated[Path | None, HARMLESS] = None
    """PEM file of the authority that signed the broker; None means the system's own list."""
    cert: Annotated[Path | None, HARMLESS] = None
    key: Annotated[Path | None, HARMLESS] = None
    key_password: Annotated[SecretStr | None, HARMLESS] = None
    check_hostname: Annotated[bool, HARMLESS] = True

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("must name both cert and key, or neither")
        return self


class SaslConfig(Section):
    """A user name and password for the broker."""

    mechanism: Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], HARMLESS] = "SCRAM-SHA-512"
    username: Annotated[str, HARMLESS]
    password: Annotated[SecretStr, HARMLESS]


class KafkaConfig(Section):
    """Which Kafka, and how to speak to it."""

    bootstrap: Annotated[str, HARMLESS] = "local"
    """`host:port`, several with commas, or `local`: a real Kafka that millrace starts on this machine."""
    tls: Annotated[TlsConfig | None, HARMLESS] = None
    sasl: Annotated[SaslConfig | None, HARMLESS] = None
    allow_plaintext_credentials: Annotated[bool, HARMLESS] = False
    """Send the password over a connection that anybody can read."""
    session_timeout_ms: Annotated[DurationMs, HARMLESS] = Field(default=6_000, alias="session_timeout", ge=1_000)
    """A killed worker's partitions wait this long for their next owner."""
    local_folder: Annotated[Path, HARMLESS] = Path(".millrace/kafka")
    """Where the local broker keeps its data."""

    @model_validator(mode="after")
    def _credentials_need_tls(self) -> Self:
        if self.sasl is not None and self.tls is None and not self.allow_plaintext_credentials:
            raise ValueError(
                "must set tls with sasl, or the password travels in the clear "
                "(kafka.allow_plaintext_credentials = true accepts that)"
            )
        return self


class TopicsConfig(Section):
    """Names and sizes of the topics; derived ones are `<name>.predictions` and so on."""

    partitions: Annotated[int, REFUSE] = Field(default=4, ge=1, le=10_000)
    """Of features, labels and predictions alike; fixed for the pipeline's life."""
    shards: Annotated[int, REFUSE] = Field(default=1, ge=1)
    """Partitions of examples: 1 is one global model."""
    replication: Annotated[int, HARMLESS] = Field(default=1, ge=1)
    features: Annotated[str | None, REFUSE] = None
    """A topic that exists already; None means `<name>.features`."""
    labels: Annotated[str | None, REFUSE] = None


class EventMapping(Section):
    """Where in a foreign event our fields are: dotted paths into its JSON; `$` is the whole of it."""

    id: Annotated[str, REFUSE] = "id"
    time: Annotated[str, REFUSE] = "time"
    features: Annotated[str | dict[str, str], REFUSE] = "features"
    """Path of the object that holds them all, or a path for each feature."""


class LabelMapping(Section):
    """Where in a foreign label record our fields are."""

    id: Annotated[str, REFUSE] = "id"
    time: Annotated[str, REFUSE] = "time"
    label: Annotated[str, REFUSE] = "label"


class MappingConfig(Section):
    """For topics that exist already and were not written for millrace."""

    features: Annotated[EventMapping, REFUSE] = EventMapping()
    labels: Annotated[LabelMapping, REFUSE] = LabelMapping()


class TargetConfig(Section):
    """What is predicted."""

    task: Annotated[Literal["binary", "multiclass", "regression"], REFUSE]
    labels: Annotated[tuple[str | int | float | bool, ...], REFUSE] = ()
    """Every value a label may take; empty for regression."""
    positive: Annotated[str | int | float | bool | None, REFUSE] = None
    """Of a binary task: the value whose probability is predicted."""

    def build(self) -> Target:
        """The learners' form of it; raises ValueError where the parts do not fit."""
        return Target(kind=self.task, labels=self.labels, positive=self.positive)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.build()
        return self


class InputConfig(Section):
    """What is accepted as an event."""

    event_bytes_max: Annotated[int, HARMLESS] = Field(default=256 * 1024, ge=1024, le=8 * 1024 * 1024)
    """Larger records become dead letters; derived topics allow four times this."""
    unknown_features: Annotated[Literal["ignore", "refuse"], HARMLESS] = "ignore"


class LabelsConfig(Section):
    """When a label belongs to its event, by the two records' timestamps: -early <= label - event <= wait."""

    wait_ms: Annotated[DurationMs, REBUILD] = Field(default=86_400_000, alias="wait", ge=0)
    early_ms: Annotated[DurationMs, REBUILD] = Field(default=300_000, alias="early", ge=0)
    grace_ms: Annotated[DurationMs, REBUILD] = Field(default=5_000, alias="grace", ge=0)
    """Clock skew between brokers that costs no match."""


class JoinConfig(Section):
    """Memory of the join."""

    memory_rows: Annotated[int, HARMLESS] = Field(default=50_000, ge=1)
    """Predictions awaiting their label in memory, for each partition; more go to files in `folder`."""
    folder: Annotated[Path, HARMLESS] = Path(".millrace/pending")
    """Copies on this machine's disk of predictions that await their label, so that a restart need not read all of them
    from Kafka. They decide nothing, and may be removed while no worker runs."""
    dedupe_horizon_ms: Annotated[DurationMs, REBUILD] = Field(default=3_600_000, alias="dedupe_horizon", ge=0)
    """An id seen again within this stream time is a duplicate."""


class CandidateConfig(Section):
    """One model that predicts every event and learns every example."""

    model: Annotated[str, REBUILD]
    """A name of `millrace models`, or `package.module:factory`."""
    params: Annotated[dict[str, Any], REBUILD] = Field(default_factory=dict)


class ModelsConfig(Section):
    """Champion and challengers; the baselines are there by themselves."""

    champion: Annotated[str, REBUILD] = "champion"
    """Which of the candidates is served as `prediction`."""
    candidates: Annotated[dict[str, CandidateConfig], REBUILD]
    seed: Annotated[int, REBUILD] = 1
    score_rows: Annotated[int, REBUILD] = Field(default=1_000, ge=10)
    """Examples in the windowed scores."""
    publish_every_ms: Annotated[DurationMs, HARMLESS] = Field(default=1_000, alias="publish_every", ge=100)
    """What other workers predict with, at the nearest checkpoint; a large model's versions come less often."""
    lag_examples_max: Annotated[int, HARMLESS] = Field(default=2_000, ge=100)
    """Catching up, the shard's own worker begins a step only while its model lacks no more examples than this, those on
    their way to the broker among them: no prediction's model lacks more than this and its step's, of 200 labels."""
    lag_followed_max: Annotated[int, HARMLESS] = Field(default=50_000, ge=100)
    """The same of the others, which follow what it publishes: some seconds' examples, or they wait for each version."""
    kernels: Annotated[bool, HARMLESS] = True
    """Compiled arithmetic for models that have it: River's numbers, sooner. `false` leaves all to River."""

    @model_validator(mode="after")
    def _champion_exists(self) -> Self:
        if self.champion not in self.candidates:
            raise ValueError(f"champion must be one of the candidates ({', '.join(sorted(self.candidates))})")
        for name in self.candidates:
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or name in {"no_change", "prior", "mean"}:
                raise ValueError(f"candidates.{name} must be named in letters, digits, '_', '-', and not as a baseline")
        return self


class ReportsConfig(Section):
    """Evidently reports that the monitor renders when an incident starts."""

    folder: Annotated[Path, HARMLESS] = Path("reports")
    on_incident: Annotated[bool, HARMLESS] = True
    keep: Annotated[int, HARMLESS] = Field(default=50, ge=1)
    timeout_ms: Annotated[DurationMs, HARMLESS] = Field(default=120_000, alias="timeout", ge=1_000)


class StateConfig(Section):
    """Where checkpoints and snapshots are kept, and who signs them."""

    store: Annotated[str, HARMLESS] = ".millrace/state"
    """A folder, or an fsspec URL such as `s3://bucket/prefix`."""
    key: Annotated[SecretStr | None, HARMLESS] = None
    """At least 32 characters, best `"env:MILLRACE_STATE_KEY"`; None means `key_file`."""
    key_file: Annotated[Path, HARMLESS] = Path(".millrace/state.key")
    """Made on the first start, readable by its owner alone."""
    checkpoint_every_ms: Annotated[DurationMs, HARMLESS] = Field(default=1_000, alias="checkpoint_every", ge=50)


class Config(Section):
    """A whole millrace.toml."""

    name: Annotated[str, REFUSE, AfterValidator(_pipeline_name)]
    """The pipeline's identity, and the first part of its topics' names."""
    start: Annotated[Literal["earliest", "latest"] | datetime, REFUSE] = "earliest"
    """Where the first start begins to read."""
    kafka: Annotated[KafkaConfig, HARMLESS] = KafkaConfig()
    topics: Annotated[TopicsConfig, HARMLESS] = TopicsConfig()
    mapping: Annotated[MappingConfig, HARMLESS] = MappingConfig()
    target: Annotated[TargetConfig, HARMLESS]
    features: Annotated[dict[str, FeatureKind], REFUSE, AfterValidator(_feature_names)] = Field(min_length=1)
    """Name and kind of every feature: the worker itself never infers them."""
    input: Annotated[InputConfig, HARMLESS] = InputConfig()
    labels: Annotated[LabelsConfig, HARMLESS] = LabelsConfig()
    join: Annotated[JoinConfig, HARMLESS] = JoinConfig()
    models: Annotated[ModelsConfig, HARMLESS]
    drift: Annotated[DriftConfig, HARMLESS] = DriftConfig()
    retrain: Annotated[RetrainConfig, HARMLESS] = RetrainConfig()
    reports: Annotated[ReportsConfig, HARMLESS] = ReportsConfig()
    state: Annotated[StateConfig, HARMLESS] = StateConfig()
    alerts: Annotated[AlertsConfig, HARMLESS] = AlertsConfig()
    metrics: Annotated[MetricsConfig, HARMLESS] = MetricsConfig()
    health: Annotated[HealthConfig, HARMLESS] = HealthConfig()
    root: Annotated[Path, HARMLESS] = Field(default=Path(), exclude=True)
    """Folder of the file: relative paths start here. Not a key of the file."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        for place, names in (
            ("thresholds", self.drift.thresholds),
            ("tolerance", self.drift.tolerance),
            ("feature_detectors", self.drift.feature_detectors),
        ):
            for name in names:
                if name not in self.features:
                    raise ValueError(f"drift.{place}.{name} must be one of the features")
        return self

    def topic(self, role: str) -> str:
        """Name of the topic that plays `role`: `features`, `labels`, `predictions` … (design, section 2)."""
        own: str | None = getattr(self.topics, role, None) if role in {"features", "labels"} else None
        return own or f"{self.name}.{role}"

    def path(self, relative: Path) -> Path:
        """A path of the file, from the file's own folder."""
        return self.root / relative.expanduser()


def leaves(config: Section, effect: OnChange = HARMLESS, prefix: str = "") -> Iterator[tuple[str, OnChange, Any]]:
    """Every setting as (dotted path, effect of a change, value): values as in the file, sections walked into."""
    plain: Mapping[str, Any] = config.model_dump(mode="json", by_alias=True)
    for name, info in type(config).model_fields.items():
        if info.exclude:
            continue
        key = info.alias or name
        own = next((mark for mark in info.metadata if isinstance(mark, OnChange)), effect)
        value = getattr(config, name)
        if isinstance(value, Section):
            yield from leaves(value, own, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", own, plain[key]


def pinned(config: Config, *effects: OnChange) -> dict[str, Any]:
    """The settings whose change is not harmless: what a checkpoint records and compares."""
    wanted = effects or (REBUILD, REFUSE)
    return {path: value for path, effect, value in leaves(config) if effect in wanted}
