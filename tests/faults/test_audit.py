"""The audit of the fault tests can fail: each broken promise, made by hand, is found."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from pipeline_audit import Evidence, Times, broken_promises
from pipeline_records import Checkpoint, Record

CUT = {"id": "cut-1", "offsets": {"p.predictions/0": 4, "p.examples/0": 2}}
LABELS = (
    ("e0", 40, "yes"),
    ("e1", 130, "no"),
    ("e3", 280, "no"),
    ("e1", 500, "no"),
    ("e0", 510, "no"),
    ("e2", 9000, "no"),
)
"""Id, time, label: two that join, one before its event, a duplicate, a correction, one too late."""
EXAMPLES = (("e0", 0), ("e1", 1), ("e3", 2), ("e0", 4))
"""Id and offset of the label, in the order in which they are learnt; the last one is a correction."""
LEDGER = {"predicted": 4, "joined": 3, "expired": 1, "duplicate": 1, "correction": 1, "late": 1}


def log(*rows):
    """(ms, document) of each record of one partition."""
    return [Record(0, offset, ms, b"k", json.dumps(row).encode(), {}) for offset, (ms, row) in enumerate(rows)]


def prediction(number):
    return {"id": f"e{number}", "features": {"x": 1.0}, "prediction": "no", "source": number}


def example(identity, offset):
    labelled = {"label": LABELS[offset][2], "label_source": [0, offset]}
    if offset == 4:
        return {"id": identity, "kind": "correction", **labelled}
    return prediction(int(identity[1])) | labelled


def checkpoint(offsets, state):
    return Checkpoint(1, 1, {"offsets": offsets}, {"state": state})


def shard_over(examples, *, filtered=True):
    """What the learner's checkpoint says of this log; unfiltered, as a learner would that learns whatever comes."""
    chain, seen, ledger = b"", set(), Counter()
    for row in examples:
        source = tuple(row["label_source"])
        if filtered and source in seen:
            ledger["duplicate"] += 1
            continue
        seen.add(source)
        if row.get("kind") == "correction":
            ledger["correction"] += 1
            continue
        ledger["learnt"] += 1
        chain = hashlib.blake2b(chain + b"%d/%d" % source, digest_size=16).digest()
    return checkpoint({"p.examples/0": len(examples)}, {"next": len(examples), "ledger": ledger, "chain": chain})


def run(examples=EXAMPLES, *, filtered=True, ledger=LEDGER, **changes):
    """A run that keeps every promise, but for the changes."""
    rows = [row if isinstance(row, dict) else example(*row) for row in examples]
    window = {"window": 1, "cut": CUT, "incident": "i1"}
    fields = {
        "times": Times(),
        "features": log(*[(100 * n, {"id": f"e{n}", "features": {"x": 1.0}}) for n in range(4)]),
        "labels": log(*[(ms, {"id": identity, "label": label}) for identity, ms, label in LABELS]),
        "predictions": log(*[(100 * n, prediction(n)) for n in range(4)]),
        "examples": log(*[(600, row) for row in rows]),
        "metrics": log((700, window)),
        "alerts": log((700, {"id": "i1/started/1", "incident": "i1", "phase": "started", "cut": CUT})),
        "retrain": log((700, {"id": "i1/retrain", "incident": "i1", "cut": CUT})),
        "tasks": {0: checkpoint({"p.features/0": 4, "p.labels/0": 6}, {"ledger": ledger, "waiting": {}, "open": []})},
        "shards": {0: shard_over(rows, filtered=filtered)},
        "monitor": checkpoint({}, {"windows_total": 1}),
    }
    return Evidence(**fields | changes)


def alert(**changes):
    return {"id": "i2/started/1", "incident": "i2", "phase": "started", "cut": CUT} | changes


def test_a_run_that_keeps_its_promises_passes():
    """Duplicates in the log that the learner has dropped are no fault."""
    assert broken_promises(run()) == []
    assert broken_promises(run((*EXAMPLES, EXAMPLES[1]))) == []


BROKEN = {
    "a doubled example is learnt, the filter being broken": (
        run((*EXAMPLES, EXAMPLES[1]), filtered=False),
        "must have learnt 3",
    ),
    "a label is lost on its way": (run(EXAMPLES[1:]), "1 labels were never learnt"),
    "a label is learnt that came too late": (run((*EXAMPLES, ("e2", 5))), "1 labels must not be learnt"),
    "a label meets another event": (run((*EXAMPLES[:2], ("e2", 2), EXAMPLES[3])), "met another event"),
    "learnt in another order than the log": (
        run(shards={0: shard_over([example(*row) for row in EXAMPLES[::-1]])}),
        "differs from the fold",
    ),
    "what is learnt is not what was served": (
        run((example(*EXAMPLES[0]) | {"prediction": "yes"}, *EXAMPLES[1:])),
        "not the prediction that was served",
    ),
    "an event has no prediction": (run(predictions=run().predictions[1:]), "must have a prediction"),
    "an event is predicted anew": (
        run(predictions=[*run().predictions, run().predictions[0]._replace(offset=9)]),
        "predicted anew",
    ),
    "a label is in no column of the ledger": (run(ledger=LEDGER | {"duplicate": 0}), "6 labels, 5 accounted for"),
    "a prediction is in no column of the ledger": (run(ledger=LEDGER | {"expired": 0}), "4 predictions"),
    "the last checkpoint stops short": (
        run(tasks={0: checkpoint({"p.features/0": 4, "p.labels/0": 5}, run().tasks[0].state)}),
        "does not reach offset 5",
    ),
    "an alert is of no window": (run(alerts=log((1, alert(cut={"id": "other"})))), "surviving history"),
    "an alert is of an incident that never was": (run(alerts=[*run().alerts, *log((1, alert()))]), "in no window"),
    "an incident was never told": (run(alerts=[]), "were never told"),
    "an alert changes": (
        run(alerts=[*run().alerts, *log((1, alert(id="i1/started/1")))]),
        "told twice and differently",
    ),
    "two histories of one window": (
        run(metrics=[*run().metrics, *log((1, {"window": 1, "cut": CUT, "incident": None}))]),
        "two histories",
    ),
    "the monitor forgot a window it had told": (
        run(monitor=checkpoint({}, {"windows_total": 0})),
        "0 windows, 1 were told",
    ),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_promise_is_found(broken, words):
    """A check that cannot fail proves nothing."""
    assert any(words in promise for promise in broken_promises(broken)), broken_promises(broken)
