"""Bets are fair: whatever a lane stakes, it keeps 1 on average while nothing changes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from drift.budget.bets import (
    CELLS,
    NUMERIC_LANES,
    WHITENED_POWER,
    numeric_stakes,
    numeric_table,
    share_stakes,
    tolerance_discounts,
)
from drift.budget.share_pool import NO_MARK, SharePool


def test_numeric_lanes_are_fair():
    """The mean of each lane over a uniform rank is 1, to the last digits; of one on residuals it is below."""
    table = numeric_table()

    assert table[:CELLS].mean(axis=0) == pytest.approx(np.ones(11), abs=1e-14)
    assert (table[CELLS : 2 * CELLS].mean(axis=0) < 1).all()
    assert table[CELLS : 2 * CELLS] == pytest.approx(table[:CELLS] ** WHITENED_POWER)


def test_numeric_lanes_are_the_likelihood_ratios_they_are_named_for():
    """At the median a shift of 1 sd is worth exp(-1/2), and a spread of 1.6 1/1.6; a missing value is worth 1."""
    stakes = numeric_stakes(np.array([[0.5, np.nan]]), np.array([False]))[:, 0].T
    lanes = dict(zip(NUMERIC_LANES, stakes.tolist(), strict=True))

    assert lanes["mean +1 sd"][0] == pytest.approx(math.exp(-0.5), rel=0.01)
    assert lanes["mean -0.25 sd"][0] == pytest.approx(math.exp(-0.03125), rel=0.01)
    assert lanes["spread x1.6"][0] == pytest.approx(1 / 1.6, rel=0.01)
    assert lanes["spread x0.7"][0] == pytest.approx(1 / 0.7, rel=0.01)
    assert (stakes[:, 1] == 1.0).all()


def test_a_high_rank_feeds_the_lanes_that_bet_on_a_rise():
    """And starves those that bet on a fall."""
    stakes = dict(zip(NUMERIC_LANES, numeric_stakes(np.array([[0.99]]), np.array([False]))[0, 0], strict=True))

    assert all(stakes[name] > 1 for name in NUMERIC_LANES if "+" in name or name in {"spread x1.25", "spread x1.6"})
    assert all(stakes[name] < 1 for name in NUMERIC_LANES if "-" in name or name == "spread x0.7")


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0.05, 20))
def test_bets_on_odds_are_fair(share, odds):
    """P won + (1 - p) lost = 1, and the bet is on the odds it names."""
    won, lost = share_stakes(np.array([share]), np.array([odds]))

    assert share * won[0] + (1 - share) * lost[0] == pytest.approx(1)
    assert won[0] / lost[0] == pytest.approx(odds)


@pytest.mark.parametrize("rows", [1, 30, 300])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 1.0])
def test_coins_show_their_share_whatever_the_true_rate(rows, rate):
    """20,000 pools of 0/1 rows and the row after each: shares are missed by what the module says, or 4 sigma."""
    pools, rng = 20_000, np.random.default_rng(rows)
    pool = SharePool([f"f{i}" for i in range(pools)], rng.binomial(rows, rate, size=pools), [rows] * pools, seed=9)
    marks = (rng.random((pools, 1)) < rate).astype(np.int8)

    error = pool.coins(marks, np.array([0]))[:, 0] - pool.shares

    assert abs(error.mean()) <= abs(rate - 0.5) / (rows + 1) + 4 * error.std() / math.sqrt(pools)


def test_a_row_that_says_nothing_joins_no_share():
    """A missing value is no zero of any category."""
    pool = SharePool(["f", "g"], [1, 1], [10, 10], seed=9)

    pool.join(np.array([[1, 0, NO_MARK], [NO_MARK, NO_MARK, 0]], dtype=np.int8))

    assert pool.shares.tolist() == [2.5 / 13, 1.5 / 12]
    assert pool.sizes.tolist() == [12, 11]


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.5, 1.0])
def test_no_tolerated_shift_wins_on_average(tolerance):
    """Under any shift up to the tolerance each lane's mean stake is at most 1; without one it is 1."""
    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    for shift in (-tolerance, 0.0, tolerance / 2, tolerance):
        stakes = numeric_stakes(ndtr(z + shift)[None, :], np.array([False]))[:, 0].mean(axis=0)

        assert (stakes * tolerance_discounts(tolerance) <= 1 + 1e-3).all(), shift


def test_a_shift_beyond_the_tolerance_still_wins():
    """Half a standard deviation where a fifth is tolerated: the bets on the mean grow."""
    z = ndtri((np.arange(200_000) + 0.5) / 200_000) + 0.5
    stakes = numeric_stakes(ndtr(z)[None, :], np.array([False]))[:, 0].T

    gains = (np.log(stakes).mean(axis=1) + np.log(tolerance_discounts(0.2))).tolist()

    assert dict(zip(NUMERIC_LANES, gains, strict=True))["mean +0.25 sd"] > 0.04
