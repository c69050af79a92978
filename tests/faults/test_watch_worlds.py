"""What people are told is what the surviving history says, under any schedule: the real watch, outbox and claims."""

from __future__ import annotations

import pytest
from watch_world import CONFIG, MonitorProcess, WatchWorld

from streams.errors import StateError
from streams.stages.watch import Watch
from streams.state.outbox import Outbox

WORLDS = 15
FORGOTTEN_AFTER = 40
"""Schedules in which a mutation must have shown."""


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(block, marks=[pytest.mark.faults, pytest.mark.slow]) for block in range(1, 14))]
)
def test_nothing_is_told_that_the_history_does_not_hold(block):
    """Crashes between any two steps and zombies that act on: told once and alike, no window left out, none invented."""
    broken = {}
    told = 0
    for seed in range(block * WORLDS, (block + 1) * WORLDS):
        world = WatchWorld(seed).run()
        told += len(world.ids("sim.alerts"))
        if found := list(world.faults()):
            broken[seed] = found
    assert broken == {}
    assert told > WORLDS


def test_a_history_under_crashes_is_the_calm_one():
    """With no two records of one moment, an undisturbed fold over the logs tells the very same, in the same order."""
    for seed in range(8):
        world = WatchWorld(seed, ties=False).run()
        watch, told = Watch(CONFIG, {"next": {}, "high_ms": {}}), ([], [], [])
        for side in watch.merge.inputs:
            log = world.logs[side.topic, side.partition]
            side.feed(0, len(log), log)
            side.end = len(log)
        while (seen := watch.step(1_000)) is not None:
            for ids, records in zip(told, (seen.metrics, seen.alerts, seen.requests), strict=True):
                ids += [record.id for record in records]
        assert told == tuple(world.ids(f"sim.{topic}") for topic in ("metrics", "alerts", "retrain")), f"seed {seed}"


class TellsAtOnce(MonitorProcess):
    """Before a checkpoint holds it."""

    def publish(self):
        super().publish()
        self.sending = [] if self.ended else [held.record for held in self.outbox._held.values()]

    def send(self):
        record = self.sending.pop(0)
        self.w.told.append((record.topic, record.record_id, record.payload))
        self.outbox._held.pop(record.record_id, None)


class NeverAsksWhoseItIs(MonitorProcess):
    """A zombie goes on telling."""

    def publish(self):
        self.sending = self.outbox.unpublished()


class ForgetsTheOutbox(MonitorProcess):
    """What a dead one had not told yet."""

    def __init__(self, world):
        super().__init__(world)
        self.outbox = Outbox()


class TrimsBeforeItSends(MonitorProcess):
    """A crash in between."""

    def publish(self):
        super().publish()
        self.outbox.published([record.record_id for record in self.sending])
        if self.sending:
            self.take_cut()
            self.write()


MUTATIONS = (TellsAtOnce, NeverAsksWhoseItIs, ForgetsTheOutbox, TrimsBeforeItSends)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_without_any_one_rule_somebody_is_told_wrong(mutation):
    """Each rule is needed: a suite that cannot fail proves nothing."""
    for seed in range(FORGOTTEN_AFTER):
        try:
            if list(WatchWorld(seed, mutation).run().faults()):
                return
        except StateError:  # a refused state refutes the mutation too
            return
    pytest.fail(f"{mutation.__name__}: not refuted by {FORGOTTEN_AFTER} schedules")
