"""State in an object store: the same stories, without a folder that two processes could share."""

from __future__ import annotations

import time

import pytest
from pipeline_bucket import Bucket, BucketStory

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

AWAY_S = 30.0


@pytest.fixture(scope="session")
def server():
    """One, whatever tests a process runs in between."""
    made = Bucket()
    yield made
    made.close()


@pytest.fixture
def bucket(server, monkeypatch):
    """Whoever is started now finds it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def bucket_story(bucket, broker, pipeline_name, tmp_path):
    """As `story`, with its state in the bucket."""
    return lambda **settings: BucketStory(bucket, tmp_path / "pipeline", broker, pipeline_name, **settings)


def test_kills_lose_nothing(bucket_story):
    """Worker and monitor in turn, at random moments."""
    with bucket_story() as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        for number in range(6):
            victim = ("worker", "monitor")[number % 2]
            told.wait(0.5, 4)
            told.kill(victim)
            told.start(victim)
            if number == 2:
                told.say("shift")
            told.ready(victim)
        told.grows("metrics", by=2)
        assert told.audit(alerted=True).alerts


def test_workers_replace_each_other(bucket_story):
    """A second joins, the first is killed, a third joins, the second leaves."""
    with bucket_story() as told:
        told.begin("worker-a", "monitor")
        told.start("worker-b")
        told.ready("worker-b")
        told.kill("worker-a")
        told.start("worker-c")
        told.ready("worker-c")
        told.stop("worker-b")
        told.members["worker-c"].wait_for("shard_restored")
        told.grows("examples")
        told.audit()


def test_a_zombie_changes_nothing_though_its_successor_dies(bucket_story):
    """No lock and no lease: names that cannot be written twice, and the fold that is good whoever wrote it."""
    with bucket_story() as told:
        told.begin("worker-a", "monitor")
        told.grows("examples")
        told.freeze("worker-a")
        told.start("worker-b")
        told.ready("worker-b", count=2)
        told.grows("examples")
        told.wake("worker-a")
        told.kill("worker-b")
        told.start("worker-c")
        told.ready("worker-c")
        told.grows("examples")
        told.audit()


@pytest.mark.parametrize("damage", ["emptied", "cut", "flipped"])
def test_a_damaged_newest_checkpoint_is_passed_over(bucket_story, bucket, damage):
    """Of a task, of the shard, of the monitor: the one before it serves as well."""
    with bucket_story() as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        told.grows("examples", by=150)
        for member in ("worker", "monitor"):
            told.kill(member)
        harmed = [told.newest(name) for name in ("task-0", "shard-0", "monitor")]
        for key in harmed:
            blob = bucket.read(key)
            at = told.chance.randrange(48, len(blob))
            flipped = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
            bucket.write(key, {"emptied": b"", "cut": blob[:at], "flipped": flipped}[damage])
            told.note(f"{key}: {damage}", fault=True)
        members = [told.start(name) for name in ("worker", "monitor")]
        told.ready("worker", count=2)
        told.ready("monitor")
        members[0].wait_for("shard_restored")
        invalid = {event["key"] for member in members for event in member.events("checkpoint_invalid")}
        assert {key.removeprefix(told.prefix) for key in harmed} <= invalid
        told.grows("examples")
        told.audit()


def test_a_store_that_is_away_for_half_a_minute_stops_nobody_from_predicting(bucket_story, bucket):
    """Nothing is told that could not be kept; once it answers again, all goes on."""
    with bucket_story() as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        told.say("shift")
        told.grows("metrics", by=1)
        told.note(f"the store is away for {AWAY_S} s", fault=True)
        with bucket.away():
            healed_at = time.monotonic() + AWAY_S
            while time.monotonic() < healed_at:
                told.grows("predictions")
        for name in ("worker", "monitor"):
            told.members[name].wait_for("store_back")
        told.grows("models", by=2)
        told.grows("metrics", by=2)
        assert told.audit(alerted=True).alerts
