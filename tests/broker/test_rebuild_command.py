"""`millrace rebuild` on the real Kafka: the logs folded anew are the state there was, nothing told or learnt twice."""

from __future__ import annotations

import json
import time
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_checkpoint, read_topic
from pipeline_traffic import Traffic

from streams.cli.main import run
from streams.config_file import load
from streams.kafka.rebuilding import _still_logged
from streams.messages import Prediction, encode
from streams.rebuild import Step
from streams.state.intervals import Intervals

pytestmark = [pytest.mark.broker, pytest.mark.slow]
EARLY_S = 2
"""`labels.early` of these pipelines."""


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


def test_a_pipeline_that_began_at_the_latest_is_folded_from_there(broker, pipeline_name, tmp_path):
    """Not from the beginning of its logs: what was there before is never predicted. Nor from their end as it is now."""
    with Pipeline(tmp_path, broker, pipeline_name, start="latest").create_topics() as pipeline:
        topics = pipeline.topic("features"), pipeline.topic("labels")
        send_pairs(broker, *topics, 50)
        sent_at = time.monotonic()
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        until(lambda: time.monotonic() > sent_at + EARLY_S + 1, 10, "labels of before are too early to belong to it")
        with Traffic(broker, *topics, rate=200, seed=7) as traffic:
            until(lambda: read_topic(broker, pipeline.topic("examples")), 20, "learnt")
            traffic.finish()
        caught_up(pipeline)
        assert worker.stop() == 0
        before, said = summary(pipeline), len(read_topic(broker, pipeline.topic("predictions")))

        assert rebuild(pipeline, "--tasks", "--shards", "--yes") == 0
        begun = [read_checkpoint(pipeline.state, f"task-{number}").state["next"] for number in range(2)]
        worker = pipeline.start("worker")
        worker.wait_for("task_restored", count=2)
        caught_up(pipeline)
        assert worker.stop() == 0

        assert begun[0][f"{topics[0]}/0"] == 50
        assert begun[1][f"{topics[0]}/1"] == 0
        assert summary(pipeline) == before
        assert len(read_topic(broker, pipeline.topic("predictions"))) == said


def test_only_predictions_that_the_log_still_holds_stay_pending(broker, pipeline_name, tmp_path):
    """The others can meet no label any more: they have expired, and are counted."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        with closing(KafkaProducer(bootstrap_servers=broker)) as producer:
            for source in range(40):
                value = b"somebody else's" if source == 33 else encode(said_of(source))
                producer.send(pipeline.topic("predictions"), value=value, partition=0)
            producer.flush()
        step = Step(name="task-0", part="tasks", number=0, anew=False, offsets={}, tail=30)
        pending = [10, 11, *range(28, 36)]

        kept, lost = _still_logged(load(pipeline.config), step, {"open": intervals(pending).to_list()})

    assert kept == intervals([30, 31, 32, 34, 35]).to_list()
    assert lost == 2 + 2 + 1


def said_of(source):
    """The prediction of an event, as small as it can be."""
    return Prediction(
        id=f"e{source}",
        features={},
        prediction="yes",
        probabilities=None,
        model="champion",
        version=0,
        candidates={},
        source=source,
        event_ms=source,
    )


def intervals(numbers):
    made = Intervals()
    for number in numbers:
        made.add(number)
    return made


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
