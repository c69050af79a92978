"""The gate: what passes is of its kind, what does not is named but never quoted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.features import FeatureError, FeatureGuard

GUARD = FeatureGuard({"n": "numeric", "i": "integer", "c": "categorical"})
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=1)


@given(st.dictionaries(st.sampled_from(["n", "i", "c", "other", "more"]), VALUES))
def test_what_passes_is_of_its_kind(features):
    """Whatever comes in, out come floats, ints and strings of configured features, and every field is accounted for."""
    before = repr(features)
    try:
        values, missing, unknown = GUARD.check(features)
    except FeatureError:
        return
    assert {type(values[name]) for name in ("n",) if name in values} <= {float}
    assert {type(values[name]) for name in ("i",) if name in values} <= {int}
    assert {type(values[name]) for name in ("c",) if name in values} <= {str}
    assert all(math.isfinite(value) for value in values.values() if not isinstance(value, str))
    assert len(values) + missing == 3
    assert unknown == len(features.keys() - {"n", "i", "c"})
    assert repr(features) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e101, True, "3", [1]])
@pytest.mark.parametrize("others", [{}, {"m": 1.0}])
def test_a_number_that_would_poison_a_model_is_refused(value, others):
    """Also on the fast path, where the whole row is as configured."""
    guard = FeatureGuard({"n": "numeric", "m": "numeric"})
    with pytest.raises(FeatureError, match=r"^\$\.features\.n must be a number"):
        guard.check({"n": value, **others})


@pytest.mark.parametrize(("value", "told"), [(7.5, "a fraction"), (True, "a boolean"), ("7", "a string")])
def test_an_integer_is_not_made_up(value, told):
    """Nothing is rounded, nothing is parsed out of a string."""
    with pytest.raises(FeatureError, match=rf"\$\.features\.i must be an integer, got {told}"):
        GUARD.check({"i": value})


@pytest.mark.parametrize(
    ("value", "category"), [(True, "true"), (7, "7"), ("x", "x"), ("", ""), ("x" * 256, "x" * 256)]
)
def test_categories_are_strings(value, category):
    """Booleans and integers become the text JSON has for them."""
    assert GUARD.check({"c": value}).values == {"c": category}


@pytest.mark.parametrize("value", ["x" * 257, 1.5, ["x"], 10**5000], ids=["long", "fraction", "array", "huge"])
def test_what_cannot_be_a_category_is_refused_unquoted(value):
    """Also one so long that it would fill a model."""
    with pytest.raises(FeatureError, match=r"^\$\.features\.c must be [a-z0-9, ]+(within 1e\+100)?[a-z0-9, ]*$"):
        GUARD.check({"c": value})


def test_null_is_missing_and_zero_is_not():
    """Null and absent are the same thing; 0 and the empty string are values."""
    assert GUARD.check({"n": None, "i": 0, "c": ""}) == ({"i": 0, "c": ""}, 1, 0)


def test_a_row_of_the_right_length_with_another_name_is_no_clean_row():
    """The fast path looks at names, not only at how many there are."""
    assert FeatureGuard({"a": "numeric", "b": "numeric"}).check({"a": 1.0, "x": 2.0}) == ({"a": 1.0}, 1, 1)


def test_a_float_for_a_category_does_not_slip_through_the_fast_path():
    """The fast path is for rows of numeric features alone."""
    with pytest.raises(FeatureError):
        FeatureGuard({"c": "categorical"}).check({"c": 1.5})
    assert FeatureGuard({"i": "integer"}).check({"i": 2.0}).values == {"i": 2}


def test_unknown_features_are_counted_or_refused_as_configured():
    """Refusing says how many, not their names, which are the producer's text."""
    refuse = FeatureGuard({"a": "numeric"}, unknown="refuse")
    with pytest.raises(FeatureError, match=r"must be only the 1 configured ones, got 2 unknown"):
        refuse.check({"a": 1.0, "</script>": 1, "x": None})


@pytest.mark.parametrize("name", ["", "</script>", "a b", "x" * 65, "a\n"])
def test_names_that_cannot_travel_are_refused_when_configured(name):
    """Feature names reach reports and file names."""
    with pytest.raises(ValueError, match="must be named"):
        FeatureGuard({name: "numeric"})
