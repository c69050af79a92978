"""Cells become values of their declared kind, or a refusal that says what was due."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.features import FeatureGuard
from learners.target import Target
from streams.values import LabelReader, feature_value, parse_time, typed

KINDS = st.sampled_from(["numeric", "integer", "categorical"])
CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.decimals() | st.binary()


@given(CELLS, KINDS)
def test_whatever_is_sent_is_what_the_worker_accepts(cell, kind):
    """No cell of any file becomes a value that the worker's gate would make a dead letter of."""
    problem = ""
    value = None
    try:
        value = feature_value(cell, kind)
    except ValueError as error:
        problem = str(error)
    if problem:
        assert problem.startswith("must be ")
        return
    checked = FeatureGuard({"x": kind}).check({"x": value})
    assert checked.missing == (value is None)
    if value is not None:
        assert checked.values["x"] == value


@given(st.floats(-1e100, 1e100))
def test_a_number_in_a_csv_is_the_number_itself(number):
    """repr() and back, bit for bit."""
    assert feature_value(repr(number), "numeric") == number


@pytest.mark.parametrize("word", ["", "NA", "nan", "NaN", "N/A", "null", "None", " "])
def test_words_for_nothing_are_missing_numbers_and_mostly_categories(word):
    """`NA` is a number that is missing, and Namibia among countries; only the empty cell is always missing."""
    assert feature_value(word, "numeric") is None
    assert feature_value(word, "integer") is None
    assert feature_value(word, "categorical") == (word or None)


def test_further_words_for_nothing_hold_for_every_kind():
    """`--missing "?"`."""
    assert [feature_value("?", kind, {"?"}) for kind in ("numeric", "integer", "categorical")] == [None] * 3


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        ("3.0", "integer", 3),
        (3.0, "integer", 3),
        (True, "integer", 1),
        (True, "categorical", "true"),
        ("True", "categorical", "True"),
        (7, "categorical", "7"),
        ("007", "numeric", 7.0),
        ("1e3", "integer", 1000),
        (Decimal("1.5"), "numeric", 1.5),
        (date(2026, 1, 31), "categorical", "2026-01-31"),
        (math.nan, "categorical", None),
        (" 5 ", "numeric", 5.0),
    ],
)
def test_a_cell_becomes_a_value_of_its_declared_kind(cell, kind, value):
    """The declared kind decides, not the look of the cell."""
    found = feature_value(cell, kind)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("abc", "numeric"),
        ("1,5", "numeric"),
        ("2.5", "integer"),
        ("inf", "numeric"),
        (1e300, "numeric"),
        ([], "numeric"),
        ({}, "categorical"),
        ("1e30", "integer"),
        ("x" * 257, "categorical"),
        (b"x", "categorical"),
    ],
)
def test_a_cell_that_is_no_such_value_is_refused(cell, kind):
    """Never sent for the worker to refuse."""
    with pytest.raises(ValueError, match="must be"):
        feature_value(cell, kind)


def test_a_very_long_cell_is_cut_in_the_message():
    """A megabyte of cell does not end up on the terminal."""
    with pytest.raises(ValueError, match="…") as caught:
        feature_value("x" * 100_000, "numeric")
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("labels", "cell", "label"),
    [
        ((0, 1), "1", 1),
        ((0, 1), "1.0", 1),
        ((0, 1), 1.0, 1),
        (("0", "1"), "1", "1"),
        ((False, True), "True", True),
        ((False, True), "false", False),
        (("yes", "no"), " yes", "yes"),
        (("01", "02"), "01", "01"),
        ((0.5, 1.5), "0.50", 0.5),
    ],
)
def test_a_label_is_the_declared_one_it_means(labels, cell, label):
    """A CSV has only texts; JSON's types are the declared ones' own."""
    found = LabelReader(Target(kind="binary", labels=labels, positive=labels[0])).read(cell)

    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize(
    ("labels", "cell"),
    [((0, 1), "2"), ((0, 1), True), ((False, True), 1), (("0", "1"), 1), ((0, 1), [0]), ((0, 1), "yes")],
)
def test_a_label_that_is_not_declared_is_refused(labels, cell):
    """`true` is not 1 and 1 is not `"1"`: the worker would refuse it, so it is refused here."""
    with pytest.raises(ValueError, match="must be one of"):
        LabelReader(Target(kind="binary", labels=labels, positive=labels[0])).read(cell)


def test_a_number_to_predict_is_finite_and_an_empty_cell_is_no_label():
    """Regression."""
    reader = LabelReader(Target(kind="regression"))

    assert reader.read("2.5") == 2.5
    assert reader.read("") is None
    assert reader.read(math.nan) is None
    for cell in ("inf", "x", True, "nan"):
        with pytest.raises(ValueError, match="must be a finite number"):
            reader.read(cell)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - without a zone on purpose
def test_a_time_survives_each_way_of_writing_it(time):
    """ISO text without a zone is UTC; epoch seconds and milliseconds are told apart by their size."""
    whole = time.replace(microsecond=0, tzinfo=UTC)

    assert parse_time(whole.replace(tzinfo=None).isoformat()) == whole
    assert parse_time(whole.isoformat()) == whole
    assert parse_time(whole.replace(tzinfo=None)) == whole
    assert parse_time(int(whole.timestamp())) == whole
    if abs(whole.timestamp()) * 1000 > 1e11:
        assert parse_time(str(int(whole.timestamp()) * 1000)) == whole


@given(st.text(max_size=40) | st.floats() | st.integers() | st.booleans() | st.binary())
def test_what_is_no_time_is_refused_and_nothing_else_happens(cell):
    """ValueError or a time with a zone; never OverflowError."""
    try:
        time = parse_time(cell)
    except ValueError:
        return
    assert time is None or time.tzinfo is not None


@given(st.text(max_size=30))
def test_typed_gives_back_every_text_it_does_not_understand(text):
    """Nothing is lost on the way."""
    value = typed(text)
    if isinstance(value, str):
        assert value == text
    else:
        assert math.isfinite(value)
