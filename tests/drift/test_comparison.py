"""Comparison: what is computed, what is judged, and how often stable data are flagged."""

import math
import re

import numpy as np
import pytest

from drift.comparison import ComparisonConfig, VerdictRule, compare
from drift.evidence import Subject
from drift.reference import Reference

KINDS = {
    "amount": "numeric",
    "count": "integer",
    "country": "categorical",
    "prediction": "categorical",
    "confidence": "numeric",
}
SUBJECTS = {
    "country": Subject(kind="feature", name="country"),
    "amount": Subject(kind="feature", name="amount"),
    "count": Subject(kind="feature", name="count"),
    "prediction": Subject(kind="prediction"),
    "confidence": Subject(kind="confidence"),
}


def columns(rng, rows, shift=0.0):
    return {
        "amount": rng.standard_t(2, size=rows) + shift,
        "count": rng.poisson(3, size=rows) + int(shift),
        "country": rng.choice(np.array([*"abcdefgh"], dtype=object), size=rows),
        "prediction": rng.choice(np.array(["no", "yes"], dtype=object), size=rows, p=[0.8, 0.2]),
        "confidence": rng.beta(5, 2, size=rows),
    }


def reference(rows=5000, seed=0):
    return Reference.from_columns(KINDS, columns(np.random.default_rng(seed), rows))


def by_name(evidence):
    return {str(one.subject): one for one in evidence}


def test_every_subject_is_compared_in_its_order():
    """Features and the model's own streams alike, with all statistics of their kind, and quality for features."""
    evidence = compare(reference(), columns(np.random.default_rng(1), 1000), SUBJECTS, ComparisonConfig())
    assert [one.subject for one in evidence] == list(SUBJECTS.values())
    found = by_name(evidence)
    assert set(found["feature:amount"].statistics) == {"psi", "jensenshannon", "kl_div", "wasserstein", "ks_distance"}
    assert set(found["prediction"].statistics) == {"psi", "jensenshannon", "kl_div"}
    assert found["feature:amount"].quality is not None
    assert found["prediction"].quality is None
    assert found["confidence"].quality is None
    assert {one.verdict for one in evidence} == {"stable"}
    assert all((one.reference_rows, one.current_rows) == (5000, 1000) for one in evidence)


def test_only_what_changed_has_drifted():
    """A shift of the numbers, a fall of one class."""
    window = columns(np.random.default_rng(1), 1000, shift=1.0)
    window["prediction"] = np.random.default_rng(2).choice(np.array(["no", "yes"], dtype=object), size=1000)
    drifted = {
        name
        for name, one in by_name(compare(reference(), window, SUBJECTS, ComparisonConfig())).items()
        if one.verdict == "drift"
    }
    assert drifted == {"feature:amount", "feature:count", "prediction"}


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(100, 100, "drift"), (99, 100, "not_enough_data"), (100, 99, "not_enough_data")]
)
def test_nothing_is_judged_below_the_minimum(before, after, verdict):
    """In the reference or in the window, counting present values only; the statistics are shown all the same."""
    gap = np.full(500, np.nan)
    kinds, subject = {"a": "numeric"}, {"a": Subject(kind="feature", name="a")}
    old = Reference.from_columns(kinds, {"a": np.concatenate([np.arange(before, dtype=float), gap])})
    [one] = compare(old, {"a": np.concatenate([gap, np.arange(after) + 1000.0])}, subject, ComparisonConfig())
    assert (one.verdict, one.reference_rows, one.current_rows) == (verdict, before, after)
    assert one.statistics["ks_distance"] == 1.0


@pytest.mark.parametrize("name", ["amount", "count", "country"])
def test_a_column_without_a_value_is_not_judged(name):
    """No statistics, but the missing share is told."""
    window = columns(np.random.default_rng(1), 300)
    window[name] = np.full(300, None if name == "country" else np.nan)
    found = by_name(compare(reference(), window, SUBJECTS, ComparisonConfig()))
    one = found[f"feature:{name}"]
    assert (one.verdict, dict(one.statistics), one.current_rows) == ("not_enough_data", {}, 0)
    assert one.quality.missing_share == 1.0
    assert found["confidence"].verdict == "stable"


def test_a_range_no_bins_can_hold_costs_one_column_its_verdict_at_most():
    """Where Evidently would lose the whole report, shares have no value and the others go on."""
    window = columns(np.random.default_rng(1), 1000)
    window["amount"][:2] = [1.7e308, -1.7e308]
    found = by_name(compare(reference(), window, SUBJECTS, ComparisonConfig()))
    assert found["feature:amount"].verdict == "stable"
    assert "psi" not in found["feature:amount"].statistics
    by_shares = ComparisonConfig(numeric=VerdictRule(statistic="jensenshannon"))
    assert by_name(compare(reference(), window, SUBJECTS, by_shares))["feature:amount"].verdict == "not_enough_data"


def test_columns_can_have_rules_of_their_own():
    """A p-value drifts when small, and is computed because the verdict needs it."""
    rules = {
        "amount": VerdictRule(statistic="ks", threshold=0.999999),
        "country": VerdictRule(statistic="chisquare", threshold=1e-9),
    }
    window = columns(np.random.default_rng(1), 1000)
    found = by_name(compare(reference(), window, SUBJECTS, ComparisonConfig(columns=rules, statistics=())))
    amount, country = found["feature:amount"], found["feature:country"]
    assert (amount.statistic, amount.threshold, amount.verdict, set(amount.statistics)) == (
        "ks",
        0.999999,
        "drift",
        {"ks"},
    )
    assert (country.statistic, country.threshold, country.verdict) == ("chisquare", 1e-9, "stable")
    assert found["confidence"].statistic == "ks_distance"


def test_the_threshold_rises_with_the_noise_of_few_rows():
    """The one applied is the one told: what was asked for when there are rows enough, more when there are not."""
    thresholds = {}
    for rows in (100, 300, 1000):
        for name, one in by_name(
            compare(reference(), columns(np.random.default_rng(1), rows), SUBJECTS, ComparisonConfig())
        ).items():
            thresholds.setdefault(name, []).append(round(one.threshold, 3))
    assert thresholds["feature:amount"] == [0.25, 0.147, 0.1]
    assert thresholds["feature:country"] == [0.212, 0.125, 0.1]
    asked = ComparisonConfig(false_flag_rate=1)
    assert {one.threshold for one in compare(reference(), columns(np.random.default_rng(1), 100), SUBJECTS, asked)} == {
        0.1
    }


@pytest.mark.parametrize("rows", [100, 300, 1000])
def test_stable_streams_stay_quiet(rows):
    """Over seeded references and windows of any size, heavy tails included, not one of 3,000 columns is flagged."""
    flagged = 0
    for seed in range(10):
        before, rng = reference(seed=seed), np.random.default_rng(seed + 1000)
        for _ in range(60):
            evidence = compare(before, columns(rng, rows), SUBJECTS, ComparisonConfig(statistics=()))
            flagged += sum(one.verdict == "drift" for one in evidence)
    assert flagged == 0


IN_ORDER = VerdictRule(statistic="ks")
"""Applies to numbers only."""


@pytest.mark.parametrize(("categories", "rows"), [(200, 300), (200, 1000), (1000, 1000)])
def test_many_rare_categories_stay_quiet(categories, rows):
    """Where hardly any category is seen twice, shares differ widely on stable data."""
    names, subject = np.array([f"c{i}" for i in range(categories)], dtype=object), {"a": Subject(kind="prediction")}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        before = Reference.from_columns({"a": "categorical"}, {"a": rng.choice(names, 5000)})
        for _ in range(20):
            [one] = compare(before, {"a": rng.choice(names, rows)}, subject, ComparisonConfig(statistics=()))
            assert one.verdict == "stable"


def test_a_threshold_no_value_can_pass_is_too_few_data():
    """1,000 categories in 100 rows: even entirely new ones prove nothing, so "stable" would be a lie."""
    names = np.array([f"c{i}" for i in range(1000)], dtype=object)
    before = Reference.from_columns({"a": "categorical"}, {"a": np.repeat(names, 5)})
    [one] = compare(before, {"a": names[:100]}, {"a": Subject(kind="prediction")}, ComparisonConfig())
    assert one.threshold > 0.8326
    assert one.verdict == "not_enough_data"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ComparisonConfig(rows_min=0), "drift.rows_min must be at least 1, got 0"),
        (lambda: ComparisonConfig(false_flag_rate=0), "drift.false_flag_rate must be in (0, 1], got 0"),
        (lambda: ComparisonConfig(false_flag_rate=math.nan), "drift.false_flag_rate must be in (0, 1], got nan"),
        (lambda: ComparisonConfig(statistics=("psy",)), "drift.statistics must be among psi, "),
        (lambda: ComparisonConfig(categorical=IN_ORDER), "drift.categorical.statistic must be one of psi, "),
        (lambda: VerdictRule(statistic="psy"), "drift.statistic must be one of psi, "),
        (lambda: VerdictRule(statistic="psi", threshold=0), "drift.threshold must be greater than 0 and finite, got 0"),
        (lambda: VerdictRule(statistic="psi", threshold=math.nan), "must be greater than 0 and finite, got nan"),
        (
            lambda: ComparisonConfig(columns={"a": IN_ORDER}).rule("a", "categorical"),
            "drift.columns.a.statistic must be",
        ),
    ],
)
def test_settings_are_checked_when_built(build, message):
    """Names, ranges, and that a statistic applies to the kind it is to judge."""
    with pytest.raises(ValueError, match=re.escape(message)):
        build()
