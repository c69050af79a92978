"""Kafka goes away: stopped for a while, killed with its data, in the middle of a rebalance or of a checkpoint."""

from __future__ import annotations

import os
import signal
import time

import pytest
from pipeline_failpoints import STALL, Fault
from pipeline_process import PATIENCE_S, until
from pipeline_story import Story

from streams.kafka.broker_record import BrokerRecord
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def kafka(tmp_path):
    """One that may be harmed."""
    broker = LocalBroker(LocalBrokerSettings(folder=tmp_path / "kafka", start_timeout_s=PATIENCE_S))
    yield broker
    broker.stop()


def told_on(kafka, tmp_path, pipeline_name):
    """Its members have a supervisor: a start while Kafka is away ends, saying that another one may help."""
    return Story(tmp_path / "pipeline", kafka.start(), pipeline_name, rate=200, supervised=True)


def away(told, kafka, seconds, *, kill=False):
    """Stop or kill it, and start it again after a while."""
    told.note(f"kafka {'killed' if kill else 'stopped'} for {seconds} s", fault=True)
    if kill:
        os.kill(BrokerRecord.read(kafka.folder).java_pid, signal.SIGKILL)
    else:
        kafka.stop()
    time.sleep(seconds)
    kafka.start()
    told.note("kafka is back")


def back(told):
    """Work goes on."""
    told.grows("examples", by=200)
    told.grows("predictions", by=200)


@pytest.mark.parametrize("seconds", [3, 8, 30])
def test_a_stopped_broker_is_waited_for(kafka, pipeline_name, tmp_path, seconds):
    """Shorter and longer than the session: nobody ends, nothing is lost or doubled."""
    with told_on(kafka, tmp_path, pipeline_name) as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=200)
        away(told, kafka, seconds)
        back(told)
        told.audit()


def test_a_killed_broker_comes_back_with_its_data(kafka, pipeline_name, tmp_path):
    """SIGKILL, three times at random: acknowledged records are there, batches in flight are sent once."""
    with told_on(kafka, tmp_path, pipeline_name) as told:
        told.begin("worker", "monitor")
        for _ in range(3):
            told.grows("examples", by=100)
            told.wait(0, 1)
            away(told, kafka, told.chance.uniform(0, 4), kill=True)
        back(told)
        told.audit()


def test_a_broker_lost_in_a_rebalance_gives_the_partitions_to_somebody(kafka, pipeline_name, tmp_path):
    """A worker has just joined; with the outage a third one leaves, killed."""
    with told_on(kafka, tmp_path, pipeline_name) as told:
        told.begin("worker-a", "monitor")
        told.grows("examples", by=100)
        for name, kill in (("worker-b", False), ("worker-c", True)):
            told.start(name).wait_for("joining")
            told.wait(0, 1.5)
            away(told, kafka, 2, kill=kill)
            back(told)
        told.kill("worker-a")
        back(told)
        told.audit()


def test_a_worker_killed_while_the_broker_is_away_finds_its_state(kafka, pipeline_name, tmp_path):
    """What it had sent and nobody acknowledged is decided by the log, not by the dead."""
    with told_on(kafka, tmp_path, pipeline_name) as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=100)
        told.note("kafka killed", fault=True)
        os.kill(BrokerRecord.read(kafka.folder).java_pid, signal.SIGKILL)
        told.wait(0.5, 2)
        told.kill("worker")
        told.kill("monitor")
        kafka.start()
        told.start("worker")
        told.start("monitor")
        back(told)
        told.audit()


@pytest.mark.parametrize("step", ["folder.after_tmp", "folder.after_rename"])
@pytest.mark.parametrize(("member", "state"), [("worker", "task-0"), ("worker", "shard-0"), ("monitor", "monitor")])
def test_a_broker_lost_in_a_checkpoint_leaves_a_state_that_fits_the_log(
    kafka, pipeline_name, tmp_path, member, state, step
):
    """It becomes durable while Kafka is away, or is durable and nothing was committed; then its owner is killed."""
    hold = tmp_path / "hold"
    with told_on(kafka, tmp_path, pipeline_name) as told:
        told.begin("monitor" if member == "worker" else "worker")
        hold.touch()
        told.start(member, Fault(step, f"checkpoints/{state}", told.chance.randint(3, 6), STALL, str(hold)))
        until((tmp_path / "hold.reached").exists, PATIENCE_S, "a checkpoint is being written")
        told.wait(0, 0.5)
        told.note("kafka killed", fault=True)
        os.kill(BrokerRecord.read(kafka.folder).java_pid, signal.SIGKILL)
        told.wait(0, 1)
        hold.unlink()
        told.wait(0.2, 2)
        kafka.start()
        back(told)
        told.kill(member)
        told.start(member)
        told.ready(member)
        back(told)
        told.audit()
