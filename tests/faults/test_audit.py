"""What the audit of the fault tests asks beyond `millrace verify`, whose own table is in tests/verify: it can fail."""

from __future__ import annotations

import json

import pytest
from pipeline_audit import Evidence, Times, broken_promises
from pipeline_records import Checkpoint, Record


def log(*rows):
    return [Record(0, offset, 0, b"k", json.dumps(row).encode(), {}) for offset, row in enumerate(rows)]


def checkpoint(offsets, state):
    return Checkpoint(1, 1, {"offsets": offsets}, {"state": state})


def run(**changes):
    """One event, its label and its example; one window."""
    fields = {
        "times": Times(),
        "features": log({"id": "e0"}),
        "labels": log({"id": "e0"}),
        "predictions": log({"source": 0}),
        "examples": log({"label_source": [0, 0]}),
        "models": [],
        "metrics": log({"window": 1}),
        "alerts": [],
        "retrain": [],
        "tasks": {0: checkpoint({"p.features/0": 1, "p.labels/0": 1}, {})},
        "shards": {0: checkpoint({"p.examples/0": 1}, {"next": 1})},
        "monitor": checkpoint({}, {"windows_total": 1}),
        "verified": [],
        "dead": {"p.features/0/7": True},
    }
    return Evidence(**fields | changes)


def test_a_run_that_keeps_its_promises_passes():
    """Nothing is asked that is not promised."""
    assert broken_promises(run()) == []


BROKEN = {
    "millrace verify finds something": (run(verified=["joins: p.labels/0/0 was never learnt"]), "never learnt"),
    "the last checkpoint stops short": (
        run(tasks={0: checkpoint({"p.features/0": 0, "p.labels/0": 0}, {})}),
        "does not reach offset 0",
    ),
    "the learner stops short": (run(shards={0: checkpoint({}, {"next": 0})}), "has read to 0, its log ends at 1"),
    "a window is still to be told": (run(monitor=checkpoint({}, {"windows_total": 2})), "2 windows, 1 were told"),
    "an event is predicted anew": (run(predictions=log({"source": 0}, {"source": 0})), "predicted anew"),
    "a poison record is in no dead letter": (run(dead={"p.features/0/7": False}), "must be dead letters and are not"),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_promise_is_found(broken, words):
    """A check that cannot fail proves nothing."""
    assert any(words in promise for promise in broken_promises(broken)), broken_promises(broken)
