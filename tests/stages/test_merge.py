"""The merged order: what a stage may read next."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.stages.merge import Input, Merge


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = b""


def rows(timestamps, first=0):
    return [Row(offset, ms) for offset, ms in enumerate(timestamps, first)]


def merged(merge, limit=1000):
    return [(turn.rank, turn.partition, turn.offset) for turn in merge.take(limit)]


def test_a_label_waits_for_an_event_that_may_still_come():
    """Nothing is handed out while another input has not reached its end: a restart never reads labels first."""
    events, labels = Input("features", 0, 0, 0), Input("labels", 0, 1, 0)
    merge = Merge((events, labels))
    labels.feed(0, 3, rows([1, 2, 3]))
    labels.end, events.end = 3, 1

    assert merged(merge) == []
    events.feed(0, 1, rows([2]))
    assert merged(merge) == [(1, 0, 0), (0, 0, 0), (1, 0, 1), (1, 0, 2)]


def test_an_unknown_end_means_wait():
    """Before the first fetch tells where an input ends, it may hold anything."""
    events, labels = Input("features", 0, 0, 0), Input("labels", 0, 1, 0)
    merge = Merge((events, labels))
    labels.feed(0, 1, rows([1]))
    labels.end = 1

    assert events.end is None
    assert merged(merge) == []


def test_a_control_record_at_the_end_does_not_hold_the_others():
    """A chunk's stop covers offsets without a row, such as transaction markers."""
    events, labels = Input("features", 0, 0, 0), Input("labels", 0, 1, 0)
    merge = Merge((events, labels))
    events.feed(0, 2, rows([5]))
    events.end = 2
    labels.feed(0, 1, rows([9]))
    labels.end = 1

    assert merged(merge) == [(0, 0, 0), (1, 0, 0)]
    assert merge.positions() == {"features/0": 2, "labels/0": 1}


def test_a_chunk_that_does_not_follow_is_refused():
    """Rows fetched before a seek never mix with rows fetched after it."""
    source = Input("features", 0, 0, 10)

    assert not source.feed(12, 14, rows([1, 2], 12))
    assert not source.feed(8, 10, rows([1, 2], 8))
    assert source.feed(10, 12, rows([1, 2], 10))


def test_a_producer_whose_clock_goes_back_never_reorders_its_partition():
    """A row's turn is at the highest timestamp so far in its partition."""
    events, labels = Input("features", 0, 0, 0), Input("labels", 0, 1, 0)
    merge = Merge((events, labels))
    events.feed(0, 3, rows([10, 2, 11]))
    labels.feed(0, 1, rows([5]))
    events.end, labels.end = 3, 1

    assert merged(merge) == [(1, 0, 0), (0, 0, 0), (0, 0, 1), (0, 0, 2)]


GIVEN_BACK = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=4)


@given(GIVEN_BACK, st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), max_size=20))
def test_rows_given_back_come_again_in_the_same_turn(timestamps, steps):
    """Also of a producer whose clock goes back: what is taken step by step is what would have come at once."""

    def build():
        inputs = [Input("t", partition, partition % 2, 0) for partition in range(len(timestamps))]
        for source, times in zip(inputs, timestamps, strict=True):
            source.end = len(times)
            source.feed(0, len(times), rows(times))
        return Merge(inputs)

    whole, merge, got = build(), build(), []
    for limit, kept in steps:
        turns = merge.take(limit)
        merge.give_back(turns[kept:])
        got += turns[:kept]
    while turns := merge.take(3):
        got += turns

    assert got == whole.take(1_000)
    assert merge.watermarks() == whole.watermarks()


INPUTS = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=4)


@given(INPUTS, st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=30), st.integers(1, 7))
def test_the_order_does_not_depend_on_how_rows_arrive(timestamps, arrivals, limit):
    """However a log is cut into fetches and steps, the turns come in the same order, each exactly once."""

    def build():
        inputs = [Input("t", partition, partition % 2, 0) for partition in range(len(timestamps))]
        for source, times in zip(inputs, timestamps, strict=True):
            source.end = len(times)
        return Merge(inputs)

    logs = [rows(sorted(times)) for times in timestamps]
    whole = build()
    for source, log in zip(whole.inputs, logs, strict=True):
        source.feed(0, len(log), log)
    expected = merged(whole)

    pieces, got = build(), []
    for which, count in [*arrivals, *((i, 12) for i in range(len(logs)))]:
        if which < len(logs):
            source = pieces.inputs[which]
            part = logs[which][source.read : source.read + count]
            source.feed(source.read, source.read + len(part), part)
        got += merged(pieces, limit)
    while turns := merged(pieces, limit):
        got += turns

    assert got == expected
    assert sorted((p, o) for _, p, o in got) == [(p, o) for p, log in enumerate(logs) for o in range(len(log))]
