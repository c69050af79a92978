"""What two logs ask for, against the stage that decides it: the same in every order of ids, times and labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.output import Output
from streams.config import Config
from streams.messages import encode
from streams.stages.decoding import Decoding
from streams.stages.task import Task, TaskConfig
from streams.state.done import DoneIds
from streams.state.pending import PendingStore
from streams.verify.audit import audit
from streams.verify.evidence import Checkpoint, Evidence, MemoryLogs

WAIT, EARLY, GRACE, HORIZON = 20, 10, 4, 50
CONFIG = Config.model_validate(
    {
        "name": "p",
        "topics": {"partitions": 1},
        "target": {"task": "binary", "labels": ["a", "b"], "positive": "b"},
        "features": {"x": "numeric"},
        "labels": {"wait": f"{WAIT}ms", "early": f"{EARLY}ms", "grace": f"{GRACE}ms"},
        "join": {"dedupe_horizon": f"{HORIZON}ms"},
        "models": {"champion": "c", "candidates": {"c": {"model": "logistic_regression"}}},
    }
)
JOIN = TaskConfig(
    wait_ms=WAIT,
    early_ms=EARLY,
    grace_ms=GRACE,
    dedupe_horizon_ms=HORIZON,
    features_topic=CONFIG.topic("features"),
    labels_topic=CONFIG.topic("labels"),
)
STORY = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 3), st.sampled_from("ab")), min_size=1, max_size=80
)
"""Gap to the record before, whether a label, whose, which."""


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()


class Model:
    champion, version = "c", 0

    def predict(self, _features):
        self.version += 1
        return {"c": Output("a", {"a": 1 / self.version, "b": 1 - 1 / self.version})}


def add(log, ms, value):
    log.append(Row(len(log), ms, b"k", value))


def run(story):
    """The real task over these inputs, and the evidence it leaves behind."""
    logs = {role: [] for role in ("features", "labels", "predictions", "examples")}
    now = 1_000
    for gap, is_label, number, label in story:
        now += gap
        if is_label:
            add(logs["labels"], now, encode({"id": f"e{number}", "label": label}))
        else:
            add(logs["features"], now, encode({"id": f"e{number}", "features": {"x": 1.0}}))
    task = Task(0, JOIN, Decoding(CONFIG), PendingStore(1_000, None), DoneIds())
    task.restore([])
    for side, log in ((task.events, logs["features"]), (task.labels, logs["labels"])):
        side.feed(0, len(log), log)
        side.end = len(log)
    emitted = task.step(10_000, Model())
    for source, record in zip(emitted.sources, emitted.predictions, strict=True):
        task.acknowledged([source], len(logs["predictions"]))
        add(logs["predictions"], now, record.value)
    for record in emitted.examples:
        add(logs["examples"], now, record.value)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(task.dump(len(logs["predictions"]))), strict=False)
    return logs, state, shard_over(logs["examples"])


def shard_over(rows):
    """What the checkpoint of a learner says that has read these, none of them twice."""
    chain, ledger = b"", Counter()
    for row in rows:
        said = msgspec.json.decode(row.value)
        if said.get("kind") == "correction":
            ledger["correction"] += 1
            continue
        ledger["learnt"] += 1
        chain = hashlib.blake2b(chain + b"%d/%d" % tuple(said["label_source"]), digest_size=16).digest()
    return {"next": len(rows), "ledger": dict(ledger), "chain": chain}


def found(logs, state, shard, begins=None):
    """What the verifier says."""
    rows = {(CONFIG.topic(role), 0): log for role, log in logs.items()}
    rows |= {(CONFIG.topic(role), 0): [] for role in ("dead-letters", "metrics", "alerts", "retrain")}
    evidence = Evidence(
        config=CONFIG,
        logs=MemoryLogs(rows, {(CONFIG.topic(role), 0): begin for role, begin in (begins or {}).items()}),
        tasks={0: Checkpoint(name="task-0", offsets=state["next"], state=state, generation=1)},
        shards={0: Checkpoint(name="shard-0", offsets={"p.examples/0": shard["next"]}, state=shard, generation=1)},
    )
    return audit(evidence, slack_ms_min=0)


def offences(findings):
    return [f"{promise.name}: {each.at} {each.what}" for promise in findings.broken for each in promise.offences]


@given(STORY)
@settings(max_examples=150, deadline=None)
def test_two_logs_ask_for_what_the_stage_has_done(story):
    """Duplicates, corrections, early and late labels, ids that come again when they are forgotten: word for word."""
    assert offences(found(*run(story))) == []


@given(STORY, st.data())
@settings(max_examples=100, deadline=None)
def test_logs_that_begin_later_accuse_nobody(story, data):
    """Whatever retention has taken, with memory short enough that judging begins again behind it."""
    logs, state, shard = run(story)
    begins = {role: data.draw(st.integers(0, len(log)), label=role) for role, log in logs.items()}

    assert offences(found(logs, state, shard, begins)) == []


@given(STORY, st.data())
@settings(max_examples=100, deadline=None)
def test_no_record_of_an_output_can_be_missing_or_another_s(story, data):
    """Take one away, or change what it says: it is found, at the place that it is about."""
    logs, state, shard = run(story)
    role = data.draw(st.sampled_from(("predictions", "examples")))
    if not logs[role]:
        return
    at = data.draw(st.integers(0, len(logs[role]) - 1))
    row = logs[role][at]
    said = msgspec.json.decode(row.value)
    if data.draw(st.booleans(), label="taken away"):
        changed = []
    elif said.get("kind") == "correction":
        changed = [row._replace(value=encode(said | {"label_source": [0, 10**6]}))]
    else:
        changed = [row._replace(value=encode(said | {"features": {"x": 2.0}}))]
    logs[role] = [*logs[role][:at], *changed, *logs[role][at + 1 :]]

    told = offences(found(logs, state, shard))

    place = f"labels/0/{said['label_source'][1]}" if role == "examples" else f"features/0/{said['source']}"
    if changed and role == "examples" and said.get("kind") != "correction":
        place = f"p.examples/0/{at}"
    elif changed and role == "predictions":
        place = f"p.predictions/0/{at}"
    assert any(place in line for line in told), told
