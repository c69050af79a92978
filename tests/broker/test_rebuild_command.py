"""`millrace rebuild` on the real Kafka: the logs folded anew are the state there was, nothing told or learnt twice."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_checkpoint, read_topic
from pipeline_traffic import Traffic

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def caught_up(pipeline):
    """Wait until the checkpoints have reached the ends of the logs; predictions are the monitor's, where one runs."""
    watched = read_checkpoint(pipeline.state, "monitor") is not None

    def lacking():
        return {place: rows for place, rows in lag(pipeline).items() if watched or ".predictions/" not in place}

    until(lambda: not lacking(), 30, lambda: f"caught up, lacking {lacking()}")


def summary(pipeline):
    """What must be the same after a fold of the same logs."""
    shard = read_checkpoint(pipeline.state, "shard-0").state
    tasks = [read_checkpoint(pipeline.state, f"task-{number}").state for number in range(pipeline.partitions)]
    return {
        "chain": shard["chain"],
        "learnt": shard["ledger"]["learnt"],
        "scores": shard["scores"],
        "ledgers": [task["ledger"] for task in tasks],
        "next": [task["next"] for task in tasks],
        "open": [task["open"] for task in tasks],
    }


def send_pairs(bootstrap, features, labels, rows):
    """Events and their labels on partition 0."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap)) as producer:
        for row in range(rows):
            event = {"id": f"late{row}", "features": {"x": row / rows, "y": 0.0}}
            producer.send(features, key=b"k", value=json.dumps(event).encode(), partition=0)
        producer.flush()
        for row in range(rows):
            label = {"id": f"late{row}", "label": "yes"}
            producer.send(labels, key=b"k", value=json.dumps(label).encode(), partition=0)
        producer.flush()


def rebuild(pipeline, *words):
    """The command's exit code."""
    return run(["rebuild", "--config", str(pipeline.config), *words])


def test_the_logs_folded_anew_give_the_same_state_and_tell_nothing_again(broker, pipeline_name, tmp_path, capsys):
    """Labels late, early, doubled and corrected: same ledgers, same models by hash chain, no prediction made anew."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
        monitor.wait_for("monitor_restored")
        with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=300, seed=11) as traffic:
            monitor.wait_for("reference_taken")
            traffic.say("turn")
            traffic.say("shift")
            monitor.wait_for("alert")
            traffic.finish()
        caught_up(pipeline)
        assert rebuild(pipeline, "--yes") == 1
        assert "--force" in capsys.readouterr().err
        assert [process.stop() for process in (worker, monitor)] == [0, 0]
        before = summary(pipeline)
        told = {role: len(read_topic(broker, pipeline.topic(role))) for role in ("predictions", "alerts", "metrics")}
        assert rebuild(pipeline) == 1
        assert "--yes" in capsys.readouterr().err
        assert summary(pipeline) == before

        assert rebuild(pipeline, "--yes") == 0
        worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
        monitor.wait_for("monitor_restored")
        caught_up(pipeline)
        assert [process.stop() for process in (worker, monitor)] == [0, 0]

        assert summary(pipeline) == before
        assert {role: len(read_topic(broker, pipeline.topic(role))) for role in told} == told
        watch = read_checkpoint(pipeline.state, "monitor").state
        assert watch["windows_total"] == watch["delays"]["counts"]["examples"] == 0


def test_lost_checkpoints_are_refused_until_rebuilt(broker, pipeline_name, tmp_path):
    """What the refusal tells people to run is what mends it."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=200, seed=2) as traffic:
            until(lambda: read_topic(broker, pipeline.topic("models")), 20, "published")
            traffic.finish()
        caught_up(pipeline)
        assert worker.stop() == 0
        before = summary(pipeline)
        for path in pipeline.state.glob("checkpoints/*/*.ckpt"):
            path.unlink()
        refused = pipeline.start("worker")
        assert refused.wait(30) == 1
        assert "millrace rebuild" in refused.text()

        assert rebuild(pipeline, "--tasks", "--shards", "--yes") == 0
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        caught_up(pipeline)
        assert worker.stop() == 0
        assert summary(pipeline) == before


def test_a_gap_is_refused_then_accepted_and_never_forgotten(broker, pipeline_name, tmp_path, capsys):
    """State is kept, positions move, and the ledger counts what is gone: over restarts, too."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        topics = pipeline.topic("features"), pipeline.topic("labels")
        with Traffic(broker, *topics, rate=200, seed=3) as traffic:
            until(lambda: read_topic(broker, pipeline.topic("examples")), 20, "learnt")
            traffic.finish()
        caught_up(pipeline)
        assert worker.stop() == 0
        learnt = summary(pipeline)["learnt"]
        send_pairs(broker, *topics, 20)
        position = read_checkpoint(pipeline.state, "task-0").state["next"][f"{topics[0]}/0"]
        with closing(KafkaAdminClient(bootstrap_servers=broker)) as admin:
            admin.delete_records({TopicPartition(topics[0], 0): position + 1})
        refused = pipeline.start("worker")
        assert refused.wait(30) == 1
        assert "millrace rebuild --accept-gap" in refused.text()
        capsys.readouterr()
        assert rebuild(pipeline, "--tasks", "--yes") == 1
        assert "--accept-gap" in capsys.readouterr().err

        assert rebuild(pipeline, "--accept-gap", "--yes") == 0
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        caught_up(pipeline)
        assert worker.stop() == 0
        after = summary(pipeline)
        assert after["learnt"] == learnt + 19
        assert [ledger.get("gap_events", 0) for ledger in after["ledgers"]] == [1, 0]
        capsys.readouterr()
        assert rebuild(pipeline, "--accept-gap", "--yes") == 0
        assert "nothing to do" in capsys.readouterr().err
        assert run(["status", "--seconds", "0.1", "--config", str(pipeline.config)]) == 0
        assert f"task-0 goes on without {topics[0]}/0 [{position:,}, {position + 1:,})" in capsys.readouterr().out


def test_an_input_made_anew_beside_its_outputs_cannot_be_folded(broker, pipeline_name, tmp_path, capsys):
    """Offsets of the old topic mean other records now: predictions would meet the wrong events."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=200, seed=3) as traffic:
            until(lambda: read_topic(broker, pipeline.topic("examples")), 20, "learnt")
            traffic.finish()
        caught_up(pipeline)
        assert worker.stop() == 0
        with closing(KafkaAdminClient(bootstrap_servers=broker)) as admin:
            admin.delete_topics([pipeline.topic("features")])
        until(lambda: run(["topics", "create", "--config", str(pipeline.config)]) == 0, 20, "made anew")
        capsys.readouterr()

        assert rebuild(pipeline, "--yes") == 1
        assert "was made anew" in capsys.readouterr().err
