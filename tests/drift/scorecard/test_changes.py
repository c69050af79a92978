"""Known changes: each does what it says, to the rows it is told to, in any batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.numeric import NumericPair, NumericSample
from drift.scorecard.changes import CHANGES, NEW_CATEGORY, loosest_pair, shares
from drift.scorecard.injections import Injection, Scenario, candidates, strength
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import LOSS, changed, drawn, swapped_indicator

ROWS = 4000
KINDS = {"a": "numeric", "b": "numeric", "n": "integer", "c": "categorical"}
EACH = {
    "shift": ("a", 0.5),
    "scale": ("b", 2.0),
    "missing": ("c", 0.2),
    "birth": ("c", 0.1),
    "death": ("c", 0.2),
    "correlation": ("a+b", 0.8),
    "swap": ("label", 0.1),
}


def stable(seed=1, rows=ROWS):
    rng = np.random.default_rng(seed)
    columns = {
        "a": rng.normal(3, 2, rows),
        "b": np.exp(rng.normal(size=rows)),
        "n": rng.poisson(3, rows),
        "c": rng.choice(np.array(["x", "y", "z"], dtype=object), rows, p=[0.5, 0.3, 0.2]),
    }
    losses = (rng.random(rows) < 0.2).astype(float)
    return Stretch(kinds=KINDS, columns=columns, losses=losses, swapped_losses=swapped_indicator(losses, 2, rng))


def injected(text, stretch=None, strengths=None, start=0, stop=ROWS):
    """The columns that changed, of rows [start, stop)."""
    stretch = stretch or stable()
    injection = Injection.parse(text)
    rows = {name: column[start:stop] for name, column in stretch.columns.items()}
    strengths = np.ones(stop - start) if strengths is None else strengths
    return injection.prepare(stretch.columns)(rows, strengths, injection.draws(7, np.arange(start, stop)))


def same(left, right):
    if "O" in {left.dtype.kind, right.dtype.kind}:
        return left.tolist() == right.tolist()
    return bool(np.array_equal(left, right, equal_nan=True))


def test_every_kind_of_change_is_tried_here():
    """A new kind needs a line in EACH."""
    assert set(EACH) == set(CHANGES)


@pytest.mark.parametrize("kind", EACH)
def test_without_strength_nothing_changes(kind):
    """Rows before a change are as they were, each value."""
    feature, size = EACH[kind]
    before = stable()

    after = injected(f"{kind}:{feature}:{size}", before, np.zeros(ROWS))

    assert all(same(column, before.columns[name]) for name, column in after.items())


@given(cut=st.integers(1, ROWS - 1))
@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("kind", EACH)
def test_batches_do_not_matter(kind, cut):
    """Rows changed in two batches are the rows changed in one: a replay may read as it likes."""
    feature, size = EACH[kind]
    text = f"{kind}:{feature}:{size}"

    whole = injected(text)
    first, second = injected(text, stop=cut), injected(text, start=cut)

    for name, column in whole.items():
        parts = [part.get(name, stable().columns[name][place]) for part, place in
                 ((first, slice(cut)), (second, slice(cut, None)))]  # fmt: skip
        assert same(np.concatenate([part.astype(column.dtype) for part in parts]), column)


def test_a_shift_is_of_robust_standard_deviations():
    """Exactly size times IQR / 1.349, each value."""
    before = stable().columns["a"]
    low, high = np.quantile(before, [0.25, 0.75])

    assert np.allclose(injected("shift:a:0.5")["a"] - before, 0.5 * (high - low) / 1.349)


def test_whole_numbers_stay_whole_and_a_small_shift_of_them_is_not_lost():
    """A quarter of a standard deviation is less than one: rounding to the nearest would undo it."""
    before = stable().columns["n"]

    after = injected("shift:n:0.25")["n"]

    low, high = np.quantile(before, [0.25, 0.75])
    assert after.dtype == np.int64
    assert after.mean() - before.mean() == pytest.approx(0.25 * (high - low) / 1.349, abs=0.03)


def test_a_spread_leaves_the_median():
    """And multiplies distances from it."""
    before = stable().columns["b"]

    after = injected("scale:b:2")["b"]

    assert np.allclose(after - np.median(before), 2 * (before - np.median(before)))


def test_shares_are_of_all_rows():
    """Missing and new categories take their share, within sampling error of 4,000 rows."""
    assert np.mean([value is None for value in injected("missing:c:0.2")["c"]]) == pytest.approx(0.2, abs=0.02)
    assert np.isnan(injected("missing:n:0.1")["n"]).mean() == pytest.approx(0.1, abs=0.02)
    assert (injected("birth:c:0.1")["c"] == NEW_CATEGORY).mean() == pytest.approx(0.1, abs=0.02)


def test_the_category_nearest_to_the_size_dies_and_the_others_inherit_by_their_shares():
    """`z` has 20 %; `x` and `y` keep their proportion of 5 to 3."""
    after = shares(injected("death:c:0.2")["c"])

    assert set(after) == {"x", "y"}
    assert after["x"] / after["y"] == pytest.approx(5 / 3, abs=0.15)


def test_a_correlation_appears_and_both_distributions_stay():
    """That is the point of it: no column by itself shows it."""
    before, after = stable(), injected("correlation:a+b:0.8")

    assert set(after) == {"b"}
    distance = NumericPair(NumericSample(before.columns["b"]), NumericSample(after["b"])).ks_distance
    assert distance < 1.95 / np.sqrt(ROWS / 2)  # what equal distributions pass once in a thousand
    assert abs(np.corrcoef(before.columns["a"], np.log(before.columns["b"]))[0, 1]) < 0.06
    assert np.corrcoef(before.columns["a"], np.log(after["b"]))[0, 1] == pytest.approx(0.8, abs=0.04)


def test_the_pair_that_goes_together_least_is_taken():
    """A pair that is correlated already would show little of the change."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=500)
    columns = {"a": first, "b": first + rng.normal(size=500) / 9, "c": rng.normal(size=500) + first / 2}

    assert set(loosest_pair(columns, ["a", "b", "c"])) != {"a", "b"}


def test_a_label_swap_changes_losses_and_no_feature():
    """From the change on, about its share of the losses become those of another label."""
    base = drawn(stable(), 500, 3000, np.random.default_rng(2))

    stream = changed(base, Injection.parse("swap:label:0.1"), 1000, seed=3)

    differs = stream.rows.losses != base.rows.losses
    assert stream.changed == {LOSS}
    assert not differs[:1000].any()
    assert differs[1000:].mean() == pytest.approx(0.1, abs=0.02)
    assert all(stream.rows.columns[name] is column for name, column in base.rows.columns.items())


def test_columns_that_do_not_change_are_the_same_objects():
    """What was worked out for them holds on."""
    base = drawn(stable(), 500, 2000, np.random.default_rng(2))

    stream = changed(base, Injection.parse("shift:a:1"), 1000, seed=3)

    assert {name for name in KINDS if stream.rows.columns[name] is not base.rows.columns[name]} == {"a"}
    assert (stream.rows.columns["a"][:1000] == base.rows.columns["a"][:1000]).all()


def test_profiles_in_time():
    """Sudden at once, gradual over 2,000 rows, recurring 500 on and 500 off; nothing before."""
    ages = np.array([-1, 0, 499, 500, 999, 1000, 1999, 5000])

    assert strength("sudden", ages).tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
    assert strength("recurring", ages).tolist() == [0, 1, 1, 0, 0, 1, 0, 1]
    assert strength("gradual", ages)[[0, 4, 6, 7]].tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("text", ["shift:a:0.5", "correlation:a+b:0.8", "swap:label:0.1", "shift:a:b:2:gradual"])
def test_what_is_written_is_read_back(text):
    """Feature names may hold colons."""
    assert str(Injection.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shift:a", "must be KIND:FEATURE:SIZE"),
        ("shift:a:nan", "must be KIND:FEATURE:SIZE"),
        ("sift:a:1", "kind must be one of shift, scale"),
        ("birth:c:1.5", "the size of birth must be more than 0 and at most 1"),
        ("correlation:a:0.5", "correlation must name 2 columns, got 1"),
        ("swap:a:0.5", "must swap the label, such as swap:label:0.1"),
    ],
)
def test_what_is_no_injection_is_told_why(text, says):
    """In the reader's words."""
    with pytest.raises(ValueError, match=says):
        Injection.parse(text)


@pytest.mark.parametrize(
    ("text", "says"), [("birth:a:0.1", "a column that is categorical, got a"), ("shift:q:1", "one of a, b, n, c")]
)
def test_an_injection_into_a_column_that_does_not_fit_is_refused(text, says):
    """Before anything is read."""
    with pytest.raises(ValueError, match=says):
        Injection.parse(text).check(KINDS.items())


def test_a_scenario_is_left_out_where_nothing_fits():
    """A death needs a category of about that share, a swap needs losses, a shift a column that varies."""
    stretch = stable()
    constant = Stretch(kinds={"k": "numeric"}, columns={"k": np.ones(400)})
    rng = np.random.default_rng(0)

    assert candidates(stretch, "death", 0.2) == ["c"]
    assert candidates(stretch, "death", 0.001) == []
    assert candidates(constant, "shift", 0.5) == []
    assert Scenario(name="label swap", kind="swap", size=0.1).injection(constant, rng) is None
    assert Scenario(name="correlation", kind="correlation", size=0.5).injection(constant, rng) is None
