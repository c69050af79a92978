"""Poison among good traffic: each piece becomes a dead letter, and nothing else notices."""

from __future__ import annotations

import hashlib
import json

import pytest
from kafka import KafkaProducer
from pipeline_audit import broken_promises, collect
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_checkpoint, read_topic

SECRET = "Zanzibar-4711"
"""In every poisoned payload, and never in a log."""
STALL_MS = 2_000
"""An agent of Faust that raises stands still for five seconds."""
UNLEARNABLE = 13_000.0
BIG = json.dumps({"id": "big", "features": {"x": 1, "y": 2}, "note": SECRET * 160_000}).encode()


def event(**changes):
    return json.dumps({"id": "poison", "features": {"x": 0.5, "y": -0.5, "note": SECRET}} | changes).encode()


EVENTS = {
    "bad UTF-8": (b'{"id": "' + b"\xff\xfe" + SECRET.encode() + b'", "features": {}}', "$"),
    "bad JSON": (b'{"id": "' + SECRET.encode(), "$ must be JSON in UTF-8"),
    "nothing": (b"", "$ must be JSON in UTF-8"),
    "a list": (json.dumps([SECRET]).encode(), "$: expected object, got array"),
    "brackets without end": (b"[" * 100_000, "$"),
    "no id": (json.dumps({"features": {"x": 1.0}, "note": SECRET}).encode(), "$: object missing required field id"),
    "an id that is a number": (event(id=4711), "$.id: expected str, got int"),
    "an id without end": (event(id=SECRET * 100), "$.id"),
    "features in a list": (event(features=[SECRET]), "$.features: expected object, got array"),
    "a number as text": (event(features={"x": SECRET, "y": 1.0}), "$.features.x must be a number, got a string"),
    "a feature that is an object": (event(features={"x": {"deep": SECRET}}), "$.features"),
    "NaN": (b'{"id": "%b", "features": {"x": NaN, "y": 1}}' % SECRET.encode(), "$ must be JSON in UTF-8"),
    "infinity": (b'{"id": "%b", "features": {"x": 1e999, "y": 1}}' % SECRET.encode(), "$"),
    "a number beyond all": (event(features={"x": 1e200, "y": 1}), "$.features.x must be a number within"),
    "a time without a zone": (event(time="2026-01-01T00:00:00"), "$.time"),
    "a feature that nobody configured": (event(features={"x": 1, "y": 1, "</script>": 1}), "$.features must be only"),
    "a tombstone": (None, "$ must be a JSON object, got a tombstone"),
    "two megabytes": (BIG, "$ must be at most 262144 bytes"),
    "no key": (event(features={"x": 1.0, "y": 1.0}), "the record's key must be set"),
}
LABELS = {
    "an unknown label": (json.dumps({"id": "e1", "label": SECRET}).encode(), "$.label must be one of the 2"),
    "a label that is null": (b'{"id": "e1", "label": null}', "$.label"),
    "a label of another type": (b'{"id": "e1", "label": 1}', "$.label must be one of the 2 configured labels"),
    "no label": (json.dumps({"id": "e1", "note": SECRET}).encode(), "$: object missing required field label"),
    "a broken label": (b'{"id": "e1", "label": "' + SECRET.encode(), "$ must be JSON in UTF-8"),
}
MODEL = f'''
"""A model that breaks half-way through one row."""

from river import base


class Moody(base.Classifier):
    def __init__(self):
        self.rows = 0

    def learn_one(self, x, y):
        self.rows += 1
        if x["x"] == {UNLEARNABLE}:
            raise ArithmeticError(f"{SECRET} {{x}}")

    def predict_proba_one(self, x):
        return {{True: 1 / (1 + self.rows), False: self.rows / (1 + self.rows)}}


def moody(target, kinds, seed):
    return Moody()
'''


class Sender:
    """Good pairs and bad records, and where each lies."""

    def __init__(self, pipeline):
        self.topics = {role: pipeline.topic(role) for role in ("features", "labels")}
        self.producer = KafkaProducer(
            bootstrap_servers=pipeline.bootstrap, acks="all", linger_ms=0, max_request_size=4 << 20
        )
        self.good = 0
        self.bad = {}

    def pair(self, x=1.0):
        """An event and its label, once the event is there."""
        key, identity = b"k%d" % self.good, f"e{self.good}"
        self.good += 1
        self._send("features", key, json.dumps({"id": identity, "features": {"x": x, "y": 1.0}}).encode())
        self._send("labels", key, json.dumps({"id": identity, "label": "yes" if x > 0 else "no"}).encode())

    def poison(self, name, role, value):
        """One bad record, and its like for each that comes after."""
        sent = self._send(role, None if name == "no key" else name.encode(), value)
        self.bad[f"{sent.topic}/{sent.partition}/{sent.offset}"] = name

    def _send(self, role, key, value):
        return self.producer.send(self.topics[role], key=key, value=value).get(10)


@pytest.mark.broker
@pytest.mark.slow
def test_poison_becomes_dead_letters_and_harms_nothing_else(broker, pipeline_name, tmp_path):
    """Two dozen kinds of bad input among good: each is laid aside with its reason, no good event waits for it."""
    (tmp_path / "own_model.py").write_text(MODEL)
    candidates = {"champion": {"model": "logistic_regression"}, "moody": {"model": "own_model:moody"}}
    tables = {"models": {"candidates": candidates}, "input": {"unknown_features": "refuse"}}
    with Pipeline(tmp_path, broker, pipeline_name, **tables).create_topics() as pipeline:
        worker = pipeline.start("worker", env={"PYTHONPATH": str(tmp_path)})
        worker.wait_for("task_restored", count=2)
        sender = Sender(pipeline)
        for role, poison in (("features", EVENTS), ("labels", LABELS)):
            for name, (value, _) in poison.items():
                sender.pair()
                sender.poison(name, role, value)
                sender.pair(-1.0)
        sender.pair(UNLEARNABLE)
        for _ in range(20):
            sender.pair()
        letters_topic = pipeline.topic("dead-letters")
        until(lambda: len(read_topic(broker, letters_topic)) > len(sender.bad), 20, lambda: worker.text()[-3000:])
        wait_until_learnt(pipeline)
        sender.pair()
        wait_until_learnt(pipeline)
        sender.producer.close(timeout=5)
        assert worker.stop() == 0
        evidence = collect(pipeline, dead=sender.bad)
        letters = {record.key.decode(): record for record in read_topic(broker, letters_topic)}
        shard = read_checkpoint(pipeline.state, "shard-0").state
        told = pipeline.logs()

    assert broken_promises(evidence) == []
    assert shard["ledger"] == {"learnt": sender.good, "candidate_failed": 1}
    unlearnt = letters.keys() - sender.bad.keys()
    assert {letters[place].headers["topic"] for place in unlearnt} == {pipeline.topic("examples").encode()}
    assert {letters[place].headers["reason"] for place in unlearnt} == {
        b"candidate moody raised ArithmeticError in learn_one"
    }
    moody = max(evidence.predictions, key=lambda record: record.timestamp).json["candidates"]["moody"]
    assert moody["probabilities"]["yes"] == pytest.approx(1 / (sender.good - 1))  # without the bad row and its own

    for place, name in sender.bad.items():
        value, reason = (EVENTS | LABELS)[name]
        check_letter(letters[place], place, name, value, reason)
    assert slowest_ms(evidence) < STALL_MS
    assert SECRET not in told
    assert "</script>" not in told


def wait_until_learnt(pipeline):
    """Until the worker's checkpoints cover all that was sent; nobody reads the predictions in this test."""
    unread = {f"{pipeline.topic('predictions')}/{p}" for p in range(pipeline.partitions)}
    until(lambda: not lag(pipeline).keys() - unread, 15, lambda: f"caught up, lacking {lag(pipeline)}")


def check_letter(letter, place, name, value, reason):
    """The bytes as they came, where from, why, and not a word of what they say."""
    headers = letter.headers
    topic, partition, offset = place.rsplit("/", 2)
    assert headers["reason"].decode().startswith(reason), name
    assert SECRET.encode() not in headers["reason"], name
    assert (headers["topic"], headers["partition"], headers["offset"]) == (
        topic.encode(),
        partition.encode(),
        offset.encode(),
    )
    assert headers["size"] == b"%d" % len(value or b"")
    assert headers.get("key") == (None if name == "no key" else name.encode())
    assert ("tombstone" in headers) is (value is None)
    if value is BIG:
        assert headers["sha256"] == hashlib.sha256(value).hexdigest().encode()
        assert letter.value == value[:262_144]
    else:
        assert letter.value == (value or b"")


def slowest_ms(evidence):
    """The longest that a good event waited for its prediction, by the broker's clock."""
    said = {(record.partition, record.json["source"]): record.timestamp for record in evidence.predictions}
    came = {(record.partition, record.offset): record.timestamp for record in evidence.features}
    return max(at - came[place] for place, at in said.items())
