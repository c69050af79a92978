"""A disk that refuses checkpoints for a while: predictions go on, nothing is told that could not be kept."""

from __future__ import annotations

import time

import pytest
from pipeline_failpoints import Fault

pytestmark = [pytest.mark.broker, pytest.mark.slow]

REFUSED_S = 5.0
FULL = ("folder.after_tmp", "ENOSPC")
UNSYNCED = ("folder.after_fsync", "EIO")
UNSYNCED_FOLDER = ("folder.after_rename", "EIO")
"""The file has its name already: the next attempt finds it."""


def refuses_for_a_while(story, tmp_path, point, error):
    ill = tmp_path / "ill"
    with story() as told:
        fault = Fault(point, error=error, during=str(ill))
        told.pipeline.create_topics()
        told.start("worker", fault)
        told.start("monitor", fault)
        told.ready("worker", count=2)
        told.send()
        told.members["monitor"].wait_for("reference_taken")
        told.say("shift")
        told.grows("metrics", by=1)

        ill.touch()
        told.note(f"{error} from now on", fault=True)
        for name, states in (("worker", 3), ("monitor", 1)):  # what one of them had kept before may still be told
            told.members[name].wait_for("store_lost", count=states)
        kept = {role: told.end(role) for role in ("models", "metrics", "alerts", "retrain")}
        before = time.monotonic()
        while time.monotonic() - before < REFUSED_S:
            told.grows("predictions", by=50)
            told.grows("examples", by=50)
        assert {role: told.end(role) for role in kept} == kept
        ill.unlink()
        told.note("healed")

        for name in ("worker", "monitor"):
            told.members[name].wait_for("store_back")
        told.grows("metrics", by=2)
        told.grows("models", by=2)
        return told.audit(alerted=True)


def test_a_full_disk_stops_nobody_from_predicting(story, tmp_path):
    """Worker and monitor say so, wait with what rests on it, and go on once there is room."""
    assert refuses_for_a_while(story, tmp_path, *FULL).alerts


@pytest.mark.faults
@pytest.mark.parametrize(("point", "error"), [UNSYNCED, UNSYNCED_FOLDER])
def test_a_disk_that_cannot_sync_stops_nobody_from_predicting(story, tmp_path, point, error):
    """Of the file, or of the folder that has its name already."""
    assert refuses_for_a_while(story, tmp_path, point, error).alerts


@pytest.mark.faults
def test_killed_while_the_disk_refuses_it_goes_on_from_what_was_kept(story, tmp_path):
    """Everything since is folded again, without a second prediction of what is in the log."""
    ill = tmp_path / "ill"
    with story() as told:
        fault = Fault(FULL[0], error=FULL[1], during=str(ill))
        told.pipeline.create_topics()
        for name in ("worker", "monitor"):
            told.start(name, fault)
        told.ready("worker", count=2)
        told.send()
        told.grows("examples", by=100)
        ill.touch()
        told.note("the disk is full", fault=True)
        told.grows("examples", by=300)
        for name in ("worker", "monitor"):
            told.kill(name)
        ill.unlink()
        for name in ("worker", "monitor"):
            told.start(name)
        told.audit()


@pytest.mark.faults
def test_a_worker_that_is_stopped_while_the_disk_refuses_ends_in_bounded_time(story, tmp_path):
    """Its state is that of the last checkpoint: nothing is lost, and nobody waits for the disk."""
    ill = tmp_path / "ill"
    with story() as told:
        told.pipeline.create_topics()
        told.start("monitor")
        worker = told.start("worker", Fault(FULL[0], error=FULL[1], during=str(ill)))
        told.ready("worker", count=2)
        told.send()
        told.grows("examples", by=100)
        ill.touch()
        told.note("the disk is full", fault=True)
        worker.wait_for("store_lost")
        told.stop("worker")
        ill.unlink()
        told.start("worker")
        told.audit()
