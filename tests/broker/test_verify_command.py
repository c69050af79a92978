"""`millrace verify` on a real Kafka: beside a running pipeline, and on one that somebody has tampered with."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_topic
from pipeline_traffic import Traffic

from streams.cli.main import run
from streams.verify.findings import WORDS

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def asked(capsys, pipeline, code):
    """The tree of `verify --json`, which ends with this exit code."""
    assert run(["verify", "--json", "--config", str(pipeline.config)]) == code
    told = json.loads(capsys.readouterr().out)
    assert [promise["promise"] for promise in told["promises"]] == list(WORDS)
    return told


def offences(told):
    """Place → promise and words."""
    return {each["at"]: f"{p['promise']}: {each['what']}" for p in told["promises"] for each in p["offences"]}


def forge(pipeline, role, partition, document):
    """A record that nobody of the pipeline has sent; its place."""
    with closing(KafkaProducer(bootstrap_servers=pipeline.bootstrap)) as producer:
        topic = pipeline.topic(role)
        sent = producer.send(topic, key=b"k", value=json.dumps(document).encode(), partition=partition).get(10)
    return f"{topic}/{partition}/{sent.offset}"


def test_a_running_pipeline_is_verified_and_a_forged_one_found_out(broker, pipeline_name, tmp_path, capsys):
    """Exit code 0 while it runs, crashes and rests; then each forgery is named by its place, and the code is 1."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
        monitor.wait_for("monitor_restored")
        capsys.readouterr()
        with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=300, seed=11) as traffic:
            monitor.wait_for("reference_taken")
            traffic.say("shift")
            running = asked(capsys, pipeline, 0)
            monitor.wait_for("alert")
            worker.kill()
            assert asked(capsys, pipeline, 0)["holds"] is True
            worker = pipeline.start("worker")
            worker.wait_for("task_restored", count=2)
            assert asked(capsys, pipeline, 0)["read"]["records"] > running["read"]["records"]
            traffic.finish()
        until(lambda: not lag(pipeline), 20, lambda: f"caught up, lacking {lag(pipeline)}")
        assert [process.stop() for process in (worker, monitor)] == [0, 0]
    whole(capsys, pipeline)
    forged(capsys, pipeline)
    cut_by_retention(capsys, pipeline)


def whole(capsys, pipeline):
    """All was judged to the last record, and nothing was written."""
    before = {path: path.stat().st_mtime_ns for path in pipeline.state.rglob("*")}
    told = asked(capsys, pipeline, 0)
    figures = {promise["promise"]: promise["figures"] for promise in told["promises"]}

    assert {promise["holds"] for promise in told["promises"]} <= {True, None}
    assert not any(promise["not_checked"] for promise in told["promises"])
    assert figures["labels"]["labels"] == len(read_topic(pipeline.bootstrap, pipeline.topic("labels")))
    assert figures["learnt"]["learnt"] == figures["joins"]["joined"] > 500
    assert figures["complete"]["repeated"] == figures["complete"]["beyond"] == 0
    assert set(told["up_to"]) == {"task-0", "task-1", "shard-0", "monitor"}
    assert {path: path.stat().st_mtime_ns for path in pipeline.state.rglob("*")} == before
    assert run(["verify", "--config", str(pipeline.config)]) == 0
    shown = capsys.readouterr()
    assert [line.split("\t")[:2] for line in shown.out.splitlines()[1:4]] == [
        ["events", "kept"],
        ["labels", "kept"],
        ["predictions", "kept"],
    ]
    assert "\x1b" not in shown.out
    assert f"read {told['read']['records']:,} records" in shown.err


def forged(capsys, pipeline):
    """Four hands at work; each is found."""
    examples, predictions = (
        read_topic(pipeline.bootstrap, pipeline.topic(role)) for role in ("examples", "predictions")
    )
    labels = {(r.partition, r.offset) for r in read_topic(pipeline.bootstrap, pipeline.topic("labels"))}
    partition, offset = min(labels - {tuple(record.json["label_source"]) for record in examples})
    learnt = next(record.json for record in examples if record.json["label_source"][0] == partition)
    forge(pipeline, "examples", 0, learnt | {"label_source": [partition, offset]})
    repeated = forge(pipeline, "predictions", predictions[0].partition, predictions[0].json | {"id": "another"})
    invented = forge(
        pipeline, "alerts", 0, read_topic(pipeline.bootstrap, pipeline.topic("alerts"))[0].json | {"id": "x"}
    )
    alerts = TopicPartition(pipeline.topic("alerts"), 0)
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)) as admin:
        admin.delete_records({alerts: 1})
    until(lambda: read_topic(pipeline.bootstrap, alerts.topic)[0].offset == 1, 10, "the alert is gone")

    told = asked(capsys, pipeline, 1)
    found = offences(told)

    assert told["holds"] is False
    assert found[f"{pipeline.topic('labels')}/{partition}/{offset}"] == "joins: must not be learnt"
    assert "tells of another event" in found[repeated]
    assert "before it started" in found[invented]
    assert any(place.startswith(pipeline.topic("metrics")) and "nobody was told" in w for place, w in found.items())
    assert run(["verify", "--config", str(pipeline.config)]) == 1
    shown = capsys.readouterr().out
    assert f"BROKEN\tcomplete\t{repeated}\t" in shown


def cut_by_retention(capsys, pipeline):
    """What came first is gone: said with its offset, and of the rest nothing new is found."""
    events = TopicPartition(pipeline.topic("features"), 0)
    before = asked(capsys, pipeline, 1)
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)) as admin:
        admin.delete_records({events: 10})
    until(
        lambda: min(r.offset for r in read_topic(pipeline.bootstrap, events.topic) if not r.partition) == 10, 10, "gone"
    )

    told = asked(capsys, pipeline, 1)

    unchecked = [line for promise in told["promises"] for line in promise["not_checked"]]
    assert any(f"not checkable before offset 10 of {events.topic}/0" in line for line in unchecked), unchecked
    assert offences(told).keys() <= offences(before).keys()


def test_what_cannot_be_verified_is_said(broker, pipeline_name, tmp_path, capsys):
    """No topics, no checkpoint, other settings: one line each, and no key file is made."""
    with Pipeline(tmp_path, broker, pipeline_name) as pipeline:
        words = ["verify", "--config", str(pipeline.config)]
        assert run(words) == 1
        assert "there must be a checkpoint to verify" in capsys.readouterr().err
        assert not (tmp_path / ".millrace").exists()
        worker = pipeline.create_topics().start("worker")
        worker.wait_for("task_restored", count=2)
        assert worker.stop() == 0
        assert run(words) == 0
        capsys.readouterr()
        assert run([*words, "--set", "labels.wait=9s"]) == 1
        assert "labels.wait ('3s' → '9s')" in capsys.readouterr().err
        assert run([*words, "--set", "kafka.bootstrap=127.0.0.1:9"]) == 75  # nothing is broken, for all we know
        assert "could not reach Kafka" in capsys.readouterr().err
