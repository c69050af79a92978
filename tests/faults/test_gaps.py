"""Offsets without a record: transaction markers, aborted records and compaction are no loss; what fell away is."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from pipeline_process import PATIENCE_S
from pipeline_records import end_offsets, read_topic

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

BATCHES, ROWS = 30, 20


def transactions(told, kind):
    """Events and labels in transactions, a third of them aborted, some of one record; a kill in between."""
    with closing(
        KafkaProducer(bootstrap_servers=told.pipeline.bootstrap, transactional_id=f"{told.pipeline.name}-{kind}")
    ) as producer:
        producer.init_transactions()
        for batch in range(BATCHES):
            producer.begin_transaction()
            aborted = batch % 3 == 1
            for row in range(told.chance.choice((1, ROWS))):
                identity = f"{kind}-{'gone' if aborted else 'e'}{batch}-{row}"
                x = told.chance.gauss(0, 1)
                producer.send(
                    told.pipeline.topic("features"),
                    key=identity.encode(),
                    value=json.dumps({"id": identity, "features": {"x": x, "y": 0.0}}).encode(),
                )
                producer.send(
                    told.pipeline.topic("labels"),
                    key=identity.encode(),
                    value=json.dumps({"id": identity, "label": "yes" if x > 0 else "no"}).encode(),
                )
            (producer.abort_transaction if aborted else producer.commit_transaction)()
            told.wait(0, 0.1)


def send_plainly(told, rows, names="p"):
    """To every partition: the last record of each has no marker behind it."""
    with closing(KafkaProducer(bootstrap_servers=told.pipeline.bootstrap)) as producer:
        for row in range(rows):
            for p in range(told.pipeline.partitions):
                key, identity = b"%d" % p, f"{names}{p}-{row}"
                event = json.dumps({"id": identity, "features": {"x": 1.0, "y": 0.0}}).encode()
                producer.send(told.pipeline.topic("features"), key=key, value=event, partition=p)
        producer.flush()
        for row in range(rows):
            for p in range(told.pipeline.partitions):
                label = json.dumps({"id": f"{names}{p}-{row}", "label": "yes"}).encode()
                producer.send(told.pipeline.topic("labels"), key=b"%d" % p, value=label, partition=p)
        producer.flush()


def test_transactions_and_aborted_records_are_no_loss(story):
    """Markers move offsets without a record; what was aborted was never there."""
    with story() as told:
        told.pipeline.create_topics()
        for member in ("worker", "monitor"):
            told.start(member)
        told.ready("worker", count=2)
        transactions(told, "first")
        told.kill("worker")
        told.start("worker")
        transactions(told, "second")
        send_plainly(told, 3)
        evidence = told.audit()
    assert evidence.examples
    assert not any(b"gone" in record.value for record in evidence.predictions)
    assert "gap" not in told.pipeline.logs()


def test_an_input_that_is_compacted_is_no_loss(story, pipeline_name):
    """A user's own topic, whose older records of a key go while the worker is away."""
    topic = f"{pipeline_name}.features"
    with story(topics={"features": topic}) as told:
        with closing(KafkaAdminClient(bootstrap_servers=told.pipeline.bootstrap)) as admin:
            settings = {
                "cleanup.policy": "compact",
                "segment.ms": "200",
                "min.cleanable.dirty.ratio": "0.01",
                "max.compaction.lag.ms": "500",
                "message.timestamp.type": "LogAppendTime",
            }
            admin.create_topics([NewTopic(topic, 2, 1, topic_configs=settings)])
        run(["topics", "create", "--config", str(told.pipeline.config)])  # says that compaction is not as it would have
        told.start("worker")
        told.ready("worker", count=2)
        send_plainly(told, 20)
        told.caught_up()
        told.kill("worker")
        before = len(read_topic(told.pipeline.bootstrap, topic))
        send_plainly(told, 50, "later")

        def compacted():
            send_plainly(told, 1, "again")  # only a segment that is closed is compacted
            return len(read_topic(told.pipeline.bootstrap, topic)) < before

        told.until(compacted, PATIENCE_S, "compacted")
        told.start("worker")
        told.ready("worker", count=2)
        told.caught_up()
        told.stop("worker")
        assert "input is gone" not in told.pipeline.logs()


def test_records_that_fell_off_while_nobody_read_are_refused(story):
    """Retention passes the checkpoint: said at the start, with the number and the command that accepts it."""
    with story() as told:
        told.pipeline.create_topics()
        told.start("worker")
        told.ready("worker", count=2)
        send_plainly(told, 10)
        told.caught_up()
        told.kill("worker")
        send_plainly(told, 10, "later")
        labels = TopicPartition(told.pipeline.topic("labels"), 1)
        end = end_offsets(told.pipeline.bootstrap, [labels.topic])[f"{labels.topic}/1"]
        with closing(KafkaAdminClient(bootstrap_servers=told.pipeline.bootstrap)) as admin:
            admin.delete_records({labels: end - 4})
        refused = told.pipeline.start("worker")
        assert refused.wait(PATIENCE_S) == 1
        assert "6 offsets fell off retention" in refused.text()
        assert "millrace rebuild --accept-gap" in refused.text()
