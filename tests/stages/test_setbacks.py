"""The order in which rows were taken is part of what is told: the logs and the cuts give it back, bit for bit."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol_world import Row
from watch_stream import Told, config, stream

from streams.messages import Cut, Instruction, encode
from streams.stages.merge import Turn
from streams.stages.setbacks import SETBACKS_MAX, Setbacks, setbacks_of
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.outbox import Outbox

SETTINGS = config(false_alarms="1 per 1000 events", reference={"rows": 100}, slide_rows=50)
STARTS = {"shop.predictions/0": 0, "shop.predictions/1": 0, "shop.examples/0": 0, "shop.control/0": 0}
INPUTS = len(STARTS)


@cache
def logs():
    """Two changes, after the second of which somebody asks for a new reference."""
    asked = Instruction("i0", "rebase", by="ada")
    return (*stream(700, shift=250, turn=400), [Row(0, 1_000 + 10 * 550, None, encode(asked))])


def come(watch, stops):
    """Rows up to these are there, and nobody knows of more."""
    for side, log, stop in zip(watch.merge.inputs, logs(), stops, strict=True):
        side.feed(side.read, max(side.read, stop), log[side.read : stop])
        side.end = max(side.read, stop)


def live(schedule):
    """A monitor that sees rows come into sight as they will, in steps of any size, and may die between any two."""
    watch, told, stops = Watch(SETTINGS), Told(), [0] * INPUTS
    for which, rows, limit, restart in [*schedule, *((which, 10_000, 100, False) for which in range(INPUTS))]:
        stops[which] = min(len(logs()[which]), stops[which] + rows)
        come(watch, stops)
        while (seen := watch.step(limit)) is not None:
            told.take(seen)
        if restart:
            watch = load_watch(SETTINGS, told, pack_watch(WatchState(watch, Outbox(), {}), 1)).watch
    return told


def cuts(told):
    """All that are named in what was told."""
    return [
        Cut(each["cut"]["id"], each["cut"]["offsets"], each["cut"].get("setbacks", []))
        for name in ("metrics", "alerts", "requests")
        for each in told.read(name)
    ]


def folded(recorded):
    """What the logs tell, rows up to each recorded cut and setback before any behind it."""
    watch, told = Watch(SETTINGS), Told()
    barriers = [offsets for cut in recorded for offsets in (*setbacks_of(cut), cut.offsets)]
    for offsets in sorted(barriers, key=lambda offsets: sum(offsets.values())):
        come(watch, [offsets[f"{side.topic}/{side.partition}"] for side in watch.merge.inputs])
        while (seen := watch.step(100)) is not None:
            told.take(seen)
    return told


VISITS = st.tuples(st.integers(0, INPUTS - 1), st.integers(1, 200), st.sampled_from((1, 9, 100)), st.booleans())
BEHIND = [(1, 300, 100, False), (2, 200, 100, False), (0, 120, 9, True), (1, 10, 9, False), (0, 200, 100, True)]
"""One partition far behind the other, examples before their predictions."""


@settings(deadline=None, max_examples=25)
@given(st.lists(VISITS, max_size=30))
@example(BEHIND)
def test_what_was_told_is_a_fold_over_the_logs_and_the_cuts_however_the_rows_came(schedule):
    """Every byte of every window, alert and request: rows that came out of their order, late, and between crashes."""
    told = live(schedule)

    assert told.metrics
    assert folded(cuts(told)).words() == told.words()


def test_without_the_setbacks_the_cuts_alone_tell_something_else():
    """They are needed: the order between two cuts is not that of the record times."""
    told = live(BEHIND)
    bare = [Cut(cut.id, cut.offsets) for cut in cuts(told)]

    assert told.alerts  # of other orders none may come: a request for a new reference may be taken before all else
    assert any(cut.setbacks for cut in cuts(told))
    assert folded(bare).words() != told.words()


def test_a_setback_is_named_by_the_next_window_and_by_no_later_one():
    """Alerts in between name it, too: no window may ever come behind them."""
    windows = [Cut(**each["cut"]) for each in live([*BEHIND, *BEHIND]).read("metrics")]

    assert sum(bool(cut.setbacks) for cut in windows) > 1
    for before, cut in pairwise(windows):
        assert all(sum(offsets.values()) >= sum(before.offsets.values()) for offsets in setbacks_of(cut))


@pytest.mark.parametrize("limit", [1, 7, 700])
def test_rows_that_come_in_their_order_set_nothing_back(limit):
    """A cut is then as small as ever, whatever the steps were."""
    watch, told = Watch(SETTINGS), Told()
    come(watch, [len(log) for log in logs()])
    while (seen := watch.step(limit)) is not None:
        told.take(seen)

    assert told.alerts
    assert not any(cut.setbacks for cut in cuts(told))


def test_until_the_first_window_a_cut_says_where_the_history_began():
    """Later ones do not: the first is there to be found."""
    first, *others = live([]).read("metrics")

    assert first["cut"]["began"]["offsets"] == STARTS
    assert all("began" not in each["cut"] for each in others)


def test_only_so_many_setbacks_are_kept_the_newest():
    """Nothing grows without limit, whatever the clocks do."""
    back, last = Setbacks(), 3 * SETBACKS_MAX
    for number in range(last + 1):  # each other row is earlier than the one before
        turn = Turn(10 + number % 2, 0, 0, number, None)
        back.taking(turn, lambda number=number: {"p/0": number})
        back.taken(turn)

    kept = setbacks_of(Cut("a", {"p/0": last + 1}, back.until({"p/0": last + 1})))

    assert [each["p/0"] for each in kept] == list(range(last - 2 * SETBACKS_MAX + 2, last + 1, 2))
