"""Quality: shares of rows that are missing, new or out of range."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.columns import encode, plain
from drift.quality import quality_of
from drift.reference import sample_of

NUMBERS = st.lists(st.none() | st.floats(), min_size=1, max_size=30)
CATEGORIES = st.lists(st.none() | st.text("abc", max_size=1), min_size=1, max_size=30)


def sample(kind, values):
    return sample_of(kind, plain(kind, encode(kind, values)))


@given(NUMBERS, NUMBERS)
def test_shares_of_numbers_are_counts_by_hand(reference, current):
    """NaN and infinities are missing, the reference's own extremes are in range."""
    quality = quality_of(sample("numeric", reference), sample("numeric", current))
    known, seen = ([x for x in values if x is not None and math.isfinite(x)] for values in (reference, current))
    outside = [x for x in seen if known and not min(known) <= x <= max(known)]
    assert quality.missing_share == (len(current) - len(seen)) / len(current)
    assert quality.reference_missing_share == (len(reference) - len(known)) / len(reference)
    assert quality.out_of_range_share == len(outside) / len(current)
    assert quality.new_category_share == 0


@given(CATEGORIES, CATEGORIES)
def test_shares_of_categories_are_counts_by_hand(reference, current):
    """A category is new if the reference never had it."""
    quality = quality_of(sample("categorical", reference), sample("categorical", current))
    known = {x for x in reference if x is not None}
    assert quality.missing_share == current.count(None) / len(current)
    assert quality.new_category_share == (
        sum(x is not None and x not in known for x in current) / len(current) if known else 0
    )
    assert quality.out_of_range_share == 0


def test_an_empty_window_has_no_faults():
    """No rows are no shares."""
    quality = quality_of(sample("integer", [1]), sample("integer", []))
    assert (quality.missing_share, quality.out_of_range_share) == (0, 0)


def test_samples_of_different_kinds_are_refused():
    """Numbers have no new categories."""
    with pytest.raises(TypeError, match="current must be a NumericSample"):
        quality_of(sample("numeric", [1]), sample("categorical", ["a"]))
