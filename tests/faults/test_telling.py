"""The monitor dies between keeping what it found and telling people: told again under the same id, never otherwise."""

from __future__ import annotations

import pytest
from pipeline_failpoints import Fault
from pipeline_process import PATIENCE_S

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

UNTOLD, HALF_TOLD, UNTRIMMED = "outbox.durable", "outbox.first", "outbox.all"


def test_an_alert_outlives_every_death_on_its_way(story):
    """Durable and not sent, sent and not trimmed, trimmed by nobody, and its history adopted only half."""
    with story() as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        told.kill("monitor")
        told.say("shift")
        for fault in (
            Fault(UNTOLD, "alerts"),
            Fault("claim.taken", "monitor"),
            Fault(HALF_TOLD, "alerts"),
            Fault(UNTRIMMED, "alerts"),
        ):
            told.start("monitor", fault)
            told.dies("monitor")
        assert told.end("alerts") >= 2
        told.start("monitor")
        told.ready("monitor")
        evidence = told.audit()

    ids = [record.json["id"] for record in evidence.alerts]
    assert ids.count(ids[0]) == 3


@pytest.mark.parametrize("topic", ["metrics", "retrain"])
def test_windows_and_requests_outlive_them_as_well(story, topic):
    """A gap in the numbers of the windows, or a request that nobody reads, would show."""
    with story(retrain={"severity_min": "info"}) as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        told.kill("monitor")
        told.say("shift")
        for point in (UNTOLD, HALF_TOLD, UNTRIMMED):
            told.start("monitor", Fault(point, topic, told.chance.randint(1, 3) if topic == "metrics" else 1))
            told.dies("monitor")
        told.start("monitor")
        told.ready("monitor")
        evidence = told.audit()

    assert getattr(evidence, topic)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_version_that_is_not_announced_is_announced_by_the_next_owner(story, moment):
    """Killed beside the snapshot of a published version: followers never get one that is not there."""
    with story() as told:
        told.begin("monitor", "worker")
        told.kill("worker")
        for _ in range(3):
            told.start("worker", Fault(f"snapshots.{moment}", "shard-0"))
            told.dies("worker")
        told.start("worker")
        told.ready("worker")
        before = told.end("models")
        told.until(lambda: told.end("models") > before, PATIENCE_S, "a version is announced")
        told.start("worker-b").wait_for("version_followed")
        told.audit()
    assert "version_not_loaded" not in told.pipeline.logs()
