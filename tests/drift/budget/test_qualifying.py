"""A reference becomes one to watch from piece by piece: nobody waits for all of it, and nothing depends on it."""

from functools import cache

import msgspec
import numpy as np
from budget_streams import budget_of, errors, mixed, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = ("g0", "g1", "t0", "c0")
SETTINGS = {
    "allowance": "1 per 500 events",
    "loss": "indicator",
    "reference_rows": 300,
    "loss_rows": 200,
    "fresh_rows": 150,
    "listing_events": 40,
}


def budget():
    return budget_of(NAMES, **SETTINGS, after_alarm="rebase")


@cache
def items():
    """Events and their losses, with a change that lets a reference be collected anew; g1 depends on its past."""
    rng = np.random.default_rng(5)
    columns = {name: column for name, column in mixed(rng, 1_200).items() if name in NAMES}
    columns["g0"][500:] += 2
    columns["g1"] = np.convolve(columns["g1"], [1, 0.8], "same")
    losses = errors(rng, 1_200).tolist()
    return [each for row, loss in zip(rows_of(columns), losses, strict=True) for each in (row, loss)]


def give(watching, item):
    watching.example(item) if isinstance(item, float) else watching.event(item)


@cache
def at_once():
    """Findings, standings and state without a word of pieces."""
    watching = budget()
    for item in items():
        give(watching, item)
    return watching.evaluate(), watching.standings(), watching.snapshot()


def due(watching):
    """Whether a reference is complete: the moment to do the pieces."""
    return min(watching.rows_to_reference) <= 0


def counted():
    """Pieces at each reference that is qualified."""
    watching, found = budget(), []
    for item in items():
        give(watching, item)
        watching.evaluate()
        if due(watching):
            found.append(0)
            while watching.qualify():
                found[-1] += 1
    assert watching.snapshot() == at_once()[2]
    return found


def test_a_reference_is_qualified_in_many_pieces_and_at_the_row_that_makes_it_whole():
    """Columns, loss, and both again after the alarm; none is left over."""
    pieces = counted()

    assert len(pieces) >= 4
    assert max(pieces) > 3 * len(NAMES)
    assert not budget().qualify()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12))
def test_some_pieces_by_hand_and_restarts_between_them_change_nothing(schedule):
    """Left half-way, done or not begun when the next row comes, or lost with the process: the same in every bit."""
    watching, found, schedule = budget(), [], list(schedule)
    for item in items():
        give(watching, item)
        found += watching.evaluate()
        while due(watching) and schedule:
            pieces, restart = schedule.pop()
            for _ in range(pieces):
                watching.qualify()
            if restart:
                state = msgspec.msgpack.encode(watching.snapshot())
                watching = budget()
                watching.restore(msgspec.msgpack.decode(state))

    assert (tuple(found), watching.standings(), watching.snapshot()) == at_once()


def test_until_the_last_piece_a_checkpoint_is_that_of_the_complete_reference():
    """What is half done is no state: it is begun anew."""
    watching = budget()
    for item in items():
        give(watching, item)
        watching.evaluate()
        if due(watching):
            break
    before = watching.snapshot()
    states = []
    while watching.qualify():
        states.append(watching.snapshot())

    assert len(states) > len(NAMES)
    assert all(state == before for state in states[:-1])
    assert states[-1] != before
