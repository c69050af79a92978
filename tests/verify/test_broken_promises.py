"""Each promise, broken by hand, is found and its place is named; a run that keeps them is passed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from promised_run import (
    ALERTS,
    EXAMPLES,
    LEDGER,
    WINDOWS,
    again,
    alert,
    example,
    incident,
    letters,
    log,
    monitor,
    prediction,
    replaced,
    rows,
    run,
    shard_over,
    task,
    told,
    window,
)

from streams.verify.audit import audit

KEPT = {
    "as it is": run(),
    "an example was said again, and dropped": run((*EXAMPLES, EXAMPLES[1])),
    "a prediction was repeated byte for byte": run(predictions=again("predictions", prediction(0))),
    "a prediction was repeated otherwise after a takeover": run(
        predictions=again("predictions", prediction(0, prediction="yes")), task=task(generation=2)
    ),
    "an alert was told twice": run(alerts=again("alerts", ALERTS[0])),
    "a window was told twice": run(metrics=again("metrics", WINDOWS[2])),
    "the last window and alert are still in the outbox": run(
        metrics=rows("metrics")[:-1],
        alerts=rows("alerts")[:-1],
        monitor=monitor(outbox=[("metrics", WINDOWS[3]), ("alerts", ALERTS[2])]),
    ),
    "a window was told since the checkpoint": run(
        metrics=again("metrics", window(5)), monitor=monitor(4), after=monitor(5)
    ),
    "an incident began since the checkpoint, and is not told yet": run(
        metrics=again("metrics", window(5, incident(5))), monitor=monitor(4), after=monitor(5)
    ),
    "a rebuild has begun a new history": run(
        metrics=again("metrics", window(1) | {k: window(9)[k] for k in ("id", "cut")}), monitor=monitor(1, asked="")
    ),
    "the reference was taken anew while an incident lasted": run(
        alerts=log(*[(0, said) for said in (ALERTS[0], ALERTS[1], alert("recovered", 3))]),
    ),
    "nothing is known of the monitor": run(metrics=[], alerts=[], retrain=[], monitor=None),
    "a label has met its event since the checkpoint, and the prediction is under way": run(
        (
            *EXAMPLES,
            prediction(4, id="e9", source=7, event_ms=9003)
            | {"label": "no", "label_source": [0, 6], "closed": 0, "label_ms": 9001},
        ),
        features=again("features", {"id": "e9", "features": {"x": 1.0}}),
    ),
    "a compacted input has lost what was read": replace(
        run(features=[row for row in rows("features") if row.offset != 1]), compacted=frozenset({"p.features"})
    ),
    "nothing was done yet": run(
        (), predictions=[], metrics=[], alerts=[], retrain=[], task=None, shard=None, monitor=None
    ),
    "an event was too large by a setting that is another now": run(
        features=replaced("features", 5, {"id": "e8", "features": {"x": 1.0}}),
        **{
            "dead-letters": [
                row._replace(headers=(("reason", b"(input.event_bytes_max)"),)) for row in rows("dead-letters")
            ]
        },
    ),
}


@pytest.mark.parametrize("evidence", KEPT.values(), ids=KEPT.keys())
def test_a_run_that_keeps_its_promises_passes(evidence):
    """Nothing is found where nothing is broken."""
    assert told(evidence) == []


SKIPPED = shard_over([example(*row) for row in EXAMPLES[:3]])
BROKEN = {
    # what is learnt
    "a doubled example is learnt, the filter being broken": (
        run(
            (*EXAMPLES, EXAMPLES[1]),
            shard=shard_over([example(*row) for row in (*EXAMPLES, EXAMPLES[1])], filtered=False),
        ),
        "learnt: p.examples/0 [0, 5) learnt must be 3",
    ),
    "learnt in another order than the log": (
        run(shard=shard_over([example(*row) for row in EXAMPLES[::-1]])),
        "learnt: p.examples/0 [0, 4) learnt in another order",
    ),
    "an example was skipped": (
        run(shard=replace(SKIPPED, offsets={"p.examples/0": 4}, state={**SKIPPED.state, "next": 4})),
        "examples: p.examples/0 [0, 4) 4 examples, 3 accounted for",
    ),
    "a label is lost on its way": (run(EXAMPLES[1:]), "joins: p.labels/0/0 was never learnt"),
    "a label is learnt that came too late": (
        run((*EXAMPLES, ("e2", 5))),
        "joins: p.labels/0/5 must not be learnt",
    ),
    "a label meets another event": (
        run((*EXAMPLES[:2], ("e2", 2), EXAMPLES[3])),
        "joins: p.labels/0/2 must have met event 3, and has met 2",
    ),
    "a correction is never told": (run(EXAMPLES[:3]), "joins: p.labels/0/4 is a correction that was never told"),
    "a correction is learnt": (
        run((*EXAMPLES[:3], prediction(0) | example("e0", 4) | {"kind": "example"})),
        "joins: p.labels/0/4 must be a correction",
    ),
    "a label is invented": (
        run((*EXAMPLES, example("e2", 5) | {"label_source": [0, 99]})),
        "joins: p.labels/0/99 does not exist",
    ),
    "an example is of no event": (
        run((*EXAMPLES, example("e2", 5) | {"source": 99})),
        "joins: p.labels/0/5 has met an event that does not exist",
    ),
    "an example is of another partition": (
        run((*EXAMPLES, example("e2", 5) | {"label_source": [3, 5]})),
        "joins: p.labels/3/5 has an example in shard 0",
    ),
    # what is served
    "what is learnt is not what was served": (
        run((example(*EXAMPLES[0], prediction="yes"), *EXAMPLES[1:])),
        "served: p.examples/0/0 is not what was served",
    ),
    "an example lacks what was served": (
        run(({k: v for k, v in example(*EXAMPLES[0]).items() if k != "candidates"}, *EXAMPLES[1:])),
        "served: p.examples/0/0 is not what was served",
    ),
    "an event has no prediction": (run(predictions=rows("predictions")[1:]), "complete: p.features/0/0 was taken"),
    "an event that came after what retention took has no prediction": (
        run(begins={"predictions": 1}, predictions=[row for row in rows("predictions") if row.offset != 3]),
        "complete: p.features/0/3 was taken",
    ),
    "an example after what retention took is not what was served": (
        run((*EXAMPLES[:2], example(*EXAMPLES[2], prediction="yes"), EXAMPLES[3]), begins={"predictions": 1}),
        "served: p.examples/0/2 is not what was served",
    ),
    "an example was never served": (
        run(predictions=rows("predictions")[1:]),
        "served: p.examples/0/0 was never served",
    ),
    "an event is predicted anew by the only owner there was": (
        run(predictions=again("predictions", prediction(0, prediction="yes"))),
        "complete: p.features/0/0 was predicted anew",
    ),
    "a prediction says other features than its event": (
        run(predictions=replaced("predictions", 4, prediction(4, features={"x": 2.0}))),
        "complete: p.predictions/0/4 is not of the event p.features/0/4",
    ),
    "a repeated prediction is of another event": (
        run(predictions=again("predictions", prediction(0, id="e7"))),
        "complete: p.predictions/0/5 tells of another event under source 0",
    ),
    "a duplicate has a prediction": (
        run(predictions=again("predictions", prediction(4, source=6))),
        "complete: p.predictions/0/5 is of source 6, which is a duplicate",
    ),
    "there is a prediction of nothing": (
        run(predictions=again("predictions", prediction(4, source=70))),
        "complete: p.predictions/0/5 is of an event that does not exist",
    ),
    "there are predictions and no state": (run(task=None), "complete: p.predictions/0 [0, 5) there are predictions"),
    # the ledger
    "a label is in no column of the ledger": (
        run(task=task(ledger=LEDGER | {"duplicate": 0})),
        "labels: p.labels/0 [0, 8) 1 labels are in no column",
    ),
    "a label is in two columns of the ledger": (
        run(task=task(ledger=LEDGER | {"duplicate": 2})),
        "labels: p.labels/0 [0, 8) 9 labels accounted for",
    ),
    "a label is in the wrong column": (
        run(task=task(ledger=LEDGER | {"duplicate": 0, "orphan": 1})),
        "labels: p.labels/0 [0, 8) duplicate must be 1",
    ),
    "an event is in no column": (
        run(task=task(ledger=LEDGER | {"event_duplicate": 0})),
        "events: p.features/0 [0, 7) 1 events are in no column",
    ),
    "an event is in no log": (
        run(features=[row for row in rows("features") if row.offset != 1]),
        "events: p.features/0 [0, 7) 7 events accounted for, the log holds 1 fewer",
    ),
    "an event is in the wrong column": (
        run(task=task(ledger=LEDGER | {"event_duplicate": 0, "event_dead": 2})),
        "events: p.features/0 [0, 7) event duplicate must be 1",
    ),
    "a prediction is in no column of the ledger": (
        run(task=task(ledger=LEDGER | {"expired": 0})),
        "predictions: task-0 5 predictions",
    ),
    "a pending prediction is forgotten": (
        run(task=task(open=[], ledger=LEDGER | {"expired": 2})),
        "predictions: p.features/0/4 awaits its label",
    ),
    "an expired prediction is pending": (
        run(task=task(open=[2, 1, 1, 1], ledger=LEDGER | {"expired": 0})),
        "predictions: p.features/0/2 is pending",
    ),
    "a label that waits is forgotten": (
        run(task=task(waiting={}, ledger=LEDGER | {"orphan": 1})),
        "labels: p.labels/0/6 may still meet its event",
    ),
    "a label waits that has joined": (
        run(task=task(waiting={"e9": [[0, 40, "no", b"", False]]})),
        "labels: p.labels/0/0 waits in the checkpoint, and is joined",
    ),
    "the last checkpoint counts more than it has read": (
        run(task=task(labels=7)),
        "labels: p.labels/0 [0, 7) 8 labels accounted for",
    ),
    # dead letters
    "a bad record has no dead letter": (
        run(**{"dead-letters": letters("p.labels/0/7")}),
        "dead_letters: p.features/0/5 is no event, and no dead letter",
    ),
    "a bad label has no dead letter": (
        run(**{"dead-letters": letters("p.features/0/5")}),
        "dead_letters: p.labels/0/7 is no label, and no dead letter",
    ),
    "a good record is buried": (
        run(**{"dead-letters": letters("p.features/0/5", "p.labels/0/7", "p.features/0/2")}),
        "dead_letters: p.features/0/2 a good event",
    ),
    "a dead letter is of nothing": (
        run(**{"dead-letters": letters("p.features/0/5", "p.labels/0/7", "p.labels/0/70")}),
        "dead_letters: p.dead-letters/0/2 is of a record that does not exist",
    ),
    "a dead letter names no place": (
        run(**{"dead-letters": letters("p.features/0/5", "p.labels/0/7", "elsewhere")}),
        "dead_letters: p.dead-letters/0/2 names no place",
    ),
}


@pytest.mark.parametrize(("evidence", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_promise_is_found(evidence, words):
    """A check that cannot fail proves nothing."""
    assert any(line.startswith(words) for line in told(evidence)), told(evidence)


def test_what_retention_has_taken_is_said_and_no_fault():
    """Logs that begin later: less is judged, with the offset from which on."""
    findings = audit(
        run(begins={"features": 2, "labels": 2, "predictions": 2, "metrics": 2, "alerts": 2, "retrain": 1})
    )
    unchecked = [line for promise in findings.promises.values() for line in promise.unchecked]

    assert findings.broken == []
    for place in ("p.features/0", "p.labels/0", "p.metrics", "p.alerts", "p.retrain"):
        assert any("not checkable before offset" in line and place in line for line in unchecked), (place, unchecked)


def test_figures_are_those_of_the_run():
    """Each promise with its numbers, by part and in all."""
    findings = audit(run())

    assert findings["labels"].parts["task-0"] | {"labels": 8, "joined": 3, "waiting": 1} == findings["labels"].figures
    assert findings["learnt"].figures == {"learnt": 3, "folded": 3}
    assert findings["complete"].figures["predicted"] == 5
    assert findings["alerts"].figures == {"records": 3, "told": 3, "incidents": 1}
    assert all(promise.holds for promise in findings.promises.values())


def test_many_offences_are_counted_and_some_are_listed():
    """A broken pipeline does not fill the screen."""
    promise = audit(run(**{"dead-letters": letters(*(["elsewhere"] * 50))}))["dead_letters"]

    assert promise.broken == 52
    assert len(promise.offences) == 20
