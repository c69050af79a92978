"""A process that stands still beyond its session, is replaced, and goes on as if nothing had been."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_a_zombie_changes_nothing_though_its_successor_dies(story):
    """It sends what it had, saves what it thinks is newest; the third owner goes on from whatever checkpoint is new."""
    with story() as told:
        told.begin("worker-a", "monitor")
        told.grows("examples")
        told.freeze("worker-a")
        told.start("worker-b")
        told.ready("worker-b", count=2)
        told.grows("examples")
        told.wake("worker-a")
        told.wait(0, 1)
        told.kill("worker-b")
        told.start("worker-c")
        told.ready("worker-c")
        told.grows("examples")
        told.audit()


@pytest.mark.faults
def test_a_zombie_wakes_to_a_killed_successor(story):
    """Nobody but the zombie is there at that moment: it must not go on with what it had."""
    with story() as told:
        told.begin("worker-a", "monitor")
        for _ in range(3):
            told.grows("examples")
            told.freeze("worker-a")
            told.start("worker-b")
            told.ready("worker-b", count=2)
            told.grows("examples")
            told.kill("worker-b")
            told.wait(0, 1)
            told.wake("worker-a")
            told.grows("examples")
        told.audit()


@pytest.mark.faults
def test_what_a_long_lost_owner_says_again_is_dropped_however_old(story):
    """One of two owners stands still while the other appends thousands of examples; it wakes, and dies saving."""
    with story() as told:
        told.begin("worker-a", "monitor")
        told.start("worker-b")
        told.ready("worker-b")
        told.grows("examples")
        frozen, other = told.chance.sample(["worker-a", "worker-b"], 2)
        told.freeze(frozen)
        told.ready(other, count=2)
        time.sleep(20)
        told.wake(frozen)
        told.wait(0, 3)
        told.kill(other)
        told.grows("examples")
        told.start("worker-c")
        told.ready("worker-c")
        told.grows("examples")
        told.audit()


@pytest.mark.faults
def test_a_monitor_that_wakes_tells_nothing_of_its_own(story):
    """A standby has taken over its history in the middle of an incident; the zombie stops or stands by."""
    with story() as told:
        told.begin("worker", "monitor-a")
        told.members["monitor-a"].wait_for("reference_taken")
        told.start("monitor-b").wait_for("standing_by")
        told.say("shift")
        told.grows("metrics", by=1)
        told.freeze("monitor-a")
        told.ready("monitor-b")
        told.grows("metrics", by=2)
        told.wake("monitor-a")
        told.grows("metrics", by=2)
        told.kill("monitor-b")
        told.start("monitor-c")
        told.grows("metrics", by=3)
        evidence = told.audit(alerted=True)
    assert evidence.alerts
