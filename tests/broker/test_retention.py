"""Retention that passes a process while it runs: told in words, never skipped."""

from __future__ import annotations

import re
import signal
import time
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pipeline_process import Pipeline, until
from pipeline_records import end_offsets, lag

from streams.cli.main import BROKER_LOST

EMPTY_S = 3.0
"""The fetch that is under way when a worker is stopped has been answered with nothing by then; otherwise it may bring
all that is sent next, and nothing is missing."""

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def send(bootstrap, topic, rows):
    """Events on partition 0; the offset behind the last."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap)) as producer:
        for row in range(rows):
            value = b'{"id": "e%d", "features": {"x": 1.0, "y": 0.0}}' % row
            producer.send(topic, key=b"k", value=value, partition=0)
        producer.flush()
    return end_offsets(bootstrap, [topic])[f"{topic}/0"]


def test_a_worker_that_retention_overtakes_says_what_is_gone(broker, pipeline_name, tmp_path):
    """It stood still, and what it had not read was deleted: it ends, and its next start refuses with the number."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker, topic = pipeline.start("worker"), pipeline.topic("features")
        worker.wait_for("task_restored", count=2)
        read = send(broker, topic, 10)
        until(lambda: not {place for place in lag(pipeline) if ".features/" in place}, 20, "read")
        worker.popen.send_signal(signal.SIGSTOP)
        time.sleep(EMPTY_S)
        end = send(broker, topic, 20)
        with closing(KafkaAdminClient(bootstrap_servers=broker)) as admin:
            admin.delete_records({TopicPartition(topic, 0): end - 5})
        worker.popen.send_signal(signal.SIGCONT)

        assert worker.wait(60) == BROKER_LOST
        told = re.search(rf"could not read on: {topic}/0 at offset (\d+) is not in the log any more", worker.text())
        assert told, worker.text()[-2000:]
        at = int(told[1])
        assert read <= at < end - 5
        refused = pipeline.start("worker")
        assert refused.wait(40) == 1
        told = re.search(r"(\d+) offsets fell off retention; `millrace rebuild --accept-gap`", refused.text())
        assert told, refused.text()[-2000:]
        assert end - 5 - at <= int(told[1]) <= end - 5 - read
