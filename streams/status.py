"""How a pipeline stands, from what its topics and its state store say: pure assembly into one JSON-able tree.

Whoever gathers hands over what could be found; what could not be found is None or absent here and is said so in the
tree, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drift.phases import subject_of, title
from learners.scores import PrequentialScores
from streams.config import Config
from streams.messages import ModelVersion, WindowMetrics
from streams.state.offsets import OffsetSet

TASK_WORDS = (
    "predicted",
    "joined",
    "expired",
    "pending",
    "duplicate",
    "correction",
    "late",
    "orphan",
    "waiting",
    "label_dead",
    "event_duplicate",
    "event_dead",
    "feature_missing",
    "feature_unknown",
)
LEARN_WORDS = ("learnt", "duplicate", "correction", "failed")
LABELS_ENDS = ("joined", "duplicate", "correction", "late", "orphan", "label_dead", "waiting")
"""What can become of a label."""
PREDICTIONS_ENDS = ("joined", "expired", "pending")
REASONS_MAX = 5

Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFacts:
    """One task, shard or monitor as its newest checkpoint has it."""

    name: str
    generation: int = 0
    sequence: int = 0
    created_ms: int = 0
    offsets: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    """None: there is no checkpoint, or it cannot be read."""
    problem: str = ""
    scores: Mapping[str, Any] | None = None
    """Of a shard that `scored` has looked at: what its state's scores are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """What the broker says."""

    bootstrap: str = ""
    problem: str = ""
    """Why there is nothing else here."""
    missing: Sequence[str] = ()
    """Topics that are not there."""
    begins: Mapping[Place, int] = field(default_factory=dict)
    ends: Mapping[Place, int] = field(default_factory=dict)
    ends_before: Mapping[Place, int] = field(default_factory=dict)
    """The ends `seconds` earlier."""
    seconds: float = 1.0
    committed: Mapping[str, Mapping[Place, int]] = field(default_factory=dict)
    """By role of the group, `worker` and `monitor`."""
    members: Mapping[str, int] = field(default_factory=dict)
    models: Sequence[ModelVersion] = ()
    """The newest of each shard."""
    metrics: WindowMetrics | None = None
    dead_reasons: Sequence[str] = ()
    """Of the newest dead letters."""


def assemble(
    config: Config,
    now_ms: int,
    kafka: KafkaFacts,
    states: Iterable[StateFacts],
    store_problem: str,
    gaps: Sequence[Any],
) -> dict[str, Any]:
    """The whole tree."""
    by_name = {facts.name: facts for facts in states}
    tasks = [by_name[name] for name in task_names(config) if name in by_name]
    shards = [by_name[name] for name in shard_names(config) if name in by_name]
    monitor = by_name.get("monitor", StateFacts(name="monitor"))
    return {
        "pipeline": config.name,
        "at_ms": now_ms,
        "broker": {
            "bootstrap": kafka.bootstrap,
            "problem": kafka.problem or None,
            "missing_topics": list(kafka.missing),
        },
        "store": {"url": config.state.store, "problem": store_problem or None},
        "worker": _group(config, "worker", ("features", "labels", "examples"), kafka),
        "monitor": _group(config, "monitor", ("predictions", "examples"), kafka),
        "per_second": _rates(config, kafka),
        "states": [_checkpoint(facts, now_ms) for facts in (*tasks, *shards, monitor)],
        "models": [_model(config, shard, facts, kafka.models, now_ms) for shard, facts in enumerate(shards)],
        "labels": ledger(config, tasks, kafka.begins),
        "learning": learning(config, shards, kafka.begins),
        "watch": _watch(config, monitor, kafka.metrics),
        "incident": open_incident(monitor.state),
        "dead_letters": _dead_letters(config, kafka),
        "gaps": list(gaps),
    }


def task_names(config: Config) -> list[str]:
    """Checkpoints of the tasks."""
    return [f"task-{number}" for number in range(config.topics.partitions)]


def shard_names(config: Config) -> list[str]:
    """Checkpoints of the shards."""
    return [f"shard-{number}" for number in range(config.topics.shards)]


# -- Kafka's side ------------------------------------------------------------------------------------------------


def _group(config: Config, role: str, inputs: Iterable[str], kafka: KafkaFacts) -> dict[str, Any]:
    """Lag is the last stable offset minus the committed one, which only displays what the checkpoints say."""
    committed = kafka.committed.get(role, {})
    lag: dict[str, int | None] = {}
    for name in inputs:
        topic = config.topic(name)
        places = [place for place in kafka.ends if place[0] == topic]
        began = any(place in committed for place in places)
        behind = sum(max(0, kafka.ends[at] - committed.get(at, kafka.begins.get(at, 0))) for at in places)
        lag[name] = behind if places and began else None
    return {"group": f"{config.name}.{role}", "members": kafka.members.get(role), "lag": lag}


def _rates(config: Config, kafka: KafkaFacts) -> dict[str, float | None]:
    """Records a second by topic, as the ends of the logs moved."""
    rates: dict[str, float | None] = {}
    for role in ("features", "labels", "predictions", "examples"):
        topic = config.topic(role)
        moved = [
            end - kafka.ends_before[at] for at, end in kafka.ends.items() if at[0] == topic and at in kafka.ends_before
        ]
        rates[role] = round(sum(moved) / kafka.seconds, 1) if moved and kafka.seconds > 0 else None
    return rates


def _dead_letters(config: Config, kafka: KafkaFacts) -> dict[str, Any]:
    topic = config.topic("dead-letters")
    held = sum(end - kafka.begins.get(at, 0) for at, end in kafka.ends.items() if at[0] == topic)
    reasons = Counter(kafka.dead_reasons).most_common(REASONS_MAX)
    return {"held": held, "looked_at": len(kafka.dead_reasons), "by_reason": dict(reasons)}


# -- the store's side --------------------------------------------------------------------------------------------


def _checkpoint(facts: StateFacts, now_ms: int) -> dict[str, Any]:
    there = facts.state is not None
    return {
        "name": facts.name,
        "generation": facts.generation if there else None,
        "sequence": facts.sequence if there else None,
        "age_ms": now_ms - facts.created_ms if there else None,
        "next": dict(facts.offsets),
        "problem": facts.problem or None,
    }


def task_counts(state: Mapping[str, Any]) -> dict[str, int]:
    """The ledger of a task's saved state with what is open, as `Task.counts` gives it.

    >>> task_counts({"ledger": {"predicted": 3, "joined": 1}, "open": [5, 2], "waiting": {"a": [1]}})
    {'predicted': 3, 'joined': 1, 'pending': 2, 'waiting': 1}
    """
    waiting = sum(len(entries) for entries in state.get("waiting", {}).values())
    return {**state.get("ledger", {}), "pending": len(OffsetSet.from_saved(state["open"])), "waiting": waiting}


def ledger(config: Config, tasks: Iterable[StateFacts], begins: Mapping[Place, int]) -> dict[str, Any] | None:
    """Counts summed over the tasks, and the two identities; None without any checkpoint.

    Labels are counted by offsets from the beginning of the log, so the second identity can only be checked where
    that is where the tasks began: `records` is None where retention or `start` has moved it.
    """
    counts: Counter[str] = Counter()
    read, known, found = 0, config.start == "earliest", False
    for facts in tasks:
        if facts.state is None:
            continue
        found = True
        counts.update(task_counts(facts.state))
        for place, offset in facts.offsets.items():
            topic, _, partition = place.rpartition("/")
            if topic == config.topic("labels"):
                read += offset
                known = known and begins.get((topic, int(partition))) == 0
    if not found:
        return None
    return {
        "counts": {word: counts[word] for word in TASK_WORDS}
        | {w: n for w, n in counts.items() if w not in TASK_WORDS},
        "identities": [
            _identity("predicted", counts["predicted"], PREDICTIONS_ENDS, counts, exact=True),
            _identity("labels", read if known else None, LABELS_ENDS, counts, exact=False),
        ],
    }


def learning(config: Config, shards: Iterable[StateFacts], begins: Mapping[Place, int]) -> dict[str, Any] | None:
    """What became of the examples, summed over the shards; None without any checkpoint."""
    counts: Counter[str] = Counter()
    read, known, found = 0, True, False
    for facts in shards:
        if facts.state is None:
            continue
        found = True
        counts.update(facts.state["ledger"])
        for place, offset in facts.offsets.items():
            topic, _, partition = place.rpartition("/")
            if topic == config.topic("examples"):
                read += offset
                known = known and begins.get((topic, int(partition))) == 0
    if not found:
        return None
    words = {word: counts[word] for word in LEARN_WORDS}
    identity = _identity("examples", read if known else None, LEARN_WORDS, counts, exact=False)
    return {"counts": words | {w: n for w, n in counts.items() if w not in words}, "identities": [identity]}


def _identity(
    name: str, total: int | None, parts: Sequence[str], counts: Mapping[str, int], *, exact: bool
) -> dict[str, Any]:
    """`holds` is None where it cannot be known; fewer records than offsets is no fault: some offsets hold none."""
    accounted = sum(counts.get(part, 0) for part in parts)
    gap = sum(number for word, number in counts.items() if word == f"gap_{name}")
    holds = None
    if total is not None:
        holds = accounted == total if exact else accounted + gap <= total
    without = total - accounted if holds and total is not None else 0
    return {
        "total": name,
        "records": total,
        "parts": list(parts),
        "accounted": accounted,
        "holds": holds,
        "others": without,
    }


def _model(
    config: Config, shard: int, facts: StateFacts, published: Sequence[ModelVersion], now_ms: int
) -> dict[str, Any]:
    """The shard's model: its scores from the checkpoint, which is newer, else as they were published."""
    newest = max((m for m in published if m.shard == shard), key=lambda m: m.published_ms, default=None)
    told: dict[str, Any] = {
        "shard": shard,
        "model": config.models.champion,
        "version": None,
        "learnt": None,
        "age_ms": None,
        "published": None,
        "scores": None,
    }
    if newest is not None:
        told["published"] = {"version": newest.version, "age_ms": now_ms - newest.published_ms}
        told |= {"model": newest.model, "version": newest.version, "learnt": newest.learnt, "scores": newest.scores}
        told["age_ms"] = now_ms - newest.published_ms
    if facts.state is not None and (scores := facts.scores or _scores(config, facts.state["scores"])) is not None:
        told |= {"version": facts.state["next"], "learnt": facts.state["ledger"].get("learnt", 0), "scores": scores}
        told["age_ms"] = now_ms - facts.created_ms
    return told


def scored(config: Config, states: Sequence[StateFacts]) -> list[StateFacts]:
    """With every shard's scores, some milliseconds each: for whoever makes the tree again and again."""
    shards = set(shard_names(config))
    return [
        replace(facts, scores=_scores(config, facts.state["scores"])) if facts.state and facts.name in shards else facts
        for facts in states
    ]


def _scores(config: Config, saved: Mapping[str, Any]) -> dict[str, Any] | None:
    scores = PrequentialScores(config.target.build(), list(saved["scores"]), window=config.models.score_rows)
    try:
        scores.restore(saved)
    except ValueError:  # of another target: `millrace rebuild` will be asked for
        return None
    return scores.report(config.models.champion)


def _watch(config: Config, monitor: StateFacts, metrics: WindowMetrics | None) -> dict[str, Any]:
    """Reference, windows and the last window's verdict."""
    told: dict[str, Any] = {"reference_rows": None, "collecting": None, "windows": None, "last": None, "budget": None}
    if monitor.state is not None:
        collecting = monitor.state["collecting"]
        told["windows"] = monitor.state["windows_total"]
        told["reference"] = monitor.state["reference"] or None
        if not monitor.state["reference"]:
            rows = len(collecting["ids"]) if collecting else 0
            told["collecting"] = {"rows": rows, "of": config.drift.reference.rows}
    if metrics is not None:
        told["last"] = {
            "window": metrics.window,
            "verdict": metrics.verdict,
            "rows": metrics.rows,
            "to_ms": metrics.to_ms,
            "drifting": [column.subject for column in metrics.columns if column.verdict == "drift"],
            "columns": len(metrics.columns),
            "coverage": metrics.labels.get("coverage"),
        }
        told["budget"] = _budget(metrics)
    return told


def _budget(metrics: WindowMetrics) -> dict[str, Any]:
    """What is promised, what was raised, and what would have been seen, as of the last window."""
    budget = metrics.budget
    watched = [(column.subject, column.budget) for column in metrics.columns if column.budget is not None]
    watched += [("loss", budget.loss)] if budget.loss is not None else []
    blind = [(name, each) for name, each in watched if not each.sensitivity.startswith("stable")]
    return {
        "false_alarms": budget.false_alarms,
        "events_per_alarm": budget.events_per_alarm,
        "standing": budget.standing,
        "reference": budget.reference,
        "events": budget.events,
        "examples": budget.examples,
        "alarms": budget.alarms,
        "loss": budget.loss.sensitivity or budget.loss.standing if budget.loss is not None else None,
        "not_watched": {name: each.standing for name, each in watched if not each.holds},
        "not_enough_data": {name: each.sensitivity for name, each in blind if each.holds},
        "smallest_sd": max(
            (each.smallest for _, each in watched if each.holds and each.unit == "sd" and each.smallest is not None),
            default=None,
        ),
    }


def open_incident(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The open incident of the monitor's saved state."""
    found = state["incidents"]["open"] if state is not None else None
    if found is None:
        return None
    subjects = [subject_of(item) for item in found["subjects"]]
    return {
        "incident": found["incident"],
        "title": title(subjects),
        "since_ms": min(item.since_ms for item in subjects),
        "started_ms": found["started_ms"],
        "events": state["event"] - found["event"] if state is not None else 0,
        "repeats": found["repeats"],
        "escalations": found["escalations"],
    }
