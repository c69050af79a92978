"""Processes that join, stop and stand by under traffic; and the service commands of docker-compose.yml."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer
from pipeline_audit import broken_promises, collect
from pipeline_process import MILLRACE, Pipeline, Process, until
from pipeline_records import end_offsets, lag, read_checkpoint
from pipeline_traffic import Traffic

from streams.kafka.ports import free_port

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SERVICES = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]
INSIDE = "kafka:19092"
"""What the services call their Kafka."""
FIGURES = "9470"
"""Each container's port of figures and health; here they share one network."""


def test_members_come_and_go_without_a_record_replayed(broker, pipeline_name, tmp_path):
    """A second worker shares the partitions, the first one stops in time and cleanly, a standby monitor takes over."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        first, active = pipeline.start("worker"), pipeline.start("monitor")
        first.wait_for("task_restored", count=2)
        active.wait_for("monitor_restored")
        inputs = pipeline.topic("features"), pipeline.topic("labels")
        with Traffic(broker, *inputs, rate=200, seed=3) as traffic:
            second, standby = pipeline.start("worker"), pipeline.start("monitor")
            second.wait_for("task_restored")
            standby.wait_for("standing_by")
            second.wait_for("version_followed")

            assert first.stop(timeout_s=10) == 0
            second.wait_for("task_restored", count=2)
            second.wait_for("shard_restored")
            active.kill()
            standby.wait_for("monitor_restored")
            traffic.finish()
        until(lambda: not lag(pipeline), 20, lambda: f"caught up, lacking {lag(pipeline)}")
        assert [process.stop() for process in (second, standby)] == [0, 0]
        evidence = collect(pipeline)

    assert broken_promises(evidence) == []
    assert "duplicate" not in evidence.shards[0].state["ledger"]
    assert evidence.metrics


def test_the_services_of_the_compose_file_run_as_they_are_written(broker, pipeline_name, tmp_path):
    """Topics, worker, monitor and their health check: the very command lines, in a folder with the config alone."""
    tables = {"drift": {"reference": {"rows": 50}, "window_rows": 50, "slide_rows": 10, "rows_min": 20}}
    with Pipeline(tmp_path, "local", pipeline_name, **tables) as pipeline:
        pipeline.bootstrap = broker
        made = subprocess.run(command("topics", broker, ""), cwd=tmp_path, env=environment(), timeout=30, check=False)
        assert made.returncode == 0
        port = free_port()
        ports = {"worker": str(port), "monitor": str(free_port(avoid=(port,)))}
        services = [
            Process(command(name, broker, port), tmp_path / f"{name}.log", tmp_path, environment())
            for name, port in ports.items()
        ]
        pipeline.processes += services
        send_pairs(pipeline, 150)
        until(lambda: ends(pipeline, "examples") == 150, 30, lambda: pipeline.logs()[-3000:])
        until(lambda: ends(pipeline, "metrics") > 0, 15, lambda: pipeline.logs()[-3000:])
        healthy = subprocess.run(
            command("worker", broker, ports["worker"], "healthcheck"),
            cwd=tmp_path,
            env=environment(),
            timeout=30,
            check=False,
        )
        codes = [service.stop(float(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))) for service in services]

    assert healthy.returncode == 0
    assert codes == [0, 0]
    assert read_checkpoint(pipeline.state, "shard-0").state["ledger"] == {"learnt": 150}


def command(service, broker, port, what="command"):
    """A service's command line, its Kafka being ours, and its port one of its own."""
    line = SERVICES[service]["command"] if what == "command" else SERVICES[service]["healthcheck"]["test"][1:]
    assert what != "command" or f"kafka.bootstrap={INSIDE}" in line
    return [word.replace(INSIDE, broker).replace(FIGURES, port) for word in line]


def environment():
    """As in the image, where `millrace` is on the path."""
    return {**os.environ, "PATH": f"{Path(MILLRACE).parent}{os.pathsep}{os.environ['PATH']}"}


def send_pairs(pipeline, count):
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap, acks="all")
    for number in range(count):
        key, identity = b"%d" % number, f"e{number}"
        x = (number % 7) - 3.0
        features = json.dumps({"id": identity, "features": {"x": x, "y": 1.0}}).encode()
        label = json.dumps({"id": identity, "label": "yes" if x > 0 else "no"}).encode()
        producer.send(pipeline.topic("features"), key=key, value=features).get(10)
        producer.send(pipeline.topic("labels"), key=key, value=label)
    producer.flush()
    producer.close(timeout=5)


def ends(pipeline, role):
    return sum(end_offsets(pipeline.bootstrap, [pipeline.topic(role)]).values())
