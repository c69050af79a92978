"""Columns watched together: a change that no column shows by itself."""

import msgspec
import numpy as np
import pytest
from budget_streams import errors, gaussian, watched
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from drift.budget import Alarm
from drift.budget.joint import JOINT_LANES, ROWS_MIN, STEP, WINDOWS, Joint, normal_scores
from streams.config_drift import JOINT_ROWS_MIN


def scores_of(rng, rows, streams=4, correlation=0.0):
    """Normal scores, the first two columns correlated."""
    z = rng.normal(size=(streams, rows))
    z[1] = correlation * z[0] + (1 - correlation**2) ** 0.5 * z[1]
    return normal_scores(ndtr(z))


def play(joint, scores, sizes=(), *, restarts=False):
    """Stakes of all rows, in batches of these sizes that end where a step does."""
    stakes, at, sizes = [], 0, iter(sizes)
    while at < len(scores):
        stop = min(at + next(sizes, STEP), at + STEP - at % STEP, len(scores))
        stakes += joint.stakes(scores[at:stop], np.arange(at, stop)).tolist()
        joint.take(scores[at:stop], stop, growing=True)
        at = stop
        if restarts:
            joint = Joint.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(joint.snapshot())), seed=1)
    return np.array(stakes)


def test_it_bets_nothing_before_there_is_a_window():
    """A stake of 1 while fewer than 250 rows have come."""
    rng = np.random.default_rng(1)
    stakes = play(Joint(scores_of(rng, 1_000), seed=1), scores_of(rng, WINDOWS[0], correlation=0.9))

    assert (stakes == 1).all()


def test_a_correlation_wins_and_none_wins_nothing():
    """Mean logarithm of the stakes over 2,000 rows: up with a correlation of 0.8 that was not there, not without."""
    rng = np.random.default_rng(2)
    reference = scores_of(rng, 3_000)

    changed = np.log(play(Joint(reference, seed=1), scores_of(rng, 2_000, correlation=0.8))[300:])
    stable = np.log(play(Joint(reference, seed=1), scores_of(rng, 2_000))[300:])

    assert len(JOINT_LANES) == changed.shape[1]
    assert changed.mean(axis=0).max() > 0.05
    assert stable.mean(axis=0).max() < 0.005


def test_stakes_are_fair_while_nothing_changes():
    """Mean stake of each lane over 20,000 rows: at most 1 and 4 standard errors."""
    rng = np.random.default_rng(3)
    stakes = play(Joint(scores_of(rng, 3_000), seed=1), scores_of(rng, 20_000))

    assert (stakes.mean(axis=0) <= 1 + 4 * stakes.std(axis=0) / 20_000**0.5).all()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 120), max_size=30), st.booleans())
def test_no_split_and_no_restart_changes_a_digit(sizes, restarts):
    """Sums are exact, whatever order a matrix product takes."""
    rng = np.random.default_rng(4)
    reference, scores = scores_of(rng, 500), scores_of(rng, 1_400, correlation=0.5)

    whole = play(Joint(reference, seed=1), scores)

    assert play(Joint(reference, seed=1), scores, sizes, restarts=restarts).tolist() == whole.tolist()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_small_reference_has_no_joint_bets(seed):
    """From 300 rows nearly every alarm of theirs on stable data was false: they do not bet, and the columns do."""
    rng = np.random.default_rng(seed)
    columns, losses = gaussian(rng, 3_000, 8), errors(rng, 3_000)

    small, found = watched(columns, losses, ROWS_MIN - 1, allowance="1 per 20000 events", joint=True)

    assert found == []
    assert "(joint)" not in small.sensitivities()
    assert len(small.sensitivities()) == 8 + 1  # and the loss


def test_the_config_knows_how_many_rows_that_is():
    """It may not import what would tell it."""
    assert ROWS_MIN == JOINT_ROWS_MIN


def test_the_budget_sees_a_correlation_that_no_column_shows():
    """Without it nothing is found; with it two of five columns at 0.8, soon."""
    rng = np.random.default_rng(5)
    columns, losses = gaussian(rng, 4_000, 5), errors(rng, 4_000)
    columns["g1"][2_500:] = 0.8 * columns["g0"][2_500:] + 0.6 * columns["g1"][2_500:]

    _, blind = watched(columns, losses, 2_000, allowance="1 per 20000 events")
    _, found = watched(columns, losses, 2_000, allowance="1 per 20000 events", joint=True)

    assert blind == []
    alarm = found[0]
    assert isinstance(alarm, Alarm)
    assert (alarm.blame.subject.name, alarm.blame.aspect) == ("(joint)", "together")
    assert alarm.event == pytest.approx(700, abs=150)
