"""Members that come, go and die while records flow: who owns what changes, what is learnt and told does not."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

CHANGES, CHANGES_S = 10, 60.0


def test_workers_replace_each_other(story):
    """A second joins, the first is killed, a third joins, the second leaves."""
    with story() as told:
        told.begin("worker-a", "monitor")
        told.start("worker-b")
        told.ready("worker-b")
        told.wait(0, 2)
        told.kill("worker-a")
        told.start("worker-c")
        told.ready("worker-c")
        told.wait(0, 2)
        told.stop("worker-b")
        told.members["worker-c"].wait_for("shard_restored")
        told.grows("examples")
        told.audit()


def test_ten_joins_and_leaves_in_a_minute(story):
    """Each a rebalance that revokes everything, at random moments; every second leaver is killed."""
    with story() as told:
        told.begin("worker", "monitor")
        deadline = time.monotonic() + CHANGES_S
        there = []
        for number in range(CHANGES):
            time.sleep(max(0.0, told.chance.uniform(0.3, 1.7) * (deadline - time.monotonic()) / (CHANGES - number)))
            if there and (len(there) > 1 or told.chance.random() < 0.5):
                name = there.pop(told.chance.randrange(len(there)))
                (told.kill if number % 2 else told.stop)(name)
            else:
                there.append(f"worker-{number}")
                told.start(there[-1])
        told.audit()


def test_a_clean_stop_leaves_nothing_to_replay(story):
    """SIGTERM under load, three times: what the next start reads begins where the last one ended."""
    with story() as told:
        told.begin("monitor", "worker")
        for _ in range(3):
            told.grows("examples", by=200)
            told.stop("worker")
            told.start("worker")
            told.ready("worker", count=2)
        told.grows("examples")
        evidence = told.audit()
    assert "duplicate" not in evidence.shards[0].state["ledger"]
    assert len({(r.partition, r.json["source"]) for r in evidence.predictions}) == len(evidence.predictions)


def test_a_standby_monitor_takes_over_from_a_killed_one(story):
    """Twice, the second time in the middle of an incident: one history."""
    with story() as told:
        told.begin("worker", "monitor-a")
        told.members["monitor-a"].wait_for("reference_taken")
        told.start("monitor-b").wait_for("standing_by")
        told.kill("monitor-a")
        told.ready("monitor-b")
        told.say("shift")
        told.start("monitor-c").wait_for("standing_by")
        told.members["monitor-b"].wait_for("alert")
        told.kill("monitor-b")
        told.ready("monitor-c")
        told.grows("metrics", by=3)
        evidence = told.audit(alerted=True)
    assert evidence.alerts
