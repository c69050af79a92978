"""The promises of docs/guarantees.md, checked over what a run left behind. Nothing of millrace is used.

What must have been learnt is worked out from the two input topics alone: events and labels in the order of their
timestamps, and of two timestamps whether a label still belongs to its event.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from typing import Any, NamedTuple

from pipeline_records import Checkpoint, Record, read_checkpoint, read_topic


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
    metrics: list[Record]
    alerts: list[Record]
    retrain: list[Record]
    tasks: dict[int, Checkpoint]
    shards: dict[int, Checkpoint]
    monitor: Checkpoint | None


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

    topics = ("features", "labels", "predictions", "examples", "metrics", "alerts", "retrain")
    return Evidence(
        times or Times(),
        *map(records, topics),
        tasks={p: read_checkpoint(pipeline.state, f"task-{p}") for p in range(pipeline.partitions)},
        shards={0: read_checkpoint(pipeline.state, "shard-0")},
        monitor=read_checkpoint(pipeline.state, "monitor"),
    )


def broken_promises(run: Evidence) -> list[str]:
    """Every promise that does not hold, in words."""
    return [*_joins(run), *_learning(run), *_telling(run)]


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

    now_ms = 0
    for ms, rank, _, record in sorted(order, key=lambda turn: turn[:3]):
        now_ms = max(now_ms, ms)
        if record.value is None:
            words["event_dead" if rank == 0 else "label_dead"] += 1
            continue
        document = record.json
        identity = document["id"]
        if rank == 1:
            settle(identity, record, document["label"])
            continue
        known = events.get(identity)
        if known and (identity in learnt or known.timestamp >= now_ms - times.wait_ms - times.grace_ms):
            words["event_duplicate"] += 1
            continue
        words["predicted"] += 1
        events[identity] = record
        for label in waiting.pop(identity, []):
            settle(identity, *label)
    words["unjoined"] += sum(map(len, waiting.values()))
    return Expected(joined, words)


def _joins(run):
    for p, task in run.tasks.items():
        features, labels, predictions = (
            [record for record in side if record.partition == p] for side in (run.features, run.labels, run.predictions)
        )
        want = expected(features, labels, run.times)
        ledger = Counter(task.state["ledger"])
        waiting = sum(len(entries) for entries in task.state["waiting"].values())
        pending = sum(task.state["open"][1::2])
        unjoined = ledger["late"] + ledger["orphan"] + waiting
        told = ledger["joined"] + ledger["duplicate"] + ledger["correction"] + ledger["label_dead"] + unjoined
        if told != len(labels):
            yield f"task {p}: {len(labels)} labels, {told} accounted for"
        if ledger["predicted"] != ledger["joined"] + ledger["expired"] + pending:
            yield f"task {p}: {ledger['predicted']} predictions, {dict(ledger)} and {pending} pending"
        if len(features) != ledger["predicted"] + ledger["event_duplicate"] + ledger["event_dead"]:
            yield f"task {p}: {len(features)} events, {dict(ledger)}"
        wanted = {word: want.words[word] for word in want.words if want.words[word]}
        got = {word: unjoined if word == "unjoined" else ledger[word] for word in wanted}
        if wanted != got:
            yield f"task {p}: the ledger must say {wanted}, got {got}"
        sources = Counter(record.json["source"] for record in predictions)
        if len(sources) != want.words["predicted"]:
            yield f"task {p}: {want.words['predicted']} events must have a prediction, {len(sources)} have"
        if repeated := [source for source, times in sources.items() if times > 1]:
            yield f"task {p}: events {repeated[:5]} were predicted anew though their prediction was in the log"
        for record in (max(features, default=None), max(labels, default=None)):
            if record is not None and record.offset + 1 not in task.header["offsets"].values():
                yield f"task {p}: its last checkpoint does not reach offset {record.offset}"


def _learning(run):
    first: dict[tuple[int, int], dict[str, Any]] = {}
    chain, learnt, corrections = b"", 0, 0
    for record in run.examples:
        example = record.json
        source = tuple(example["label_source"])
        if source in first:
            continue
        first[source] = example
        if example.get("kind") == "correction":
            corrections += 1
            continue
        learnt += 1
        chain = hashlib.blake2b(chain + b"%d/%d" % source, digest_size=16).digest()
    shard = run.shards[0].state
    ledger = Counter(shard["ledger"])
    if shard["next"] != len(run.examples):
        yield f"shard 0 has read to {shard['next']}, its log ends at {len(run.examples)}"
    if (ledger["learnt"], ledger["correction"]) != (learnt, corrections):
        yield f"shard 0 must have learnt {learnt} (and {corrections} corrections), its checkpoint says {dict(ledger)}"
    if ledger["learnt"] + ledger["correction"] + ledger["duplicate"] + ledger["failed"] != len(run.examples):
        yield f"shard 0: {len(run.examples)} examples, {dict(ledger)}"
    if shard["chain"] != chain:
        yield "shard 0: its history differs from the fold over its log"
    yield from _examples(run, first)


def _examples(run, first):
    """The examples that are there are those that should be, and each is what was served."""
    served: dict[tuple[int, int], dict[str, Any]] = {}
    for record in run.predictions:
        served.setdefault((record.partition, record.json["source"]), record.json)
    for p in run.tasks:
        features, labels = ([r for r in side if r.partition == p] for side in (run.features, run.labels))
        want = expected(features, labels, run.times).joined
        got = {
            offset: example["source"]
            for (partition, offset), example in first.items()
            if partition == p and example.get("kind") != "correction"
        }
        if lost := want.keys() - got.keys():
            yield f"labels/{p}: {len(lost)} labels were never learnt, such as {sorted(lost)[:5]}"
        if invented := got.keys() - want.keys():
            yield f"labels/{p}: {len(invented)} labels must not be learnt, such as {sorted(invented)[:5]}"
        wrong = [offset for offset in want.keys() & got.keys() if want[offset] != got[offset]]
        if wrong:
            yield f"labels/{p}: {len(wrong)} labels met another event, such as {wrong[:5]}"
    for (p, offset), example in first.items():
        if example.get("kind") == "correction":
            continue
        prediction = served.get((p, example["source"]))
        if prediction is None or any(example.get(field) != value for field, value in prediction.items()):
            yield f"labels/{p}/{offset}: the example is not the prediction that was served"
            return


def _telling(run):
    """Windows, alerts and requests belong to one history, the one that the monitor's checkpoint goes on from."""
    if run.monitor is None:
        return
    windows: dict[int, dict[str, Any]] = {}
    for record in run.metrics:
        window = record.json
        if windows.setdefault(window["window"], window) != window:
            yield f"window {window['window']} was told twice and differently: two histories"
    if sorted(windows) != list(range(1, len(windows) + 1)):
        yield f"windows must be told without a gap, got {sorted(windows)}"
    if run.monitor.state["windows_total"] != len(windows):
        yield f"the monitor's history has {run.monitor.state['windows_total']} windows, {len(windows)} were told"
    ordered = [windows[number] for number in sorted(windows)]
    for before, after in itertools.pairwise(ordered):
        if any(after["cut"]["offsets"][place] < offset for place, offset in before["cut"]["offsets"].items()):
            yield f"window {after['window']} ends before its predecessor"
    yield from _phases(run, {window["cut"]["id"]: window for window in ordered}, ordered)


def _phases(run, by_cut, ordered):
    alerts: dict[str, dict[str, Any]] = {}
    for record in run.alerts:
        alert = record.json
        if alerts.setdefault(alert["id"], alert) != alert:
            yield f"alert {alert['id']} was told twice and differently"
        if alert["cut"]["id"] not in by_cut:
            yield f"alert {alert['id']} is of no window of the surviving history"
    started = {a["incident"]: a for a in alerts.values() if a["phase"] == "started"}
    for alert in alerts.values():
        if alert["incident"] not in started:
            yield f"alert {alert['id']} is of an incident that nobody was told of"
    open_in_history = [window["incident"] for window in ordered if window["incident"]]
    if set(open_in_history) - started.keys():
        yield f"incidents {set(open_in_history) - started.keys()} of the history were never told"
    if started.keys() - set(open_in_history):
        yield f"incidents {started.keys() - set(open_in_history)} were told and are in no window of the history"
    for record in run.retrain:
        if record.json["incident"] not in started or record.json["cut"]["id"] not in by_cut:
            yield f"retrain request {record.json['id']} is of no incident of the surviving history"
