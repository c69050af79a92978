"""SIGKILL ten times under a thousand events a second."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

KILLS, RATE = 10, 1000


@pytest.mark.parametrize("victim", ["worker", "monitor"])
def test_ten_kills_under_load_lose_nothing_and_double_nothing(story, victim):
    """At random moments: while it starts, restores, reads its backlog or has caught up."""
    with story(rate=RATE) as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        for number in range(KILLS):
            told.wait(0.5, 6)
            told.kill(victim)
            told.start(victim)
            if number == KILLS // 2:
                told.say("shift")
        told.ready(victim)
        told.grows("examples", by=RATE)
        told.grows("metrics", by=2)
        evidence = told.audit(alerted=True)
    assert evidence.alerts
