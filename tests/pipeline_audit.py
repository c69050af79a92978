"""The promises of docs/guarantees.md over a stopped pipeline: `millrace verify`, and what it leaves open.

Whoever runs a test knows more than a user's verifier: that nothing goes on, so that the last checkpoints must reach the
ends of the logs, that no zombie was there, and which records must be dead letters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from pipeline_records import Checkpoint, Record, read_checkpoint, read_topic

from streams.config_file import load
from streams.kafka.verifying import gathered
from streams.verify.audit import audit


class Times(NamedTuple):
    """The pipeline's `[labels]`."""

    wait_ms: int = 3000
    early_ms: int = 2000
    grace_ms: int = 500


class Evidence(NamedTuple):
    """A finished run."""

    times: Times
    features: list[Record]
    labels: list[Record]
    predictions: list[Record]
    examples: list[Record]
    models: list[Record]
    metrics: list[Record]
    alerts: list[Record]
    retrain: list[Record]
    tasks: dict[int, Checkpoint]
    shards: dict[int, Checkpoint]
    monitor: Checkpoint | None
    verified: list[str]
    """What `millrace verify` found."""
    dead: dict[str, bool]
    """Place of each input that must have become a dead letter → whether it has."""


class Expected(NamedTuple):
    """What the inputs of one partition ask for: label offset → event offset or kind."""

    joined: dict[int, int]
    words: Counter[str]


def collect(pipeline, times=None, dead=()) -> Evidence:
    """Read everything of a pipeline whose processes have stopped.

    `dead` are the places (`topic/partition/offset`) of the inputs that must have become dead letters.
    """

    def records(role):
        topic = pipeline.topic(role)
        return [
            record._replace(value=None) if f"{topic}/{record.partition}/{record.offset}" in dead else record
            for record in read_topic(pipeline.bootstrap, topic)
        ]

    topics = ("features", "labels", "predictions", "examples", "models", "metrics", "alerts", "retrain")
    letters = {record.key.decode() for record in read_topic(pipeline.bootstrap, pipeline.topic("dead-letters"))}
    return Evidence(
        times or Times(),
        *map(records, topics),
        tasks={p: read_checkpoint(pipeline.state, f"task-{p}") for p in range(pipeline.partitions)},
        shards={number: read_checkpoint(pipeline.state, f"shard-{number}") for number in range(pipeline.shards)},
        monitor=read_checkpoint(pipeline.state, "monitor"),
        verified=verified(pipeline),
        dead={place: place in letters for place in dead},
    )


def verified(pipeline) -> list[str]:
    """What the product's verifier finds on it, in words."""
    with gathered(load(pipeline.config), lambda _done, _total: None) as evidence:
        findings = audit(evidence)
    return [f"{promise.name}: {each.at} {each.what}" for promise in findings.broken for each in promise.offences]


def broken_promises(run: Evidence) -> list[str]:
    """Every promise that does not hold, in words."""
    return [*run.verified, *_unfinished(run), *_anew(run), *_alive(run)]


def _unfinished(run):
    """The last checkpoints reach the ends of what they read."""
    for p, task in run.tasks.items():
        for side in (run.features, run.labels):
            last = max((record for record in side if record.partition == p), default=None)
            if last is not None and last.offset + 1 not in task.header["offsets"].values():
                yield f"task {p}: its last checkpoint does not reach offset {last.offset}"
    for number, shard in run.shards.items():
        end = max((record.offset + 1 for record in run.examples if record.partition == number), default=0)
        if shard.state["next"] < end:
            yield f"shard {number} has read to {shard.state['next']}, its log ends at {end}"
    if run.monitor is not None:
        windows = {record.json["window"] for record in run.metrics}
        if run.monitor.state["windows_total"] != max(windows, default=0):
            yield f"the monitor's history has {run.monitor.state['windows_total']} windows, {len(windows)} were told"


def _anew(run):
    """Without a zombie there is one prediction of each event."""
    sources = Counter((record.partition, record.json["source"]) for record in run.predictions)
    if repeated := [source for source, times in sources.items() if times > 1]:
        yield f"events {repeated[:5]} were predicted anew though their prediction was in the log"


def _alive(run):
    if alive := [place for place, buried in run.dead.items() if not buried]:
        yield f"{len(alive)} records must be dead letters and are not, such as {alive[:5]}"


def expected(features, labels, times: Times) -> Expected:
    """By the two rules of the join, for one partition."""
    order = [(r.timestamp, 0, r.offset, r) for r in features] + [(r.timestamp, 1, r.offset, r) for r in labels]
    events: dict[str, Record] = {}
    learnt: dict[str, Any] = {}
    waiting: dict[str, list[tuple[Record, Any]]] = defaultdict(list)
    joined: dict[int, int] = {}
    words: Counter[str] = Counter()

    def settle(identity, record, label):
        delay_ms = record.timestamp - events[identity].timestamp if identity in events else times.wait_ms + 1
        if identity in learnt:
            words["duplicate" if learnt[identity] == label else "correction"] += 1
            learnt[identity] = label
        elif delay_ms > times.wait_ms:  # as if nobody knew the event: another one may come under this id
            waiting[identity].append((record, label))
        elif delay_ms < -times.early_ms:
            words["unjoined"] += 1
        else:
            joined[record.offset] = events[identity].offset
            learnt[identity] = label
            words["joined"] += 1

    for _, rank, _, record in sorted(order, key=lambda turn: turn[:3]):
        if record.value is None:
            words["event_dead" if rank == 0 else "label_dead"] += 1
            continue
        document = record.json
        identity = document["id"]
        if rank == 1:
            settle(identity, record, document["label"])
            continue
        known = events.get(identity)
        if known and (identity in learnt or record.timestamp - known.timestamp <= times.wait_ms + times.grace_ms):
            words["event_duplicate"] += 1
            continue
        words["predicted"] += 1
        events[identity] = record
        for label in waiting.pop(identity, []):
            settle(identity, *label)
    words["unjoined"] += sum(map(len, waiting.values()))
    return Expected(joined, words)
