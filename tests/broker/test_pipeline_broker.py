"""A pipeline and its Kafka: absent, without topics, gone for a while, back again."""

from __future__ import annotations

import socket
import time

import pytest
from pipeline_audit import broken_promises, collect
from pipeline_process import Pipeline, until
from pipeline_records import end_offsets, lag
from pipeline_traffic import Traffic

from streams.kafka.local_broker import LocalBroker

START_S = 20
"""Ten seconds for the broker to answer, and what a busy machine needs to import."""
pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_without_a_broker_a_start_ends_with_a_clear_word(pipeline_name, tmp_path):
    """Nobody listens there: one line that names the address, and that another try may help, in bounded time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Pipeline(tmp_path, address, pipeline_name) as pipeline:
            starts = [pipeline.start(role) for role in ("worker", "monitor")]
            for process in starts:
                assert process.wait(START_S) == 75
                assert f"error: could not reach Kafka at {address}" in process.text()
                assert "Traceback" not in process.text()


def test_without_topics_a_start_says_which_command_makes_them(broker, pipeline_name, tmp_path):
    """The pipeline's topics are not made in passing."""
    with Pipeline(tmp_path, broker, pipeline_name) as pipeline:
        starts = [pipeline.start(role) for role in ("worker", "monitor")]
        for process in starts:
            assert process.wait(START_S) == 1
            assert "`millrace topics create` makes them" in process.text()


def test_a_lost_broker_is_waited_for_and_costs_nothing(settings, pipeline_name, tmp_path):
    """Kafka stops for three seconds under traffic: worker and monitor say so, wait, go on, and no promise breaks."""
    kafka = LocalBroker(settings)
    address = kafka.start()
    try:
        with Pipeline(tmp_path / "pipeline", address, pipeline_name).create_topics() as pipeline:
            worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
            worker.wait_for("task_restored", count=2)
            monitor.wait_for("monitor_restored")
            inputs = pipeline.topic("features"), pipeline.topic("labels")
            with Traffic(address, *inputs, rate=200, seed=1) as traffic:
                until(lambda: sum(end_offsets(address, [pipeline.topic("examples")]).values()) > 50, 15, "examples")
                kafka.stop()
                for process in (worker, monitor):
                    process.wait_for("broker_lost", timeout_s=10)
                time.sleep(1)
                assert kafka.start() == address
                for process in (worker, monitor):
                    process.wait_for("broker_back", timeout_s=15)
                time.sleep(2)
                events = traffic.finish()
            until(lambda: not lag(pipeline), 20, lambda: f"caught up, lacking {lag(pipeline)}")
            assert [process.stop() for process in (worker, monitor)] == [0, 0]
            evidence = collect(pipeline)
    finally:
        kafka.stop()

    assert broken_promises(evidence) == []
    assert len(evidence.examples) > 0.8 * events
