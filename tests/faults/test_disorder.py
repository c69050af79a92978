"""Ids that come again, labels in any order, at the edge of the wait, and alone: each decided by two timestamps."""

from __future__ import annotations

import pytest
from pipeline_disorder import PLANS

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]


@pytest.mark.parametrize("kind", PLANS)
def test_disorder_is_decided_alike_before_and_after_a_kill(story, kind):
    """What must be learnt is worked out from the topics alone; a kill in the middle changes nothing of it."""
    with story() as told:
        told.pipeline.create_topics()
        told.start("worker")
        told.ready("worker", count=2)
        told.send(kind)
        for _ in range(2):
            told.grows("examples", by=200)
            told.wait(0, 2)
            told.kill("worker")
            told.start("worker")
        told.ready("worker", count=2)
        told.grows("examples", by=500)
        ledgers = [task.state["ledger"] for task in told.audit().tasks.values()]
    words = {word for ledger in ledgers for word in ledger}
    assert WORDS[kind] <= words


WORDS = {
    "again": {"event_duplicate", "duplicate", "correction"},
    "before": {"orphan"},
    "edge": {"late", "expired", "joined"},
    "alone": {"orphan", "expired", "joined"},
    "shuffled": {"event_duplicate", "duplicate", "correction", "orphan", "expired"},
}
"""What must have happened, or the disorder was none."""
