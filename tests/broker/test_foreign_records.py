"""Records of somebody else in topics of ours: whoever reads them passes them over."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer
from pipeline_process import until
from pipeline_records import lag, read_topic
from pipeline_traffic import Traffic

pytestmark = [pytest.mark.broker, pytest.mark.slow]

FOREIGN = (
    b"not ours",
    b"[]",
    b'{"shard": "0"}',
    b'{"model": "\xff", "snapshot": "\xff", "id": "\xff"}',  # no UTF-8 where a text is read
    b"[" * 20_000,  # nested more deeply than anybody reads
)


def versions(pipeline):
    """Those that were published, by whom it behoves."""
    return [
        each.json["version"] for each in read_topic(pipeline.bootstrap, pipeline.topic("models")) if each.key != b"k"
    ]


def test_a_worker_and_a_monitor_read_past_them(pipeline, broker):
    """Those in what they write and read back, at the first start, later and at the next one; versions go on."""
    producer = KafkaProducer(bootstrap_servers=broker)

    def send(*roles):
        for role in roles:
            for value in FOREIGN:
                producer.send(pipeline.topic(role), key=b"k", value=value, partition=0)
        producer.flush()

    send("models", "control")
    worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
    monitor.wait_for("monitor_restored")
    with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=200, seed=3) as traffic:
        (first, *_) = until(lambda: versions(pipeline), 30, "a version is published")
        worker.kill()
        send("predictions", "models", "examples", "control")
        worker = pipeline.start("worker")
        traffic.finish()
    until(lambda: not lag(pipeline), 30, lambda: f"caught up, lacking {lag(pipeline)}")

    until(lambda: versions(pipeline)[-1] > first, 30, "another one")

    assert [process.stop() for process in (worker, monitor)] == [0, 0]
