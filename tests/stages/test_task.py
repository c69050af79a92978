"""Predict and join: which label meets which event, and what a restart may not change."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_world import DECODING, EARLY, GRACE, TASK, WAIT, Row

from learners.output import Output
from streams.errors import StateError
from streams.messages import encode
from streams.stages import sent_places
from streams.stages.task import Task
from streams.state.done import DoneIds
from streams.state.pending import PendingStore

AT = 1_000
"""When the event of most tests comes, in ms."""


class Model:
    """Says whatever its version is."""

    champion = "c"

    def __init__(self, version=0):
        self.version = version

    def predict(self, _features):
        share = 1 / (2 + self.version)
        return {"c": Output("a", {"a": 1 - share, "b": share}), "prior": Output(None, None)}


def event(ms, identity="e", **features):
    return ms, encode({"id": identity, "features": features or {"x": 1.0}})


def label(ms, identity="e", value="a"):
    return ms, encode({"id": identity, "label": value})


class Partition:
    """A task over two logs, and the log it writes; `restart` goes on from a checkpoint."""

    def __init__(self, events=(), labels=(), model=None):
        self.logs = [self.log(events), self.log(labels)]
        self.model = model or Model()
        self.predictions, self.examples, self.dead, self.buckets = [], [], [], []
        self.task = self.open(None)

    @staticmethod
    def log(records):
        return [Row(offset, ms, b"k%d" % offset, value) for offset, (ms, value) in enumerate(records)]

    def open(self, saved):
        done = DoneIds()
        done.restore(list(self.buckets))
        task = Task(0, TASK, DECODING, PendingStore(3, None), done, saved)
        for side, log in zip((task.events, task.labels), self.logs, strict=True):
            side.feed(side.next, len(log), log[side.next :])
            side.end = len(log)
        return task

    def step(self, limit=100):
        emitted = self.task.step(limit, self.model)
        if emitted is None:
            return False
        self.task.acknowledged(emitted.sources, len(self.predictions))
        for out in emitted.predictions:
            self.predictions.append(Row(len(self.predictions), 0, out.key, out.value))
        self.examples += emitted.examples
        self.dead += emitted.dead
        return True

    def run(self, limit=100):
        while self.step(limit):
            pass
        return self

    def restart(self, log=None):
        if (bucket := self.task.done.cut()) is not None:
            self.buckets = [bucket]  # nothing was stored before: this one holds all
        saved = msgspec.msgpack.encode(self.task.dump(len(self.predictions)))
        self.task = self.open(msgspec.msgpack.decode(saved, strict=False))
        self.task.restore((self.predictions if log is None else log)[self.task.tail :])
        return self

    def said(self):
        return [msgspec.json.decode(out.value) for out in self.examples]

    def ledger(self):
        return {word: count for word, count in self.task.counts().items() if count}


def pair(delay_ms):
    """One event and its label, and much later another event, which moves the stream's time on."""
    return Partition([event(AT), event(AT + 10 * WAIT, "later")], [label(AT + delay_ms)]).run()


@pytest.mark.parametrize("delay_ms", [-EARLY, -1, 0, 1, WAIT])
def test_a_label_joins_up_to_both_ends_of_its_time(delay_ms):
    """Before, with and after its event; exactly at `early` and exactly at `wait` are still in time."""
    partition = pair(delay_ms)

    assert [(e["id"], e["label"], e["label_source"], e["source"]) for e in partition.said()] == [("e", "a", [0, 0], 0)]
    assert partition.ledger() == {"predicted": 2, "joined": 1, "pending": 1}


@pytest.mark.parametrize("delay_ms", [WAIT + 1, WAIT + GRACE, WAIT + GRACE + 1, 5 * WAIT])
def test_a_label_too_late_never_joins_whatever_memory_still_holds(delay_ms):
    """The grace keeps events in memory for longer than the rule allows: the rule decides, by two timestamps."""
    partition = pair(delay_ms)

    assert partition.said() == []
    assert partition.ledger()["expired"] == 1
    assert partition.ledger().get("late", 0) + partition.ledger().get("orphan", 0) == 1


@pytest.mark.parametrize("delay_ms", [-EARLY - 1, -EARLY - GRACE, -EARLY - GRACE - 1, -5 * EARLY])
def test_a_label_too_early_is_an_orphan(delay_ms):
    """It waited for an event that came after its time."""
    partition = pair(delay_ms)

    assert partition.said() == []
    assert partition.ledger() == {"predicted": 2, "orphan": 1, "expired": 1, "pending": 1}


def test_nothing_expires_while_the_stream_stands_still():
    """There is no wall clock: only a later record frees memory."""
    partition = Partition([event(AT), event(AT, "other")], [label(AT, "early bird")]).run()
    assert partition.ledger() == {"predicted": 2, "pending": 2, "waiting": 1}

    partition = Partition([event(AT)], [label(AT, "early bird"), label(AT + WAIT + 2 * GRACE + 1, "x")]).run()
    assert partition.ledger() == {"predicted": 1, "expired": 1, "orphan": 1, "waiting": 1}


@pytest.mark.parametrize(("late", "word"), [(0, "event_duplicate"), (1, "expired")])
def test_clocks_that_differ_do_not_decide_whether_an_id_is_known(late, word):
    """An id that comes again is new or not by its two events' times, also if a label from a fast clock came between."""
    events = [event(AT), event(AT + WAIT + GRACE + late)]
    fast = [label(AT + WAIT + 2 * GRACE, "x")]
    by_time = Partition(events, fast).run()

    partition = Partition(events[:1], fast).run()
    partition.logs[0] = partition.log(events)
    side = partition.task.events
    side.feed(1, 2, partition.logs[0][1:])
    side.end = 2
    partition.run()

    assert partition.ledger() == by_time.ledger()
    assert partition.ledger()[word] == 1


def test_a_label_too_late_for_its_event_may_be_in_time_for_the_next_of_that_id():
    """Such a label is treated as if its event were unknown."""
    again = AT + WAIT + GRACE + 10
    partition = Partition([event(AT), event(again)], [label(AT + WAIT + 1)]).run()

    assert [(e["source"], e["event_ms"]) for e in partition.said()] == [(1, again)]
    assert partition.ledger() == {"predicted": 2, "joined": 1, "expired": 1}


def test_the_same_label_again_is_a_duplicate_and_another_one_a_correction():
    """Corrections carry what was learnt before them, each measured against the one before."""
    labels = [label(AT + delay, value=value) for delay, value in enumerate("aabba", 1)]
    partition = Partition([event(AT)], labels).run()

    first, *corrections = partition.said()
    assert (first.get("kind"), first["label"]) == (None, "a")
    assert [(e["kind"], e["label_before"], e["label"], e["label_source"]) for e in corrections] == [
        ("correction", "a", "b", [0, 2]),
        ("correction", "b", "a", [0, 4]),
    ]
    assert partition.ledger() == {"predicted": 1, "joined": 1, "duplicate": 2, "correction": 2}


def test_an_event_said_again_is_predicted_once():
    """While it awaits its label, and after it has met it."""
    partition = Partition([event(AT), event(AT + 1), event(AT + 3)], [label(AT + 2)]).run()

    assert len(partition.predictions) == 1
    assert partition.ledger() == {"predicted": 1, "joined": 1, "event_duplicate": 2}


def test_an_example_is_the_prediction_as_it_was_served_and_its_label():
    """Field by field, under the event's key, by the model of that moment and not of the label's."""
    timed = AT, encode({"id": "e", "features": {"x": 1.0}, "time": "2026-01-02T03:04:05Z"})
    partition = Partition([timed], [], Model(version=7)).run()
    partition.logs[1] = Partition.log([(AT + 5, encode({"id": "e", "label": "b", "time": "2026-01-02T04:00:00Z"}))])
    partition.model = Model(version=9)
    partition.restart().run()

    (example,), served = partition.said(), msgspec.json.decode(partition.predictions[0].value)
    added = {"label", "label_source", "closed", "label_ms", "label_time"}
    assert {name: value for name, value in example.items() if name not in added} == served
    assert served["version"] == 7
    assert (example["label"], example["label_ms"], example["label_time"]) == ("b", AT + 5, "2026-01-02T04:00:00Z")
    assert partition.examples[0].key == b"k0"


def test_what_cannot_be_read_is_laid_aside_between_its_neighbours():
    """With the row itself, its place and a reason; missing and unknown features are counted."""
    events = [(AT, b"{"), event(AT, "e", x=None, y=2.0), (AT, None)]
    partition = Partition(events, [label(AT, value="nobody"), label(AT)]).run()

    assert [(dead.topic, dead.partition, dead.row.offset) for dead in partition.dead] == [
        ("f", 0, 0),
        ("f", 0, 2),
        ("l", 0, 0),
    ]
    assert all(dead.reason.startswith("$") for dead in partition.dead)
    assert partition.ledger() == {
        "event_dead": 2,
        "label_dead": 1,
        "predicted": 1,
        "feature_missing": 1,
        "feature_unknown": 1,
        "joined": 1,
    }


def test_the_closed_mark_stays_below_every_label_that_may_still_join():
    """One waiting label holds it; once that is settled, the mark passes everything."""
    events = [event(AT, "a"), event(AT + 2, "b"), event(AT + 3, "c")]
    labels = [label(AT, "b"), label(AT, "a"), label(AT + 3, "c")]
    partition = Partition(events, labels).run()

    assert [(e["id"], e["closed"]) for e in partition.said()] == [("a", 0), ("b", 2), ("c", 3)]


def test_a_prediction_in_the_log_is_used_as_it_stands():
    """A crash after sending and before the checkpoint: the event's turn comes again, its prediction is there."""
    crashed = Partition([event(AT), event(AT + 1, "f")], [label(AT + 2)], Model(version=3))
    before = crashed.task.dump(0)
    log = crashed.run().predictions

    crashed.model, crashed.examples = Model(version=8), []
    crashed.task = crashed.open(before)
    crashed.task.restore([*log, Row(2, 0, b"z", log[0].value.replace(b'"version":3', b'"version":4'))])
    emitted = crashed.task.step(100, crashed.model)

    assert emitted.predictions == []
    assert [msgspec.json.decode(out.value)["version"] for out in emitted.examples] == [3]  # the first record wins


def test_a_log_of_predictions_cut_short_is_refused():
    """What awaits its label was served to people: going on without it would lose examples in silence."""
    partition = Partition([event(AT), event(AT + 1, "f")]).run()

    with pytest.raises(StateError, match="must hold the 2 predictions that await their label, got 1"):
        partition.restart(log=partition.predictions[:1])


def test_a_strangers_record_among_the_predictions_harms_no_restart():
    """Whoever may write to the topic cannot keep a worker from starting."""
    partition = Partition([event(AT)], [label(AT + 1)])
    partition.predictions = [Row(0, 0, b"k", b"{"), Row(1, 0, b"k", None), Row(2, 0, b"k", b'{"id": 7}')]

    assert partition.restart().run().ledger() == {"predicted": 1, "joined": 1}


IDS = st.sampled_from("pqrst")
TRAFFIC = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from(("event", "label", "label", "poison")), IDS, st.sampled_from("aab")),
    max_size=60,
)


def logs_of(traffic):
    ms, events, labels = AT, [], []
    for gap, kind, identity, value in traffic:
        ms += gap
        if kind == "event":
            events.append(event(ms, identity))
        elif kind == "label":
            labels.append(label(ms, identity, value))
        else:
            (events if value == "b" else labels).append((ms, b"{poison"))
    return events, labels


@settings(deadline=None)
@given(TRAFFIC, st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=40))
def test_a_restart_at_any_step_changes_nothing(traffic, steps):
    """However rows are cut into steps, and wherever a process ends: the same examples in the same order."""
    logs = logs_of(traffic)
    whole, pieces = Partition(*logs).run(), Partition(*logs)
    for limit, restart in steps:
        pieces.step(limit)
        if restart:
            pieces.restart()
    pieces.run(limit=3).restart()

    assert pieces.examples == whole.examples
    assert pieces.ledger() == whole.ledger()
    assert [row.value for row in pieces.predictions] == [row.value for row in whole.predictions]
    assert [dead.row for dead in pieces.dead] == [dead.row for dead in whole.dead]


@settings(deadline=None)
@given(TRAFFIC, st.integers(1, 5))
def test_the_ledger_adds_up_after_every_step(traffic, limit):
    """Labels = joined + duplicate + correction + late + orphan + dead + waiting; likewise predictions and events."""
    partition = Partition(*logs_of(traffic))
    while partition.step(limit):
        count = dict.fromkeys(
            ("joined", "duplicate", "correction", "late", "orphan", "label_dead", "expired", "predicted"), 0
        ) | dict.fromkeys(("event_duplicate", "event_dead"), 0)
        count |= partition.task.counts()
        labels = ("joined", "duplicate", "correction", "late", "orphan", "label_dead", "waiting")
        assert partition.task.labels.next == sum(count[word] for word in labels)
        assert count["predicted"] == count["joined"] + count["expired"] + count["pending"]
        assert partition.task.events.next == count["predicted"] + count["event_duplicate"] + count["event_dead"]
        assert len(partition.examples) == count["joined"] + count["correction"]


@settings(deadline=None)
@given(TRAFFIC, st.integers(1, 5))
def test_no_example_comes_from_below_a_mark_said_before_it(traffic, limit):
    """The learner drops what lies below the mark: a mark that passes a label loses it."""
    mark = 0
    for example in Partition(*logs_of(traffic)).run(limit).said():
        assert example["label_source"][1] >= mark
        mark = max(mark, example["closed"])


def tail_of(partition):
    return partition.task.dump(len(partition.predictions))["tail"]


def test_a_restart_reads_predictions_from_the_batch_of_the_oldest_pending_one():
    """No further back: predictions that met their label are not read again."""
    events = [event(AT + n, f"e{n}") for n in range(8)]
    labels = [label(AT + 20, f"e{n}") for n in (0, 1, 2, 5)]
    partition = Partition(events, labels).run(2)  # batches of two
    assert tail_of(partition) == 2  # e3 is the oldest, e2 before it in its batch
    partition.restart()
    assert (partition.task.tail, tail_of(partition), partition.ledger()["pending"]) == (2, 3, 4)


def test_with_nothing_pending_a_restart_reads_no_prediction():
    """However long the log is."""
    partition = Partition([event(AT), event(AT, "f")], [label(AT + 1), label(AT + 1, "f")]).run()
    assert tail_of(partition) == 2
    assert tail_of(partition.restart()) == 2


def test_a_logged_prediction_of_another_event_is_not_used():
    """Whoever wrote it, a label must not meet another event's features."""
    partition = Partition([event(AT, "a", x=7.0)], [label(AT + 1, "a")])
    partition.task.restore([Row(0, 0, b"k", encode({"id": "b", "source": 0, "event_ms": AT, "features": {"x": 1.0}}))])
    partition.run()

    assert [(e["id"], e["features"]) for e in partition.said()] == [("a", {"x": 7.0})]
    assert partition.ledger() == {"predicted": 1, "joined": 1}


def test_a_prediction_that_waits_for_long_keeps_no_entry_for_each_batch_behind_it(monkeypatch):
    """What a restart reads begins at or before the oldest pending one, and not much before."""
    monkeypatch.setattr(sent_places, "TAIL_SHARE", 8)
    events = [event(AT, "old"), *(event(AT, f"e{n}") for n in range(1, 401))]
    partition = Partition(events, [*(label(AT, f"e{n}") for n in range(1, 391)), label(AT + 1, "old")])
    while partition.ledger().get("joined", 0) < 390:
        partition.step(1)  # a batch for each event
    assert len(partition.task.places._sent) <= 8 * (2 + math.log(401 / 8))  # each gap is an eighth of all before it
    assert partition.task.dump(len(partition.predictions))["tail"] == 0  # "old" is there

    partition.run(1)

    assert 340 <= partition.task.dump(len(partition.predictions))["tail"] <= 391  # "e391" is the oldest
    assert partition.restart().ledger() == {"predicted": 401, "joined": 391, "pending": 10}
