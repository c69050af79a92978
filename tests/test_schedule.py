"""When records are due: events at their rate, each label after its own event and not before its time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import schedule as schedule_module
from streams.produce import Pair, Record
from streams.schedule import Pace, parse_delay, schedule


def pairs(count, labelled=lambda _: True) -> list[Pair]:
    return [
        Pair(Record("features", b"%d" % n, b""), Record("labels", b"%d" % n, b"") if labelled(n) else None)
        for n in range(count)
    ]


class Clock:
    """Moves by a step at each look."""

    def __init__(self, step_ms):
        self.now_ms = -step_ms
        self.step_ms = step_ms

    def __call__(self) -> float:
        self.now_ms += self.step_ms
        return self.now_ms


@given(
    st.integers(0, 40),
    st.sets(st.integers(0, 40)),
    st.none() | st.floats(0.1, 10_000),
    st.integers(0, 50),
    st.integers(0, 5_000),
    st.floats(0, 200),
)
def test_everything_is_sent_once_in_due_order_each_label_after_its_event(count, unlabelled, rate, rows, ms, step_ms):
    """For any rate and delay: nothing lost, nothing twice, due times never fall, keys of one side stay in order."""
    made = pairs(count, lambda n: n not in unlabelled)
    out = list(schedule(made, Pace(rate=rate, delay_rows=rows, delay_ms=ms), Clock(step_ms)))

    assert sorted(due.record for due in out) == sorted(record for pair in made for record in pair if record is not None)
    assert all(one.due_ms <= other.due_ms for one, other in pairwise(out))
    place = {due.record: at for at, due in enumerate(out)}
    for event, label in made:
        if label is not None:
            assert place[event] < place[label]
            assert out[place[label]].due_ms >= out[place[event]].due_ms + ms - 1e-6


@given(st.floats(0.1, 10_000), st.integers(0, 30), st.integers(31, 60))
def test_a_label_delayed_by_rows_follows_the_event_of_exactly_that_row(rate, rows, count):
    """Not a row later for a rounding error, with a rate or without."""
    for pace in (Pace(rate=rate, delay_rows=rows), Pace(delay_rows=rows)):
        due = list(schedule(pairs(count), pace, Clock(1.0)))
        out = [record for _, record in due]
        for n in range(count - rows):
            label = out.index(Record("labels", b"%d" % n, b""))
            assert out[label - 1] == Record("features", b"%d" % (n + rows), b"")
            assert due[label].due_ms == due[label - 1].due_ms


def test_events_keep_their_rate_however_many_labels_are_between():
    """The n-th event is due n / rate after the start: no drift."""
    out = list(schedule(pairs(10_000), Pace(rate=300, delay_ms=20), Clock(0)))
    events = [due.due_ms for due in out if due.record.role == "features"]

    assert events[-1] == pytest.approx(9_999 / 300 * 1000)


def test_only_as_many_rows_are_read_as_are_due():
    """A stream that never ends is sent as it comes."""

    def endless():
        n = 0
        while True:
            yield from pairs(1)
            n += 1
            assert n < 100

    out = schedule(endless(), Pace(delay_rows=5), Clock(1.0))

    assert [next(out).record.role for _ in range(7)] == ["features"] * 6 + ["labels"]


def test_waiting_labels_are_bounded(monkeypatch):
    """At the bound an event waits for the oldest label's time; none is sent early."""
    monkeypatch.setattr(schedule_module, "WAITING_MAX", 3)
    out = list(schedule(pairs(10), Pace(delay_ms=1_000), Clock(1.0)))
    events = {due.record.key: due.due_ms for due in out if due.record.role == "features"}
    waiting = most = 0
    for due in out:
        waiting += 1 if due.record.role == "features" else -1
        most = max(most, waiting)
        if due.record.role == "labels":
            assert due.due_ms >= events[due.record.key] + 1_000

    assert most == 3


@pytest.mark.parametrize(
    ("text", "delay"), [("500 rows", (500, 0)), ("1,000 rows", (1000, 0)), ("1 row", (1, 0)), ("2m", (0, 120_000))]
)
def test_a_delay_is_in_rows_or_in_time(text, delay):
    """As people write it."""
    assert parse_delay(text) == delay


@pytest.mark.parametrize("text", ["", "rows", ", rows", "-1 rows", "500", "1.5 rows", "30 seconds"])
def test_a_delay_that_is_neither_is_refused(text):
    """`500` alone could be either."""
    with pytest.raises(ValueError, match="rows or a duration"):
        parse_delay(text)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_a_positive_number(rate):
    """Zero would wait for ever."""
    with pytest.raises(ValueError, match="rate must be"):
        Pace(rate=rate)
