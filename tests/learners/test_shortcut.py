"""A shortcut past `Pipeline` gives River's numbers to the last bit."""

import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import linear_model, naive_bayes, preprocessing
from scipy.special import logsumexp

from learners.catalog import build
from learners.encoders import ScaledOneHot
from learners.shortcut import BayesShortcut, Shortcut, log_sum_exp, shortcut
from learners.target import Target

NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 3, 1e-300, 1e100, -1e100)),
    st.floats(-1e100, 1e100),
    st.floats(-3, 3),
    st.integers(-5, 5),
)


def rows_of(numbers):
    row = st.tuples(st.dictionaries(st.sampled_from("abcde"), numbers, max_size=5), st.booleans())
    return st.lists(row, min_size=1, max_size=40)


def scaled(**settings_of_scaler):
    return preprocessing.StandardScaler(**settings_of_scaler) | linear_model.LogisticRegression()


def as_river_would(make, rows):
    """The same rows through River's pipeline and through the shortcut: predictions, then both models."""
    river, ours = make(), make()
    quick = shortcut(ours)
    assert isinstance(quick, Shortcut)
    for x, y in rows:
        assert repr(quick.predict_proba_one(x)) == repr(river.predict_proba_one(x))  # repr: NaN is itself
        river.learn_one(x, y)
        quick.learn_one(x, y)
    return [pickle.dumps(step) for step in river.steps.values()], [pickle.dumps(step) for step in ours.steps.values()]


@given(rows_of(NUMBERS))
@settings(max_examples=200)
def test_a_scaler_that_learns_and_scales_in_one_pass_is_rivers(rows):
    """Missing features, equal values, integers and overflow too: predictions and state are bit-equal."""
    river, ours = as_river_would(scaled, rows)
    assert ours == river


@pytest.mark.parametrize("setting", [{"with_std": False}, {"window_size": 3}], ids=str)
def test_another_kind_of_scaler_is_called_as_it_is(setting):
    """One pass is taken only past the arithmetic that it repeats."""
    numbers = random.Random(7)
    rows = [({name: numbers.gauss(0, 1) for name in "abc"}, numbers.random() < 0.5) for _ in range(60)]
    river, ours = as_river_would(lambda: scaled(**setting), rows)
    assert ours == river


@given(st.lists(st.tuples(st.floats(-9, 9), st.sampled_from(("NL", "DE")), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=30)
def test_encoders_of_ours_are_called_in_the_same_order(rows):
    """With a category among the features."""

    def make():
        target = Target(kind="binary", labels=("no", "yes"), positive="yes")
        return build("logistic_regression", target, {"x": "numeric", "c": "categorical"}, 1, {}, "model")

    river, ours = as_river_would(make, [({"x": x, "c": c}, y) for x, c, y in rows])
    assert ours == river


MIXED = st.one_of(NUMBERS, st.sampled_from(("NL", "DE", "", "x=y")))
ONE_HOT = [{}, {"clip": 1.5}, {"categories_max": 1}, {"categories_max": 0, "clip": 10.0}]


@pytest.mark.parametrize("setting", ONE_HOT, ids=str)
@given(rows=rows_of(MIXED))
@settings(max_examples=100, deadline=None)
def test_numbers_and_categories_in_one_pass_are_the_encoders(setting, rows):
    """Values that change from number to category, clipped ones, and more categories than there is room for."""
    river, ours = as_river_would(lambda: ScaledOneHot(**setting) | linear_model.LogisticRegression(), rows)
    assert ours == river


@given(rows_of(NUMBERS), rows_of(NUMBERS))
@settings(max_examples=50)
def test_predicting_leaves_a_model_as_it_is(rows, others):
    """River's scaler makes a place for each feature that it is asked for: here no byte of a snapshot tells of that."""
    asked, quiet = scaled(), scaled()
    for (x, y), (other, _) in zip(rows, others, strict=False):
        shortcut(asked).predict_proba_one(other)
        shortcut(asked).learn_one(x, y)
        shortcut(quiet).learn_one(x, y)
    assert [pickle.dumps(step) for step in asked.steps.values()] == [
        pickle.dumps(step) for step in quiet.steps.values()
    ]


@given(
    st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.floats(-40, 0), st.sampled_from((-20.0, -7.25))), min_size=1, max_size=20
    )
)
@settings(max_examples=500)
def test_the_logarithm_of_a_sum_of_exponentials_is_scipys(values):
    """Ties for the highest, terms that vanish, and more classes than numpy sums one by one."""
    assert log_sum_exp(values) == logsumexp(values)


@pytest.mark.parametrize("classes", [2, 3, 12])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_naive_bayes_is_rivers_to_the_last_bit(classes, data):
    """Before the first label and with rows that no class has met; values that poison it included."""
    odd = st.one_of(NUMBERS, st.sampled_from((float("nan"), float("inf"))))
    row = st.tuples(st.dictionaries(st.sampled_from("abcde"), odd, max_size=5), st.integers(0, classes - 1))
    rows = data.draw(st.lists(row, min_size=1, max_size=40))
    river, ours = naive_bayes.GaussianNB(), naive_bayes.GaussianNB()
    quick = shortcut(ours)
    assert isinstance(quick, BayesShortcut)
    for x, y in rows:
        assert told(quick, x) == told(river, x)
        river.learn_one(x, y)
        quick.learn_one(x, y)
    assert repr(quick.predict_one({"a": 1.0})) == repr(river.predict_one({"a": 1.0}))


def told(model, x):
    """Probabilities as they print, or what was raised."""
    try:
        return {label: repr(float(p)) for label, p in model.predict_proba_one(x).items()}
    except (ValueError, OverflowError) as problem:
        return type(problem)
