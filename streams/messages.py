"""The records on the topics: JSON, one struct for each kind, and nothing else on the wire.

Readers ignore fields they do not know; `v` is the schema's version. `time` fields are the producer's own and only
carried along; whatever is decided by time uses record timestamps, in the fields that end in `_ms`.
The JSON Schemas in docs/schemas are generated from these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Label = str | int | float | bool
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Offset = Annotated[int, Meta(ge=0)]
Time = Annotated[datetime, Meta(tz=True)]


class Event(msgspec.Struct, frozen=True):
    """`features`: what was seen, before anybody knows the answer."""

    id: Id
    features: dict[str, float | int | str | bool | None]
    time: Time | None = None
    v: int = 1


class LabelRecord(msgspec.Struct, frozen=True):
    """`labels`: the answer, under the same id and the same Kafka key as its event."""

    id: Id
    label: Label
    time: Time | None = None
    v: int = 1


class Output(msgspec.Struct, frozen=True):
    """What one candidate said of one event."""

    prediction: Label | None
    probabilities: dict[str, float] | None = None


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """`predictions`: an event as it was scored."""

    id: Id
    features: dict[str, float | int | str]
    prediction: Label | None
    probabilities: dict[str, float] | None
    model: str
    """The champion's name."""
    version: Offset
    """It had learnt the shard's examples below this offset."""
    candidates: dict[str, Output]
    """What the challengers and baselines said."""
    source: Offset
    """Offset of the event in `features`, same partition."""
    event_ms: int
    """Record timestamp of the event."""
    missing: int = 0
    """Configured features that the event lacked."""
    behind: int = 0
    """Examples that were there or on their way, as far as the worker knew, and that the model had not learnt."""
    behind_ms: int = 0
    """For how long it had lacked them, at most."""
    time: Time | None = None
    v: int = 1


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """`examples`: a prediction that met its label; with `kind` = `correction`, a second, different label."""

    id: Id
    label: Label
    label_source: tuple[int, Offset]
    """Partition and offset of the label in `labels`: learnt once, whoever says it again."""
    closed: Offset
    """Below this offset no label of that partition will produce an example any more."""
    label_ms: int
    """Record timestamp of the label."""
    features: dict[str, float | int | str] = {}
    prediction: Label | None = None
    probabilities: dict[str, float] | None = None
    model: str = ""
    version: Offset = 0
    candidates: dict[str, Output] = {}
    source: int = 0
    event_ms: int = 0
    missing: int = 0
    behind: int = 0
    behind_ms: int = 0
    time: Time | None = None
    label_time: Time | None = None
    kind: Literal["example", "correction"] = "example"
    label_before: Label | None = None
    """Of a correction: the label that was learnt."""
    v: int = 1


class ModelVersion(msgspec.Struct, frozen=True):
    """`models`: a published version of a shard's candidates."""

    model: str
    shard: int
    version: Offset
    """The examples offset it has learnt to."""
    learnt: int
    snapshot: str
    """Path below the state store."""
    digest: str
    """SHA-256 of the snapshot."""
    published_ms: int
    scores: dict[str, Any]
    """Prequential scores of every candidate and baseline."""
    cut_ms: int = 0
    """When the snapshot was begun, by its worker's clock: until it was published it took `published_ms - cut_ms`."""
    v: int = 1


class Beginning(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a history of the monitor began; `millrace rebuild --monitor` begins another."""

    offsets: dict[str, Offset]
    """First offset of every input that was read, by `topic/partition`."""
    known: dict[str, Offset] = {}
    """Events and labels below these offsets were told before: what is said of them again is no news."""


class Cut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a window was closed: the next offset of every input partition, and how the rows came up to it."""

    id: str
    offsets: dict[str, int]
    """By `topic/partition`."""
    setbacks: list[dict[str, int]] = []
    """Since the window before, oldest first: cuts behind which a row was taken that sorts before one already taken.
    Each names only the inputs that had moved by the next one. With them the order of all rows is known."""
    began: Beginning | None = None
    """Where the history began; told up to its first window."""


class ColumnStanding(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one feature, or the loss, stands under the false-alarm budget."""

    standing: str
    """In words: `budget holds`, `observe only: reference not stable …`, `not enough independent data …` …."""
    holds: bool
    """Whether it can raise an alarm, at the promised rate."""
    sensitivity: str = ""
    """What would have been seen by now: `stable (no shift above 0.21 sd)`, `not_enough_data (needs 282 rows …)`."""
    smallest: float | None = None
    """The smallest change that would have been seen, in `unit`."""
    unit: Literal["sd", "share"] = "sd"
    """Standard deviations of a number, or a share of the rows."""


class BudgetMetrics(msgspec.Struct, frozen=True):
    """The false-alarm budget as of one window."""

    false_alarms: str
    """As the settings have it."""
    events_per_alarm: float | None
    """The same in events; None while a budget in time has no measured rate."""
    standing: str
    """In words, over everything that is watched."""
    events: int
    """Judged since the first start."""
    examples: int
    alarms: int
    """Raised since the first start, false and true ones."""
    loss: ColumnStanding | None
    """None if it is not watched."""
    reference: str = ""
    """In words: what windows are compared with, and where it moves, what that does to the alarms."""


class Histogram(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows per bin of the reference and of the window, to be looked at: no verdict rests on it."""

    reference: list[Offset]
    current: list[Offset]
    values: list[str] = []
    """One bin for each, in this order, and a last one for all others. Empty for numbers, whose inner bins are of one
    width from `low` to `high`; the first and the last bin hold what lies beyond."""
    low: float = 0.0
    high: float = 0.0


class ColumnMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """One feature, or one of the model's own streams, in one window."""

    subject: str
    verdict: Literal["stable", "drift", "not_enough_data"]
    """The budget's word where it holds (`drift`: the open incident is about it), else the statistic's."""
    statistic: str
    """The one of the statistics that is shown first, beside a threshold."""
    threshold: float
    statistics: dict[str, float]
    reference_rows: int
    current_rows: int
    missing_share: float = 0.0
    new_category_share: float = 0.0
    out_of_range_share: float = 0.0
    budget: ColumnStanding | None = None
    """None for a column that is shown only."""
    histogram: Histogram | None = None
    """At most 16 bins; of the 30 columns that stand farthest from the reference."""


class WindowMetrics(msgspec.Struct, frozen=True):
    """`metrics`: one evaluated window."""

    id: str
    window: int
    """Counts the evaluated windows, from 1."""
    cut: Cut
    rows: int
    from_ms: int
    to_ms: int
    verdict: Literal["stable", "drift", "not_enough_data"]
    """`drift` while an incident is open."""
    columns: list[ColumnMetrics]
    quality: dict[str, Any]
    """Scores in the window by candidate and baseline, from the predictions as they were served."""
    labels: dict[str, Any]
    """Predictions, examples and corrections so far, coverage of the window, delay quantiles."""
    alarms: list[dict[str, Any]]
    """Detectors that fired, outside any budget."""
    incident: str | None
    reference: str
    """Digest of the reference."""
    told: list[str]
    """Ids of the alerts and retrain requests since the window before."""
    budget: BudgetMetrics
    v: int = 1


class Hurt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the champion's loss is worse since a change: of examples heard after the alarm, and those before."""

    verdict: Literal["worse", "better", "none_seen", "unknown"]
    words: str
    examples_before: int
    examples_since: int
    before: float | None = None
    """Mean loss."""
    since: float | None = None
    low: float | None = None
    """Of since - before, with `high`: about 95 % sure, at any time."""
    high: float | None = None


class Alert(msgspec.Struct, frozen=True):
    """`alerts`: one phase of one incident; the record's key is `incident`."""

    id: str
    """`<incident>/<phase>/<count>`: the same phase told twice has the same id."""
    incident: str
    phase: Literal["started", "escalated", "recovered", "closed"]
    severity: Literal["info", "warning", "critical"]
    title: str
    """One line for a person."""
    subjects: list[dict[str, Any]]
    """What changed, the one that raised the alarm first: subject, aspect, bet, evidence (powers of ten for a change),
    since_ms, standing (what is promised of it), and its size: source (a statistic), value, threshold, strength."""
    since_ms: int
    """When it began, as far as one can tell."""
    since: dict[str, int]
    """How far the inputs were read then, by `topic/partition`: what is behind it holds the whole change."""
    hurt: Hurt
    false_alarms: str
    """The budget that was kept."""
    cut: Cut
    """Where the inputs stood when it was found."""
    events: int
    """Since the alarm."""
    repeats: int
    """How often the evidence has reached the budget again since, and nobody was told."""
    model: str
    version: int
    report: str | None
    """Where the Evidently report will be, once rendered."""
    reason: str = ""
    acknowledged: str = ""
    """By whom, if anybody has."""
    v: int = 1


ENDS = frozenset({"recovered", "closed"})
"""Phases after which an incident is over: by itself, or by a person."""


class Instruction(msgspec.Struct, frozen=True, omit_defaults=True):
    """`control`: what a person asks of the monitor, which acts on it where it stands in the order of record times."""

    id: Id
    """Chosen by who asks."""
    action: Literal["acknowledge", "close", "silence", "unsilence", "rebase"]
    """`acknowledge` and `close` an incident, `silence` subjects for a time and `unsilence` them, `rebase`: take a new
    reference from here on."""
    incident: str = ""
    """Which, to acknowledge or to close."""
    subjects: list[Annotated[str, msgspec.Meta(max_length=200)]] = []
    """Which, to silence: `feature:amount`, with what is missing or new in it, `loss`."""
    until_ms: int = 0
    """Of a silence: events of this record time are heard again."""
    by: Annotated[str, msgspec.Meta(max_length=100)] = ""
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    v: int = 1


class RetrainRequest(msgspec.Struct, frozen=True):
    """`retrain`: a request to fit a model anew, and on what."""

    id: str
    """`<incident>/retrain`, or `schedule/<examples>`."""
    incident: str
    """Empty for one on schedule."""
    cause: Literal["hurt", "size", "schedule"]
    model: str
    version: int
    reason: str
    evidence: list[dict[str, Any]]
    since_ms: int
    """When the change is believed to have begun."""
    basis: Literal["since_change", "latest"]
    """`latest`: the ranges are not the stretch since the change, there being too few examples or too many."""
    ranges: dict[str, tuple[int, int]]
    """`topic/partition` → offsets from, to (exclusive)."""
    examples: int
    cut: Cut
    v: int = 1


WIRE: dict[str, type[msgspec.Struct]] = {
    "features": Event,
    "labels": LabelRecord,
    "predictions": Prediction,
    "examples": Example,
    "models": ModelVersion,
    "metrics": WindowMetrics,
    "alerts": Alert,
    "retrain": RetrainRequest,
    "control": Instruction,
}
"""The struct of each topic whose records are JSON; dead letters are the original bytes."""

encode = msgspec.json.Encoder().encode
