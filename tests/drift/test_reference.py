"""The reference: what it knows, and that its bytes and digest are its own."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.reference import Reference

KINDS = {"amount": "numeric", "age": "integer", "country": "categorical"}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.floats(),
        "age": st.integers(-(2**63) + 1, 2**63 - 1),
        "country": st.text(max_size=3),
        "unknown": st.booleans(),
    },
)
ROWS = st.lists(VALUES, min_size=1, max_size=20)


@given(ROWS)
def test_bytes_give_back_the_same_reference(rows):
    """Columns, digest and bytes, to the last bit of the largest integer."""
    reference = Reference.from_rows(KINDS, rows)
    back = Reference.from_bytes(reference.to_bytes())
    assert back.digest == reference.digest
    assert back.to_bytes() == reference.to_bytes()
    assert dict(back.kinds) == dict(reference.kinds)
    for name in KINDS:
        assert back.columns[name].dtype == reference.columns[name].dtype
        assert [*map(repr, back.columns[name].tolist())] == [*map(repr, reference.columns[name].tolist())]


@given(ROWS, ROWS)
def test_digests_agree_iff_the_values_do(rows, others):
    """Of the named columns, in row order; NaN is one value."""
    one, other = Reference.from_rows(KINDS, rows), Reference.from_rows(KINDS, others)
    values = [[[*map(repr, reference.columns[name].tolist())] for name in KINDS] for reference in (one, other)]
    assert (one.digest == other.digest) == (values[0] == values[1])


def test_the_order_of_columns_is_of_no_account():
    """Names in any order, rows or columns: one reference."""
    rows = [{"amount": 1.0, "age": 2, "country": "NZ"}, {"age": 3}]
    reference = Reference.from_rows(KINDS, rows)
    turned = Reference.from_rows(dict(reversed(KINDS.items())), rows)
    by_column = Reference.from_columns(
        KINDS,
        {"country": np.array(["NZ", None], dtype=object), "age": np.array([2, 3]), "amount": np.array([1.0, np.nan])},
    )
    assert reference.digest == turned.digest == by_column.digest


def test_the_kind_is_part_of_the_identity():
    """The same numbers as integers are another reference."""
    rows = [{"a": 0}]
    assert Reference.from_rows({"a": "numeric"}, rows).digest != Reference.from_rows({"a": "integer"}, rows).digest


def test_there_is_one_missing_number():
    """NaN has many patterns of bits; which one a client sent is not part of the identity."""
    [odd] = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001))
    missing = [Reference.from_rows({"a": "numeric"}, [{"a": 1.0}, row]) for row in ({"a": odd}, {"a": math.nan}, {})]
    assert len({reference.digest for reference in missing}) == 1


def test_everything_a_comparison_needs_is_known_once():
    """Present values, order, spread and counts, each computed on the first look and kept."""
    reference = Reference.from_rows(
        KINDS, [{"amount": 3.0, "country": "b"}, {"country": "a"}, {"amount": 1.0, "country": "b"}]
    )
    amount, country = reference.samples["amount"], reference.samples["country"]
    assert (amount.rows, amount.size, amount.ordered.tolist(), amount.distinct, amount.std) == (
        3,
        2,
        [1.0, 3.0],
        2,
        1.0,
    )
    assert (country.size, country.counts) == (3, {"b": 2, "a": 1})
    assert reference.samples is reference.samples
    assert reference.samples["age"].size == 0


def test_a_reference_cannot_be_changed_through_its_columns():
    """Nor through the arrays it was built from."""
    source = np.array([1.0, 2.0])
    reference = Reference.from_columns({"a": "numeric"}, {"a": source})
    source[0] = 9.0
    assert reference.columns["a"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        reference.columns["a"][0] = 9.0


def one_row():
    return Reference.from_rows({"a": "numeric"}, [{"a": 1.0}]).to_bytes()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Reference.from_rows(KINDS, []), "reference must be at least 1 row, got 0"),
        (lambda: Reference.from_rows({}, [{}]), "reference must be at least one column, got none"),
        (lambda: Reference.from_columns(KINDS, {"age": np.array([1])}), "got none for amount, country"),
        (lambda: Reference.from_columns(dict.fromkeys("ab", "numeric"), {"a": [1], "b": [1, 2]}), "one length"),
        (lambda: Reference.from_bytes(b"\xc1"), "reference must be millrace-reference/1 in MessagePack"),
        (lambda: Reference.from_bytes(b"\x80"), "in MessagePack, got something else"),
        (lambda: Reference.from_bytes(one_row().replace(b"ference/1", b"ference/2")), "got 'millrace-reference/2'"),
        (lambda: Reference.from_bytes(one_row().replace(b"numeric", b"unknown")), "a.kind must be one of numeric"),
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(build, message):
    """Empty, incomplete, ragged or foreign."""
    with pytest.raises(ValueError, match=message):
        build()
