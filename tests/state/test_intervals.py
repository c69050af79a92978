"""Intervals and OffsetSet behave as the plain sets they stand for."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet

NUMBERS = st.integers(0, 120)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NUMBERS, st.just(0)),
        st.tuples(st.just("range"), NUMBERS, st.integers(0, 12)),
        st.tuples(st.just("below"), NUMBERS, st.just(0)),
    ),
    max_size=80,
)


def ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """The maximal ranges of a set, found by looking at each member."""
    starts = sorted(n for n in numbers if n - 1 not in numbers)
    stops = sorted(n + 1 for n in numbers if n + 1 not in numbers)
    return list(zip(starts, stops, strict=True))


def follow(steps) -> tuple[Intervals, set[int]]:
    intervals, model = Intervals(), set()
    for step, number, length in steps:
        if step == "add":
            intervals.add(number)
            model.add(number)
        elif step == "range":
            intervals.add_range(number, number + length)
            model |= set(range(number, number + length))
        else:
            intervals.discard_below(number)
            model = {n for n in model if n >= number}
        assert list(intervals) == ranges(model)
    return intervals, model


@settings(deadline=None)
@given(STEPS)
def test_holds_what_a_set_would_hold(steps):
    """After any history the ranges, the membership of every number and the count are those of a plain set."""
    intervals, model = follow(steps)

    assert [n for n in range(-2, 140) if n in intervals] == sorted(model)
    assert intervals.count() == len(model)
    assert bool(intervals) == bool(model)


@settings(deadline=None)
@given(STEPS, STEPS)
def test_goes_on_after_msgpack_as_if_never_saved(before, after):
    """What to_list gives survives msgpack, and the copy and the original take the same further steps alike."""
    intervals, _ = follow(before)
    copy = Intervals.from_list(msgspec.msgpack.decode(msgspec.msgpack.encode(intervals.to_list())))
    for one in (intervals, copy):
        for step, number, length in after:
            if step == "add":
                one.add(number)
            elif step == "range":
                one.add_range(number, number + length)
            else:
                one.discard_below(number)

    assert copy == intervals


def test_thousands_of_ranges_are_discarded_one_by_one():
    """The front may fall away in any number of steps: look-ups never see what was discarded."""
    intervals = Intervals()
    for n in range(0, 2_000, 2):
        intervals.add(n)
    for mark in range(0, 2_000, 3):
        intervals.discard_below(mark)
        assert mark - 1 not in intervals
        assert (mark in intervals) == (mark % 2 == 0)
        assert intervals.count() == len(range(mark + mark % 2, 2_000, 2))
    intervals.discard_below(5_000)
    intervals.add(1)
    assert list(intervals) == [(1, 2)]


@pytest.mark.parametrize("flat", [[1], [1, 0], [1, 2, 0, 2], [1, 2, -1, 2], [3, -1]])
def test_refuses_a_list_that_is_not_ranges(flat):
    """Touching, overlapping, empty or unpaired ranges are never accepted from outside."""
    with pytest.raises(StateError, match="intervals must be pairs"):
        Intervals.from_list(flat)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.integers(0, 40), st.integers(1_000, 1_060), st.integers(50_000, 50_010))),
        max_size=80,
    )
)
def test_offsets_leave_in_any_order(steps):
    """An OffsetSet has the members, the smallest member and the ranges of a plain set, across block borders too."""
    offsets, model = OffsetSet(), set()
    for put, offset in steps:
        if put:
            assert offsets.add(offset) == (offset not in model)
            model.add(offset)
        else:
            offsets.discard(offset)
            model.discard(offset)

    assert list(offsets.intervals()) == ranges(model)
    assert offsets.min() == min(model, default=None)
    assert all((n in offsets) == (n in model) for n in range(1_100))


OFFSETS = st.sets(st.one_of(st.integers(0, 60), st.integers(1_000, 1_060), st.integers(50_000, 50_010)), max_size=60)


@settings(deadline=None)
@given(st.lists(st.tuples(OFFSETS, OFFSETS), max_size=6), st.randoms(use_true_random=False))
def test_many_offsets_at_once_are_as_one_after_the_other(rounds, shuffler):
    """In any order, over several blocks; those that are not there are not taken out of anything else."""
    offsets, model = OffsetSet(), set()
    for come, go in rounds:
        new, gone = list(come - model), list(go)
        shuffler.shuffle(new)
        shuffler.shuffle(gone)
        offsets.add_all(new)
        offsets.discard_all(gone)
        model = (model | come) - go
        assert list(offsets.intervals()) == ranges(model)
        assert (offsets.min(), len(offsets)) == (min(model, default=None), len(model))


@pytest.mark.parametrize("again", [[5], [6, 6], [2_000, 5, 3]])
def test_an_offset_put_in_twice_is_noticed(again):
    """Among those there, and among those that come."""
    offsets = OffsetSet()
    offsets.add_all([5, 1_500])
    with pytest.raises(ValueError, match="offsets must be new"):
        offsets.add_all(again)


def test_a_range_does_not_reach_over_an_empty_block():
    """The last offset of one block and the first of the next but one are no neighbours; adjacent blocks join."""
    offsets = OffsetSet()
    for n in (1_022, 1_023, 2_048, 3_071, 3_072):
        offsets.add(n)
    assert list(offsets.intervals()) == [(1_022, 1_024), (2_048, 2_049), (3_071, 3_073)]
