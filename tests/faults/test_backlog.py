"""An hour of records that nobody has read: decided as live traffic would have been, however they are fetched."""

from __future__ import annotations

import heapq
import json
import time
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from pipeline_audit import Times

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

HOUR_MS, EVERY_MS = 3_600_000, 100
DELAY_MS = 30_000
"""Of a label, at most."""
TIMES = Times(wait_ms=60_000, early_ms=10_000, grace_ms=5_000)
QUIET = {"reference": {"rows": 3_000}, "window_rows": 2_000, "slide_rows": 500, "rows_min": 500} | {
    "false_alarms": "1 per 100000000 events"  # by chance, in one of 3,000 runs; disorder would show all the same
}


def produce(told, begin_ms, span_ms):
    """Events and their labels with the times of the past, all events before the first label."""
    topics = [told.pipeline.topic(role) for role in ("features", "labels")]
    labels = []
    with closing(KafkaProducer(bootstrap_servers=told.pipeline.bootstrap, linger_ms=20, acks="all")) as producer:
        for ms in range(begin_ms, begin_ms + span_ms, EVERY_MS):
            identity = f"e{ms}"
            x, y = told.chance.gauss(0, 1), told.chance.gauss(0, 1)
            event = json.dumps({"id": identity, "features": {"x": x, "y": y}}).encode()
            producer.send(topics[0], key=identity.encode(), value=event, timestamp_ms=ms)
            due_ms = ms + told.chance.randint(0, DELAY_MS)
            heapq.heappush(labels, (due_ms, identity, "yes" if x + y > 0 else "no"))
        while labels:
            ms, identity, label = heapq.heappop(labels)
            record = json.dumps({"id": identity, "label": label}).encode()
            producer.send(topics[1], key=identity.encode(), value=record, timestamp_ms=ms)
        producer.flush()


def test_a_restart_on_an_hour_of_backlog_makes_no_orphan_and_no_drift(story, pipeline_name):
    """All the events are there before the first label, and the worker is killed half-way through."""
    inputs = {role: f"{pipeline_name}.{role}" for role in ("features", "labels")}
    labels = {"wait": "60s", "early": "10s", "grace": "5s"}
    with story(topics=inputs, labels=labels, drift=QUIET) as told:
        with closing(KafkaAdminClient(bootstrap_servers=told.pipeline.bootstrap)) as admin:
            kept = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
            admin.create_topics([NewTopic(topic, 2, 1, topic_configs=kept) for topic in inputs.values()])
        run(["topics", "create", "--config", str(told.pipeline.config)])  # says that these two are not as it would have
        for member in ("worker", "monitor"):
            told.start(member)
        told.ready("worker", count=2)
        begin_ms = time.time_ns() // 10**6 - 2 * HOUR_MS
        produce(told, begin_ms, 60_000)
        told.caught_up()
        told.kill("worker")

        produce(told, begin_ms + 60_000 + DELAY_MS, HOUR_MS)
        told.start("worker")
        told.grows("examples", by=HOUR_MS // EVERY_MS // 2)
        told.kill("worker")
        told.start("worker")
        evidence = told.audit(times=TIMES)

    for task in evidence.tasks.values():
        assert not {"orphan", "late", "expired"} & task.state["ledger"].keys()
    assert len(evidence.examples) >= HOUR_MS // EVERY_MS
    assert evidence.metrics
    assert not evidence.alerts
