"""What people were told under any fault is what a fold over the recorded cuts tells: no alert more, none less."""

from __future__ import annotations

import pytest
from pipeline_disorder import CLOCKS
from pipeline_failpoints import Fault
from pipeline_records import read_topic
from pipeline_replay import told_again

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

RESTLESS = {"false_alarms": "1 per 1000 events", "listing_rows": 20, "quiet_rows": 60, "rebase_after_rows": 200}
"""An incident starts with each change, and ends soon."""


ALERTS, ROUNDS_MAX = 4, 20
"""That many must have been told before the story ends: so many more changes at most are made for them."""


def distinct(records):
    return list(dict.fromkeys(record.json["id"] for record in records))


def is_that_of_the_cuts(told, evidence):
    """Windows, alerts and requests, in their order."""
    assert told_again(told.pipeline, evidence) == tuple(
        distinct(side) for side in (evidence.metrics, evidence.alerts, evidence.retrain)
    )


def test_a_storm_of_alerts_under_kills_is_the_fold_over_the_cuts(story):
    """The traffic shifts and turns every second, the monitor dies at random: each alert has its history."""
    with story(drift=RESTLESS, retrain={"severity_min": "info"}) as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        for number in range(8):
            told.say(("shift", "turn")[number % 2])
            told.wait(0.5, 3)
            told.kill("monitor")
            told.start("monitor")
        told.ready("monitor")
        for _ in range(ROUNDS_MAX):
            if len(distinct(read_topic(told.pipeline.bootstrap, told.pipeline.topic("alerts")))) >= ALERTS:
                break
            told.say("shift")
            told.grows("metrics", by=5)
        evidence = told.audit()
        assert len(distinct(evidence.alerts)) >= ALERTS
        is_that_of_the_cuts(told, evidence)


def test_clocks_that_jump_by_an_hour_change_nothing(story):
    """Of the worker, the monitor and the producer: the broker's clock alone decides who joins and what is told."""
    jumping = Fault("clock.jumping")
    with story() as told:
        told.pipeline.create_topics()
        for member in ("worker", "monitor"):
            told.start(member, jumping)
        told.ready("worker", count=2)
        told.ready("monitor")
        told.send(CLOCKS)
        told.members["monitor"].wait_for("reference_taken")
        told.say("shift")
        for member in ("worker", "monitor"):
            told.wait(0, 3)
            told.kill(member)
            told.start(member, jumping)
        told.grows("metrics", by=5)
        evidence = told.audit(alerted=True)
        assert evidence.alerts
        is_that_of_the_cuts(told, evidence)
