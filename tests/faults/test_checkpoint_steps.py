"""SIGKILL at each step of a checkpoint: the old state or the new one is gone on from, and every promise holds."""

from __future__ import annotations

import pytest
from pipeline_failpoints import Fault

pytestmark = [pytest.mark.broker, pytest.mark.slow]

STEPS = ("before_tmp", "after_tmp", "after_fsync", "after_rename", "after_folder_fsync")
SOME = ("task-0", "after_fsync"), ("shard-0", "after_rename"), ("task-1", "after_rename")
"""What `make test` keeps: the last moment of the old state, the first of the new one."""


def die_at(story, role, steps):
    """The member dies at each of these steps, and its successor at the next."""
    for name, step in steps:
        nth = story.chance.randint(2, 6)  # the first write of a start is its own
        story.start(role, Fault(f"folder.{step}", f"checkpoints/{name}/", nth))
        story.dies(role)
    story.start(role)
    story.ready(role)
    story.grows("examples")


def test_a_worker_killed_within_a_checkpoint_loses_nothing(story):
    """Before the rename the old state counts, after it the new one: of a task and of a shard."""
    with story() as told:
        told.begin("monitor", "worker")
        told.kill("worker")
        die_at(told, "worker", SOME)
        told.audit()


@pytest.mark.faults
@pytest.mark.parametrize("name", ["task-0", "shard-0", "objects/done", "objects/snapshots"])
def test_a_worker_killed_at_any_step_of_any_file_loses_nothing(story, name):
    """Each step of writing a task's checkpoint, a shard's, a bucket of ids and a published snapshot."""
    with story() as told:
        told.begin("monitor", "worker")
        told.kill("worker")
        for step in STEPS:
            of = f"{name}/" if name.startswith("objects") else f"checkpoints/{name}/"
            told.start("worker", Fault(f"folder.{step}", of, told.chance.randint(2, 6)))
            told.dies("worker")
        told.start("worker")
        told.ready("worker", count=2)
        told.grows("examples")
        told.audit()


@pytest.mark.faults
def test_a_monitor_killed_at_any_step_of_its_checkpoint_tells_one_history(story):
    """With an incident under way."""
    with story() as told:
        told.begin("monitor", "worker")
        told.members["monitor"].wait_for("reference_taken")
        told.kill("monitor")
        told.say("shift")
        die_at(told, "monitor", [("monitor", step) for step in STEPS])
        assert told.audit(alerted=True).alerts
