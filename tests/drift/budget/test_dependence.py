"""Dependence in time: seen, taken out, and weighed; a season too."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import chi2

from drift.budget.dependence import INDEPENDENT_P, autocovariances, autoregression, ljung_box
from drift.budget.whitening import Whitener, harmonics, whiten


def ar(a, rows, seed):
    return lfilter([1], [1, -a], np.random.default_rng(seed).normal(size=rows + 200))[200:]


def test_autocovariances_by_hand():
    """About the mean, divided by all rows."""
    assert autocovariances(np.array([1.0, 2.0, 3.0, 6.0]), 2).tolist() == [3.5, 0.5, -0.75]


def test_ljung_box_is_the_formula():
    """N (n + 2) sum r_k^2 / (n - k) against chi-square with 12 degrees of freedom."""
    z = np.random.default_rng(2).normal(size=300)
    centred = z - z.mean()
    r = [centred[k:] @ centred[:-k] / (centred @ centred) for k in range(1, 13)]

    assert ljung_box(z) == pytest.approx(chi2.sf(300 * 302 * sum(x * x / (300 - k) for k, x in enumerate(r, 1)), 12))


@pytest.mark.parametrize(("a", "share"), [(0.5, 1 / 3), (0.9, 0.0526), (-0.5, 1.0)])
def test_an_autoregression_is_found_with_what_it_leaves_of_the_rows(a, share):
    """Its coefficient, and the effective share (1 - a) / (1 + a), at most 1."""
    z = ar(a, 20_000, seed=1)

    found = autoregression(autocovariances(z, 24), z.size)

    assert found.coefficients[0] == pytest.approx(a, abs=0.03)
    assert found.independent_share == pytest.approx(share, rel=0.15)


def test_independent_values_are_left_as_they_are():
    """999 of 1000 streams, by the level of the test: 200 seeds, at most 2 whitened."""
    whitened = sum(whiten(np.random.default_rng(s).normal(size=500), None).whitener is not None for s in range(200))

    assert whitened <= 2


@pytest.mark.parametrize("a", [0.3, 0.5, 0.9])
def test_residuals_are_independent(a):
    """What was dependent passes the test afterwards; the first rows, which lack a past, have no rank."""
    values = 40 + 7 * ar(a, 5_000, seed=4)
    assert ljung_box(values) < INDEPENDENT_P

    found = whiten(values, None)

    lags = len(found.autoregression.coefficients)
    assert np.isnan(found.levels).tolist() == [True] * lags + [False] * (5_000 - lags)
    assert ljung_box(found.levels[lags:]) > INDEPENDENT_P


def test_a_random_walk_leaves_next_to_nothing():
    """5,000 rows of it are worth a handful."""
    walk = np.random.default_rng(3).normal(size=5_000).cumsum()

    assert whiten(walk, None).autoregression.independent_share * walk.size < 50


def test_a_declared_season_is_taken_out():
    """A wave as large as the noise, with its second harmonic, leaves independent residuals; undeclared it does not."""
    rng, phases = np.random.default_rng(5), np.arange(5_000) / 48
    wave = np.sin(2 * math.pi * phases) + 0.5 * np.cos(4 * math.pi * phases)
    values = 10 + 3 * (wave + rng.normal(size=5_000))

    declared, undeclared = whiten(values, harmonics(phases.tolist())), whiten(values, None)

    assert len(declared.whitener.season) == 6
    assert declared.whitener.coefficients == ()
    assert ljung_box(declared.levels) > INDEPENDENT_P
    assert np.corrcoef(declared.levels, wave)[0, 1] == pytest.approx(0, abs=0.03)
    assert undeclared.whitener.coefficients != ()


def test_a_season_that_is_not_there_is_left_alone():
    """Six waves explain less than 1 % of 5,000 independent values."""
    values = np.random.default_rng(6).normal(size=5_000)

    assert whiten(values, harmonics((np.arange(5_000) / 48).tolist())).whitener is None


def whitened(values):
    whitener = whiten(values, None).whitener
    assert whitener is not None
    return whitener


def step(whitener, values):
    scores = whitener.scores(values, np.empty((0, 0)))
    levels = whitener.residuals(scores)
    whitener.take(scores, learn=True)
    return levels.tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 70), max_size=12))
def test_no_split_changes_a_residual(sizes):
    """Residuals, and what is learnt for the next fit, are equal to the bit, over a restart between batches too."""
    values = ar(0.7, 1_400, seed=8)
    whole, parts = whitened(values[:1_000]), whitened(values[:1_000])
    expected, found, at = step(whole, values[1_000:]), [], 1_000

    for size in [*sizes, 400]:
        found += step(parts, values[at : min(at + size, 1_400)])
        at = min(at + size, 1_400)
        parts = Whitener.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(parts.snapshot())))

    assert found == expected
    assert parts.snapshot() == whole.snapshot()


def test_the_fit_is_renewed_when_the_past_has_grown_by_half():
    """A coefficient learnt from 1,000 rows of one process moves towards the next one's."""
    whitener = whitened(ar(0.5, 1_000, seed=8))
    before = whitener.coefficients

    step(whitener, ar(0.9, 400, seed=9))
    whitener.refit()
    assert whitener.coefficients == before
    step(whitener, ar(0.9, 4_000, seed=9))
    whitener.refit()

    assert before[0] == pytest.approx(0.5, abs=0.1)
    assert whitener.coefficients[0] > 0.7
