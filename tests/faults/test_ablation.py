"""Without the rule that it rests on, the promise must break here: a suite that cannot fail proves nothing.

The other rules are taken away in the simulations, where schedules are many: `test_protocol`, `test_watch_worlds`.
"""

from __future__ import annotations

import pytest
from pipeline_failpoints import Fault

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]


def test_with_kafkas_committed_offsets_labels_are_lost(story):
    """State from the last checkpoint, positions from the last commit: what lies between was read and is forgotten."""
    ablated = Fault("ablation.offsets")
    with story(state={"checkpoint_every": "5s"}) as told:
        told.pipeline.create_topics()
        told.start("monitor")
        told.start("worker", ablated)
        told.ready("worker", count=2)
        told.send()
        for _ in range(3):
            told.grows("examples", by=200)
            told.wait(0, 1)
            told.kill("worker")
            told.start("worker", ablated)
            told.ready("worker", count=2)
        told.grows("examples")
        with pytest.raises(AssertionError, match=r"was never learnt|learnt must be|order-hashes differ"):
            told.audit()
