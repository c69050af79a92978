"""Columns: what a value becomes, and that bytes give it back."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.columns import MISSING_INTEGER, check_kinds, encode, pack, plain, transpose, unpack

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just(np.float64(2.5))
    | st.just(10**400)
)
KINDS = st.sampled_from(["numeric", "integer", "categorical"])


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and all(
        repr(a) == repr(b) for a, b in zip(one.tolist(), other.tolist(), strict=True)
    )  # fmt: skip


@given(KINDS, st.lists(ANYTHING, max_size=30), st.integers(0, 30))
def test_a_value_is_encoded_on_its_own_merits(kind, values, cut):
    """Where a batch is cut changes nothing, so a window recomputed from the log is the same window."""
    whole = encode(kind, values)
    assert same(whole, np.concatenate([encode(kind, values[:cut]), encode(kind, values[cut:])]))


@given(KINDS, st.lists(ANYTHING, max_size=30))
def test_a_packed_column_comes_back_exactly(kind, values):
    """Every value, dtype and missing mark; and equal columns pack equally."""
    encoded = encode(kind, values)
    packed = pack(kind, encoded)
    back_kind, back = unpack("it", packed, len(values))
    assert back_kind == kind
    assert same(back, encoded)
    assert pack(kind, back) == packed


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("numeric", "3.5", math.nan),
        ("numeric", 10**400, math.nan),
        ("numeric", True, 1.0),
        ("numeric", math.inf, math.inf),
        ("integer", 3.0, 3),
        ("integer", 3.5, MISSING_INTEGER),
        ("integer", math.inf, MISSING_INTEGER),
        ("integer", "3", MISSING_INTEGER),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", 2**63, MISSING_INTEGER),
        ("integer", -(2**63), MISSING_INTEGER),
        ("categorical", 3, "3"),
        ("categorical", True, "True"),
        ("categorical", math.nan, None),
        ("categorical", "", ""),
    ],
)
def test_a_value_its_kind_cannot_hold_is_missing(kind, value, kept):
    """Text is no number, half an integer is none, and a label of another type is its text."""
    [encoded] = encode(kind, [value]).tolist()
    assert encoded == kept or (encoded != encoded and kept != kept)  # noqa: PLR0124 -- NaN


@given(st.lists(st.none() | st.integers(-(2**63) + 1, 2**63 - 1), min_size=1).filter(any))
def test_integers_are_typed_as_pandas_types_them(values):
    """int64 until one is missing, then float64 with NaN: what Evidently would see."""
    column = plain("integer", encode("integer", values))
    oracle = pd.Series(values)
    assert column.dtype == oracle.dtype
    np.testing.assert_array_equal(column, oracle.to_numpy())


def test_rows_become_columns_of_the_names_asked_for():
    """An absent value is missing, an unknown name is left out, no rows are empty columns."""
    kinds = {"a": "numeric", "b": "categorical"}
    columns = transpose(kinds, [{"a": 1.0, "c": 2}, {"b": "x"}])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "a": [1.0, pytest.approx(math.nan, nan_ok=True)],
        "b": [None, "x"],
    }
    assert [column.size for column in transpose(kinds, []).values()] == [0, 0]


@pytest.mark.parametrize(
    "damage",
    [{"kind": "other"}, {"data": b"\0" * 8}, {"data": b"\0" * 7}, {"data": None}, {"kind": "categorical"},
     {"kind": "categorical", "categories": ["a"], "data": b"\7\0\0\0" * 2}],
)  # fmt: skip
def test_a_column_that_is_not_ours_is_refused_by_name(damage):
    """Wrong kind, wrong length, no bytes, categories missing or out of range."""
    with pytest.raises(ValueError, match=r"window\.a"):
        unpack("window.a", {**pack("numeric", encode("numeric", [1, 2])), **damage}, 2)


def test_an_unknown_kind_is_refused_by_name():
    """The message says where and what would do."""
    with pytest.raises(ValueError, match=r"reference\.a must be one of numeric, integer, categorical, got 'float'"):
        check_kinds("reference", {"a": "float"})
    with pytest.raises(ValueError, match="reference must be at least one column, got none"):
        check_kinds("reference", {})
