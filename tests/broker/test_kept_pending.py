"""Copies of pending predictions between two lives of a worker, on a real Kafka: used, shared, or passed over."""

from __future__ import annotations

import fcntl
import json

import pytest
from kafka import KafkaProducer
from pipeline_process import PATIENCE_S, Pipeline, until
from pipeline_records import end_offsets, read_checkpoint

from streams.cli.main import run
from streams.kafka.partitioning import partition_of

pytestmark = [pytest.mark.broker, pytest.mark.slow]

EVENTS = 300
TABLES = {"labels": {"wait": "1h"}, "join": {"memory_rows": 10}}


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path):
    """A worker that was killed when all its predictions waited, and most of them had a copy on disk."""
    with Pipeline(tmp_path, broker, pipeline_name, **TABLES).create_topics() as pipeline:
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        send(pipeline, "features", range(EVENTS))
        until(lambda: end(pipeline, "predictions") == EVENTS, PATIENCE_S, pipeline.logs)
        until(lambda: waiting(pipeline) == EVENTS, PATIENCE_S, pipeline.logs)
        worker.kill()
        yield pipeline


def send(pipeline, role, numbers):
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap, acks="all")
    for number in numbers:
        key, identity = b"%d" % number, f"e{number}"
        said = {"label": "yes"} if role == "labels" else {"features": {"x": number % 7 - 3.0, "y": 1.0}}
        value = json.dumps({"id": identity, **said}).encode()
        producer.send(pipeline.topic(role), key=key, value=value, partition=partition_of(key, pipeline.partitions))
    producer.flush()
    producer.close(timeout=5)


def end(pipeline, role):
    return sum(end_offsets(pipeline.bootstrap, [pipeline.topic(role)]).values())


def waiting(pipeline):
    """As the newest checkpoints say."""
    return sum(sum(read_checkpoint(pipeline.state, f"task-{p}").state["open"][1::2]) for p in range(2))


def folder(pipeline, partition):
    return pipeline.folder / ".millrace" / "pending" / pipeline.name / f"task-{partition}"


def all_joined(pipeline, still=range(EVENTS)):
    """Labels of all events come, these now; each is joined with the prediction that was served."""
    send(pipeline, "labels", still)
    until(lambda: end(pipeline, "examples") == EVENTS, PATIENCE_S, pipeline.logs)
    until(lambda: waiting(pipeline) == 0, PATIENCE_S, pipeline.logs)
    pipeline.processes[-1].stop()
    assert run(["verify", "--config", str(pipeline.config)]) == 0
    return True


def from_disk(worker):
    worker.wait_for("task_restored", count=2)
    return {told["partition"]: told["from_disk"] for told in worker.events("task_restored")}


def test_a_restart_reads_only_what_has_no_copy(pipeline):
    """The rest is found on disk, row by row as it was."""
    worker = pipeline.start("worker")
    assert min(from_disk(worker).values()) > EVENTS // 4
    for told in worker.events("task_restored"):
        assert told["pending"] - told["from_disk"] <= 12  # those that were in memory
    assert all_joined(pipeline)


def test_what_is_damaged_is_read_from_the_log(pipeline):
    """One partition's copies are not what they were; the other's serve."""
    path = next(folder(pipeline, 0).glob("*.index"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    worker = pipeline.start("worker")
    found = from_disk(worker)
    assert found[0] == 0
    assert found[1] > EVENTS // 4
    assert "must be what a checkpoint has named" in worker.wait_for("pending_read_again", partition=0)["reason"]
    assert all_joined(pipeline)


def test_a_row_that_is_damaged_ends_the_worker_and_the_next_one_reads_the_log(pipeline):
    """What is noticed only when a label comes for it: 75, which a supervisor starts again."""
    harmed = partition_of(b"1", 2)
    for path in folder(pipeline, harmed).glob("*.rows"):
        path.write_bytes(path.read_bytes().replace(b'"y":1.0', b'"y":9.0'))
    worker = pipeline.start("worker")
    assert min(from_disk(worker).values()) > EVENTS // 4
    send(pipeline, "labels", [1])
    assert worker.wait(PATIENCE_S) == 75
    assert "they are not what was written" in worker.text()

    again = pipeline.start("worker")
    assert from_disk(again)[harmed] == 0
    assert all_joined(pipeline, [number for number in range(EVENTS) if number != 1])


def test_copies_that_somebody_holds_are_left_to_them(pipeline):
    """A process that is stopped, but not gone: its successor reads the log, and writes elsewhere."""
    with (folder(pipeline, 0) / "lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = {path: path.read_bytes() for path in folder(pipeline, 0).iterdir()}
        worker = pipeline.start("worker")
        assert from_disk(worker)[0] == 0
        assert worker.wait_for("pending_not_kept")["reason"] == "another process has them"
        assert all_joined(pipeline)
        assert {path: path.read_bytes() for path in folder(pipeline, 0).iterdir()} == before
