"""How large a change is: Evidently's numbers on the rows since, and shares of what is missing or new."""

from __future__ import annotations

import numpy as np
import pytest

from drift.comparison import ComparisonConfig, VerdictRule, compare
from drift.effects import effects
from drift.evidence import Subject
from drift.reference import Reference

KINDS = {"f:amount": "numeric", "f:city": "categorical", "prediction": "categorical"}
NAMES = {
    Subject(kind="feature", name="amount"): "f:amount",
    Subject(kind="feature", name="city"): "f:city",
    Subject(kind="prediction"): "prediction",
}


def rows(rng, count, *, shift=0.0, missing=0.0, new=0.0):
    amount = rng.normal(shift, 1, count)
    amount[rng.random(count) < missing] = np.nan
    city = rng.choice(np.array(["a", "b"], dtype=object), count)
    city[rng.random(count) < new] = "c"
    return {"f:amount": amount, "f:city": city, "prediction": rng.choice(np.array(["y", "n"], dtype=object), count)}


@pytest.fixture(scope="module")
def reference():
    return Reference.from_columns(KINDS, rows(np.random.default_rng(1), 2_000))


def measured(reference, window, *subjects, **settings):
    return effects(reference, window, subjects, NAMES, ComparisonConfig(**settings))


def test_it_is_the_statistic_that_windows_show(reference):
    """The same numbers as `compare`, also over rows too few for a verdict."""
    columns = rows(np.random.default_rng(2), 40, shift=1.0)
    subject = Subject(kind="feature", name="amount")

    (effect,) = measured(reference, columns, subject).values()
    (shown,) = compare(reference, columns, {"f:amount": subject}, ComparisonConfig())

    assert (effect.source, effect.value) == ("ks_distance", shown.statistics["ks_distance"])
    assert effect.detail == {name: value for name, value in shown.statistics.items() if name != "ks_distance"}
    assert shown.verdict == "not_enough_data"


def test_its_threshold_is_that_of_the_settings(reference):
    """Not raised for noise: that is the budget's affair."""
    columns = rows(np.random.default_rng(2), 40, shift=1.0)
    rules = {"f:amount": VerdictRule(statistic="psi", threshold=0.5)}

    (effect,) = measured(reference, columns, Subject(kind="feature", name="amount"), columns=rules).values()

    assert (effect.source, effect.threshold) == ("psi", 0.5)
    assert effect.strength == effect.value / 0.5


@pytest.mark.parametrize(
    ("name", "fields", "source", "share"),
    [("amount", {"missing": 0.5}, "missing_share", 0.5), ("city", {"new": 0.3}, "new_category_share", 0.3)],
)
def test_of_data_quality_it_is_the_share_that_has_moved(reference, name, fields, source, share):
    """Against that of the reference."""
    subject = Subject(kind="quality", name=name)

    found = measured(reference, rows(np.random.default_rng(3), 400, **fields), subject)

    assert set(found) == {subject}
    assert found[subject].source == source
    assert found[subject].value == pytest.approx(share, abs=0.08)
    assert found[subject].threshold == 0.0
    assert found[subject].strength > 3


def test_what_cannot_be_measured_is_left_out(reference):
    """The loss, a column the reference lacks, columns together, nothing but missing values."""
    columns = rows(np.random.default_rng(4), 50, missing=1.1)
    subjects = [
        Subject(kind="loss"),
        Subject(kind="feature", name="(joint)"),
        Subject(kind="feature", name="unknown"),
        Subject(kind="feature", name="amount"),
        Subject(kind="prediction"),
    ]

    assert set(measured(reference, columns, *subjects)) == {Subject(kind="prediction")}
    assert measured(reference, columns) == {}
