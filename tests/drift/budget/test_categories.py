"""A categorical column as streams of 0 and 1: its frequent values, all others, those never seen, and missing ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.budget.encoding import CATEGORIES_MAX, RARE_MAX, ColumnCode, Encoder
from drift.budget.share_pool import NO_MARK

FEW = ["a", "b", None, "a", "c"]
MANY = [f"k{row % 20}" for row in range(400)] + ["once"]
"""Twenty values, equally often, and one that comes once."""


def marks_of(code, values):
    return dict(zip(code.aspects, code.marks(values).tolist(), strict=True))


def test_with_few_values_each_has_a_stream_and_any_other_is_new():
    """A missing value says nothing about them."""
    found = marks_of(ColumnCode.of("c", FEW), ["a", "z", None])

    assert list(found) == ["category a", "category b", "category c", "new category", "missing"]
    assert found["category a"] == [1, 0, NO_MARK]
    assert found["new category"] == [0, 1, NO_MARK]
    assert found["missing"] == [0, 0, 1]


def test_with_many_values_what_was_never_seen_is_told_from_what_is_rare():
    """A rare value is another one; a new value is another one, too, and new."""
    code = ColumnCode.of("c", MANY)
    rare = code.rare[0]
    found = marks_of(code, [code.categories[0], rare, "z", None])

    assert len(code.categories) == CATEGORIES_MAX
    assert len(code.rare) == 21 - CATEGORIES_MAX
    assert found["other"] == [0, 1, 1, NO_MARK]
    assert found["new category"] == [0, 0, 1, NO_MARK]
    assert found["missing"] == [0, 0, 0, 1]


def test_of_a_column_of_ids_that_something_is_new_is_no_news():
    """Beyond a thousand rare values nothing is kept of them."""
    code = ColumnCode.of("c", [f"id{row}" for row in range(RARE_MAX + CATEGORIES_MAX + 1)])

    assert code.rare == ()
    assert code.aspects[CATEGORIES_MAX:] == ("other", "missing")
    assert marks_of(code, ["z", None])["other"] == [1, NO_MARK]


def test_of_the_reference_as_many_are_new_as_have_a_value_of_their_own():
    """So many are expected to be new later; counting none, rare values would seem to become more."""
    code = ColumnCode.of("c", MANY)
    new = code.reference_marks(MANY)[code.aspects.index("new category")]

    assert new.tolist() == [0] * 400 + [1]


def test_the_rows_that_choose_the_frequent_values_are_not_counted():
    """Or those that came first by chance would seem to become fewer; the lot takes about half, never every second."""
    code = ColumnCode.of("c", MANY)
    chosen = code.reference_marks(MANY)
    counted = chosen[0] != NO_MARK

    assert 150 < counted.sum() < 250
    assert all(50 < counted[start::2].sum() < 150 for start in (0, 1))
    assert (chosen[code.aspects.index("other")] != NO_MARK).tolist() == counted.tolist()
    assert not (chosen[-1] == NO_MARK).any()
    assert not (ColumnCode.of("c", FEW).reference_marks(FEW)[0] == NO_MARK)[[0, 1, 3, 4]].any()


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_column_without_values_has_a_stream_for_any(values):
    """The first one ever is new."""
    code = ColumnCode.of("c", values)

    assert code.aspects == ("new category", "missing")
    assert code.reference_marks(values).shape == (2, len(values))
    assert marks_of(code, ["a", None])["new category"] == [1, NO_MARK]


@given(st.lists(st.none() | st.sampled_from([f"k{n}" for n in range(30)]), max_size=60), st.lists(st.text(max_size=2)))
def test_every_value_is_of_one_stream_or_another(reference, values):
    """One category, or other; new is what the reference did not have. A restart keeps it so."""
    code = ColumnCode.of("c", reference)
    again = Encoder.restore(Encoder([code], {}).snapshot()).codes[0]
    marks = marks_of(again, values)

    assert again == code
    for place, value in enumerate(values):
        named = sum(rows[place] == 1 for aspect, rows in marks.items() if aspect.startswith("category "))
        rest = marks.get("other", marks["new category"])[place]
        assert named + rest == 1
        assert marks["new category"][place] == (value not in reference)
    assert np.all(code.marks([None])[:-1] == NO_MARK)
