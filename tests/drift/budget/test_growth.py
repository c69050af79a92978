"""When rows join the pool, and what is remembered after an alarm."""

import msgspec
import numpy as np
import pytest
from budget_streams import budget_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.budget.aftermath import Aftermath
from drift.budget.bank import BLOCK
from drift.budget.growth import Growth
from drift.budget.joint import STEP


def grow(growth, rows, sizes=(), *, restarts=False):
    """Rows numbered from 0, in batches of these sizes; after how many rows which ones had joined."""
    joined, at, sizes = [], 0, iter(sizes)
    while at < rows:
        stop = min(at + next(sizes, 50), at + growth.next_at - growth.position, rows)
        bins = np.arange(at, stop, dtype=np.int16)[None, :]
        joining = growth.take(bins, (bins % 2).astype(np.int8))
        at = stop
        if joining is not None:
            assert (joining[0] % 2 == joining[1]).all()
            joined.append((at, joining[0][0].tolist()))
        if restarts:
            growth = Growth.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(growth.snapshot())), 1, 1)
    return joined


def test_rows_join_in_order_after_a_quarantine_of_a_hundredth():
    """A pool of 1,000 grows every 10 rows and holds the last 10 back."""
    assert grow(Growth(1_000, 0), 40) == [
        (20, [*range(10)]),
        (30, [*range(10, 20)]),
        (40, [*range(20, 30)]),
    ]


def test_steps_and_quarantine_grow_with_the_pool():
    """They stay a hundredth, and at most 500 rows."""
    small, large = grow(Growth(100, 0), 300), grow(Growth(80_000, 0), 2_000)

    assert small[0] == (2, [0])
    assert len(small[-1][1]) > 1
    assert [(at, len(rows)) for at, rows in large] == [(1_000, 500), (1_500, 500), (2_000, 500)]


def test_the_steps_are_where_they_are_wherever_the_pool_began():
    """On multiples of the step, of the absolute position."""
    assert [at + 1_003 for at, _ in grow(Growth(1_000, 1_003), 37)] == [1_020, 1_030, 1_040]


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 20_000), st.lists(st.integers(1, 70), max_size=30), st.booleans())
def test_no_split_and_no_restart_changes_what_joins(rows, sizes, restarts):
    """The same rows at the same positions."""
    assert grow(Growth(rows, 7), 700, sizes, restarts=restarts) == grow(Growth(rows, 7), 700)


def test_a_pool_that_is_stopped_takes_nothing_until_it_goes_on():
    """Rows in quarantine when it stops never join, nor those that come meanwhile."""
    growth = Growth(1_000, 0)
    grow(growth, 25)
    growth.stop()
    assert grow(growth, 100) == []
    growth.go_on()

    (_, first), *_ = grow(growth, 100)

    assert first[0] == 0  # of this last batch


def test_a_step_of_the_classifier_ends_with_a_block():
    """Rows are run to the end of a block at most, so none is beyond a step."""
    assert STEP % BLOCK == 0


@pytest.mark.parametrize("alarms", [4, 5])
def test_alarms_that_are_remembered_survive_a_restart(alarms):
    """A column cries wolf at its fifth alarm within the events of one, restarts between them or not."""
    config = budget_of(["g0"]).config
    aftermath = Aftermath(config)
    for number in range(alarms):
        aftermath.raised(100 * number, "g0")
        aftermath.listed(100 * number + 50)
        restored = Aftermath(config)
        restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(aftermath.snapshot())))
        aftermath = restored

    assert aftermath.cries_wolf(100 * alarms, threshold=1_000) is (alarms == 5)
    assert not aftermath.cries_wolf(10_000, threshold=1_000)
