"""Labels: strict as JSON, never quoted back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.target import LabelError, Target, label_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
)


@pytest.mark.parametrize(
    ("labels", "value"),
    [((True, False), 1), ((1, 0), True), ((1, 0), "1"), (("1", "0"), 1), (("a", "b"), None), (("a", "b"), ["a"])],
)
def test_true_one_and_its_string_are_three_labels(labels, value):
    """A label of another JSON type is refused even where Python calls the two equal."""
    with pytest.raises(LabelError, match="must be one of the 2 configured labels"):
        Target(kind="binary", labels=labels, positive=labels[0]).parse(value)


def test_a_whole_float_is_the_integer_it_equals():
    """1.0 on the wire is the configured label 1, and comes out as configured."""
    parsed = Target(kind="binary", labels=(0, 1), positive=1).parse(1.0)
    assert (parsed, type(parsed)) == (1, int)


@given(JSON)
def test_a_refused_label_is_never_quoted(value):
    """Payload values do not reach messages or logs."""
    target = Target(kind="binary", labels=("configured", "others"), positive="others")
    try:
        target.parse(value)
    except LabelError as error:
        text = str(error).removeprefix("$.label must be one of the 2 configured labels, got ")
        assert text in {"null", "a boolean", "a number", "a string", "an array", "an object"}
    else:
        assert value in target.labels


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e101, 10**400, True, "3", None])
def test_regression_takes_finite_numbers_only(value):
    """What would poison a model, or is no number in JSON, is refused."""
    with pytest.raises(LabelError):
        Target(kind="regression").parse(value)


@pytest.mark.parametrize("value", [0, -3, 2.5, 1e100])
def test_regression_labels_are_floats(value):
    """An integer is a fine number, and learnt as a float."""
    parsed = Target(kind="regression").parse(value)
    assert (parsed, type(parsed)) == (value, float)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "binary", "labels": ("a",), "positive": "a"},
        {"kind": "binary", "labels": ("a", "b", "c"), "positive": "a"},
        {"kind": "binary", "labels": ("a", "a"), "positive": "a"},
        {"kind": "binary", "labels": (1, True), "positive": 1},
        {"kind": "binary", "labels": (1, 1.0), "positive": 1},
        {"kind": "binary", "labels": ("1", 1), "positive": 1},
        {"kind": "binary", "labels": ("a", "b"), "positive": "c"},
        {"kind": "binary", "labels": (0, 1), "positive": True},
        {"kind": "binary", "labels": ("a", "b")},
        {"kind": "multiclass", "labels": ("a",)},
        {"kind": "multiclass", "labels": ("a", "b"), "positive": "a"},
        {"kind": "multiclass", "labels": ("a", float("nan"))},
        {"kind": "regression", "labels": ("a", "b")},
        {"kind": "ranking"},
    ],
)
def test_a_target_that_contradicts_itself_is_refused(settings):
    """Checked when built, so that nothing downstream has to."""
    with pytest.raises(ValueError, match="must be"):
        Target(**settings)


@pytest.mark.parametrize(
    "target",
    [
        Target(kind="binary", labels=("no", "yes"), positive="no"),
        Target(kind="binary", labels=(True, False), positive=True),
        Target(kind="multiclass", labels=("a", 2, 0.5, False)),
    ],
)
def test_what_a_model_learns_stands_for_one_label(target):
    """Every label comes back from its form inside the model, the positive one being True."""
    assert [target.from_model(target.to_model(label)) for label in target.labels] == list(target.labels)
    if target.kind == "binary":
        assert target.to_model(target.positive) is True


@given(st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.text()))
def test_a_key_is_what_json_would_write(label):
    """Keys of probabilities are the labels as JSON text, strings without their quotes."""
    assert label_key(label) == (label if isinstance(label, str) else json.dumps(label))
