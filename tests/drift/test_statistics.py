"""The installed Evidently is the oracle: every statistic equals its own, float for float."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from evidently_oracle import ORACLES, ColumnType, bits, evidently
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drift.columns import encode, plain
from drift.reference import sample_of
from drift.statistics import STATISTICS, effective_rows, pair_of

RELAXED = settings(deadline=None, max_examples=150)


def samples(kind, reference, current):
    return [sample_of(kind, plain(kind, encode(kind, list(values)))) for values in (reference, current)]


def assert_equal_to_evidently(kind, reference, current):
    before, after = samples(kind, reference, current)
    if not before.size or not after.size:
        return  # nothing to compare: Evidently raises, `compare` says "not enough data"
    pair = pair_of(before, after)
    for name in ORACLES:
        if kind in STATISTICS[name].kinds:
            ours, theirs = STATISTICS[name].compute(pair), evidently(name, kind, reference, current)
            assert bits(ours) == bits(theirs), (name, ours, theirs)


FAMILIES = {
    "gaussian": lambda rng, n: rng.normal(size=n),
    "t2": lambda rng, n: rng.standard_t(2, size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, size=n),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "constant": lambda _rng, n: np.full(n, 0.1),
    "few": lambda rng, n: rng.choice([0.1, 0.2, -0.0, 1e9, -7.5], size=n),
    "at the limit of few": lambda rng, n: rng.integers(0, 20, size=n) * 0.1,
    "just above it": lambda rng, n: rng.integers(0, 21, size=n) * 0.1,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-9,
    "large offset": lambda rng, n: 1e12 + rng.normal(size=n),
}
INTEGER_FAMILIES = {
    "poisson": lambda rng, n: rng.poisson(3, size=n),
    "wide": lambda rng, n: rng.integers(-500, 500, size=n),
    "beyond float64": lambda rng, n: 2**60 + rng.integers(0, 5000, size=n),
    "narrow and many": lambda rng, n: rng.integers(0, 22, size=n),
    "binary": lambda rng, n: rng.integers(0, 2, size=n),
}
SIZES = st.integers(1, 700)
SEEDS = st.integers(0, 2**32 - 1)


def with_gaps(rng, values, share):
    return [None if rng.random() < share else value for value in values.tolist()]


@RELAXED
@given(
    st.sampled_from(sorted(FAMILIES)), st.sampled_from(sorted(FAMILIES)), SIZES, SIZES, SEEDS, st.sampled_from([0, 0.3])
)
def test_numeric_statistics_equal_evidently(before, after, n, m, seed, missing):
    """Whatever the distributions, sizes and gaps."""
    rng = np.random.default_rng(seed)
    reference = with_gaps(rng, FAMILIES[before](rng, n), missing)
    assert_equal_to_evidently("numeric", reference, with_gaps(rng, FAMILIES[after](rng, m), missing))


ANY_FLOATS = st.lists(st.floats(width=64), min_size=1, max_size=60)


@RELAXED
@given(ANY_FLOATS, ANY_FLOATS)
@example([float(i) for i in range(30)], [0.0, math.inf, -math.inf, math.nan, 29.0])
@example([float(i) for i in range(30)], [-0.0, 29.5])
@example([-1e308, 1e308, *map(float, range(30))], [0.0])
@example([5e-324 * i for i in range(30)], [0.0, 1e-322])
@example([1e16 + 2 * i for i in range(30)], [1e16])
@example([0.0, -0.0, 1.0], [-0.0, 0.0])
def test_no_float_whatever_breaks_the_equality(reference, current):
    """NaN, infinities, subnormals and overflowing ranges: dropped, equal, or without a value as Evidently raises."""
    assert_equal_to_evidently("numeric", [0.5, *reference], [0.5, *current])


@RELAXED
@given(
    st.sampled_from(sorted(INTEGER_FAMILIES)), st.sampled_from(sorted(INTEGER_FAMILIES)), SIZES, SIZES, SEEDS,
    st.sampled_from([(0, 0), (0, 0.3), (0.3, 0)]),
)  # fmt: skip
def test_integer_statistics_equal_evidently(before, after, n, m, seed, missing):
    """A missing integer makes pandas, and so us, go over to floats on that side; there both round beyond 2**53."""
    assume(sum(missing) == 0 or "beyond float64" not in {before, after})
    rng = np.random.default_rng(seed)
    reference = with_gaps(rng, INTEGER_FAMILIES[before](rng, n), missing[0])
    assert_equal_to_evidently("integer", reference, with_gaps(rng, INTEGER_FAMILIES[after](rng, m), missing[1]))


ANY_INTEGERS = st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=60)


@RELAXED
@given(ANY_INTEGERS, ANY_INTEGERS)
def test_no_integer_whatever_breaks_the_equality(reference, current):
    """The whole range of int64, where floats run out of digits."""
    assert_equal_to_evidently("integer", reference, current)


def categories(max_size):
    return st.lists(st.none() | st.text("abcdé<\u2028", max_size=3), min_size=1, max_size=max_size)


@RELAXED
@given(categories(200), categories(200))
@example(["a"] * 9, ["a"] * 4)
@example(["a"] * 9, ["b"] * 4)
@example(["a", "b"] * 9, ["b", "c", "a"] * 4)
def test_categorical_statistics_equal_evidently(reference, current):
    """With missing and unseen categories; the order of summation is that of the same sets."""
    assert_equal_to_evidently("categorical", reference, current)


@pytest.mark.parametrize(("rows", "rare"), [(9_999, 1), (10_000, 1), (10_001, 1), (20_000, 1), (20_000, 2)])
def test_empty_bins_beside_rare_ones_are_filled_as_evidently_fills_them(rows, rare):
    """The filling changes where the smallest share is 1 in 10,000, exactly and on either side."""
    reference = ["a"] * (rows - rare) + ["b"] * rare
    assert_equal_to_evidently("categorical", reference, ["a", "c"])
    assert_equal_to_evidently("categorical", ["a", "c"], reference)


@RELAXED
@given(st.integers(1, 400), st.integers(1, 400), SEEDS)
def test_many_categories_equal_evidently(n, m, seed):
    """Hundreds of categories make Python's sets grow and collide: their order is still Evidently's."""
    rng = np.random.default_rng(seed)
    names = [f"category {i}" for i in range(300)]
    assert_equal_to_evidently("categorical", rng.choice(names, size=n).tolist(), rng.choice(names, size=m).tolist())


@pytest.mark.parametrize("kind", ["numeric", "integer"])
def test_a_reference_of_full_size_equals_evidently(kind):
    """At 5,000 against 1,000 rows, where numpy's sums go pairwise and in vectors."""
    rng = np.random.default_rng(11)
    families = FAMILIES if kind == "numeric" else INTEGER_FAMILIES
    for family in families.values():
        assert_equal_to_evidently(kind, family(rng, 5000).tolist(), family(rng, 1000).tolist())


@RELAXED
@given(st.lists(st.integers(-30, 30), min_size=1, max_size=80), st.lists(st.integers(-30, 30), min_size=1, max_size=80))
@example([0], [0])
@example([*range(7)] * 1500, [*range(6)] * 3)
@example([2**60 + i for i in range(50)], [2**60 + i for i in range(20, 90)])
def test_the_distance_is_the_one_of_its_p_value(reference, current):
    """`ks_distance` is the statistic of the very test whose p-value Evidently shows, exact or asymptotic."""
    from scipy.stats import ks_2samp  # noqa: PLC0415 -- slow to import

    pair = pair_of(*samples("integer", reference, current))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = ks_2samp(reference, current)
    assert bits(STATISTICS["ks_distance"].compute(pair)) == bits(float(oracle.statistic))
    assert bits(STATISTICS["ks"].compute(pair)) == bits(float(oracle.pvalue))


def test_a_remembered_p_value_is_of_the_same_sizes():
    """Two windows at the same distance from one reference, one of them larger and so stronger proof."""
    reference = sample_of("integer", np.arange(100))
    pairs = [pair_of(reference, sample_of("integer", np.repeat(np.arange(50, 100), times))) for times in (1, 4)]
    few, many = (STATISTICS["ks"].compute(pair) for pair in pairs)
    assert [STATISTICS["ks_distance"].compute(pair) for pair in pairs] == [0.5, 0.5]
    assert many < few
    assert [STATISTICS["ks"].compute(pair) for pair in pairs] == [few, many]


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_thresholds_are_read_as_evidently_reads_them(name):
    """At its default threshold exactly, and on either side of it, ours says drift where Evidently does."""
    ours, oracle = STATISTICS[name], ORACLES[name]
    assert ours.threshold == oracle.default_threshold
    rng = np.random.default_rng(3)
    reference, current = rng.integers(0, 4, size=80), rng.integers(0, 3, size=50)
    kind = ColumnType.Categorical if oracle.allowed_feature_types == [ColumnType.Categorical] else ColumnType.Numerical
    series = pd.Series(reference), pd.Series(current)
    score = float(oracle(*series, kind, None).drift_score)
    for threshold in (score, math.nextafter(score, 0), math.nextafter(score, 2)):
        theirs = oracle(*series, kind, threshold)
        assert ours.drifted(float(theirs.drift_score), threshold) == bool(theirs.drifted)


def test_no_verdict_rests_on_a_value_that_is_none():
    """NaN is below and above nothing."""
    assert not any(statistic.drifted(math.nan, 0.1) for statistic in STATISTICS.values())


def test_samples_of_different_kinds_have_no_statistics():
    """Numbers against categories are a mistake of the caller's, not a distance."""
    with pytest.raises(TypeError, match="current must be a NumericSample, got CategoricalSample"):
        pair_of(*[sample_of(kind, encode(kind, [1])) for kind in ("numeric", "categorical")])


@pytest.mark.parametrize("name", ["psi", "jensenshannon", "kl_div", "ks_distance"])
def test_noise_bounds_hold_on_stable_data(name):
    """Seeded stable windows pass the height for a rate of 1 % in at most 2 % of 2,000 cases."""
    statistic, passed = STATISTICS[name], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        reference, _ = samples("integer", rng.integers(0, 8, size=5000), [0])
        for _ in range(100):
            pair = pair_of(reference, samples("integer", [0], rng.integers(0, 8, size=1000))[1])
            passed += statistic.compute(pair) > statistic.noise(0.01, effective_rows(pair.sizes), 8)
    assert passed <= 40
