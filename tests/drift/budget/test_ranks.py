"""Ranks in a pool that grows: uniform, whatever the distribution, and the same however they are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from drift.budget.rank_pool import NO_BIN, Binned, RankPool, edges_of
from drift.budget.uniforms import stream_keys, uniforms

DISTRIBUTIONS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy tails": lambda rng, n: rng.standard_t(1, size=n),
    "counts": lambda rng, n: rng.poisson(3, size=n).astype(float),
    "a constant": lambda _, n: np.full(n, 7.0),
    "a share of zeros": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, rng.normal(size=n)),
}


def test_a_few_values_get_a_bin_each_and_one_for_each_gap():
    """A value never seen must not fall together with one that was, or a constant could never change."""
    edges = edges_of(np.array([1.0, 2.0] * 10))

    assert edges.searchsorted([0.5, 1.0, 1.5, 2.0, 2.5], "right").tolist() == [0, 1, 2, 3, 4]


def test_many_values_get_equal_bins_and_fine_tails():
    """255 order statistics, and ranks 0, 1, 2, 4, 8, 16 from both ends."""
    values = np.arange(25_600.0)

    edges = set(edges_of(values).tolist())

    assert {float(i * 100) for i in range(1, 256)} <= edges
    assert {0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 25_599.0, 25_598.0, 25_597.0, 25_595.0, 25_591.0, 25_583.0} <= edges
    assert len(edges) == 255 + 12


def test_a_rank_by_hand():
    """By the formula: (smaller ones + U (equal ones + 1)) / (all + 1)."""
    pool = RankPool(["f"], [Binned.of(np.array([1.0] * 6 + [2.0] * 14))], seed=3)
    draws = uniforms(stream_keys(3, ["f"]), np.array([10, 11, 12]))[0]

    ranks = pool.ranks(pool.bins(np.array([[1.0, 2.0, 3.0]])), np.array([10, 11, 12]))[0]

    assert ranks == pytest.approx([draws[0] * 7 / 21, (6 + draws[1] * 15) / 21, (20 + draws[2]) / 21])


def test_what_joins_is_counted():
    """After ten more of 3 the value 2 ranks lower."""
    pool = RankPool(["f"], [Binned.of(np.array([1.0] * 10 + [2.0] * 10))], seed=3)
    at = np.array([5])
    before = pool.ranks(pool.bins(np.array([[2.0]])), at)[0, 0]

    pool.join(pool.bins(np.array([[3.0] * 10])))

    draw = uniforms(stream_keys(3, ["f"]), at)[0, 0]
    assert before == pytest.approx((10 + draw * 11) / 21)
    assert pool.ranks(pool.bins(np.array([[2.0]])), at)[0, 0] == pytest.approx((10 + draw * 11) / 31)
    assert pool.sizes.tolist() == [30]


def test_a_missing_value_has_no_rank_and_joins_nothing():
    """NaN is no number to rank; the streams beside it go on."""
    pool = RankPool(["f", "g"], [Binned.of(np.arange(100.0)), Binned.of(np.arange(50.0))], seed=3)
    bins = pool.bins(np.array([[np.nan, 3.0], [4.0, np.nan]]))

    ranks = pool.ranks(bins, np.arange(2))
    pool.join(bins)

    assert (bins == NO_BIN).tolist() == np.isnan(ranks).tolist() == [[True, False], [False, True]]
    assert pool.sizes.tolist() == [101, 51]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("reference_rows", [40, 2000])
def test_ranks_are_uniform_whatever_the_distribution(name, reference_rows):
    """Over 300 references, the first value after each: no distribution shows (p > 0.001 each, ten tries)."""
    ranks = []
    for seed in range(300):
        values = DISTRIBUTIONS[name](np.random.default_rng(seed), reference_rows + 1)
        pool = RankPool(["f"], [Binned.of(values[:-1])], seed)
        ranks.append(pool.ranks(pool.bins(values[None, -1:]), np.array([0]))[0, 0])

    assert kstest(ranks, "uniform").pvalue > 0.001


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 2**40), st.integers(1, 60), st.data())
def test_draws_depend_on_seed_stream_and_position_alone(seed, position, rows, data):
    """Neither the streams beside it nor the batch around it change a draw."""
    cut = data.draw(st.integers(0, rows))
    positions = np.arange(position, position + rows)
    whole = uniforms(stream_keys(seed, ["a", "b"]), positions)

    parts = [uniforms(stream_keys(seed, ["b"]), part) for part in (positions[:cut], positions[cut:])]

    assert np.concatenate(parts, axis=1).tolist() == whole[1:].tolist()
    assert ((whole >= 0) & (whole < 1)).all()


def test_draws_are_uniform_along_positions_and_across_streams():
    """Neighbouring positions and streams share nothing (p > 0.001)."""
    drawn = uniforms(stream_keys(1, [f"f{i}" for i in range(200)]), np.arange(200))

    assert kstest(drawn[0], "uniform").pvalue > 0.001
    assert kstest(drawn[:, 0], "uniform").pvalue > 0.001
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.02
