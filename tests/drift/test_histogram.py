"""Histograms for people: every row is counted, in few bins, whatever the column holds."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drift.histogram import BINS_MAX, NAME_CHARS_MAX, VALUES_MAX, histograms
from drift.reference import Reference

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.floats()), min_size=1, max_size=60)
TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=60), st.sampled_from("abc")), min_size=1, max_size=60)


def drawn(kind, reference, current):
    made = Reference.from_columns({"x": kind}, {"x": np.array(reference, dtype=object)})
    column = Reference.from_columns({"x": kind}, {"x": np.array(current, dtype=object)}).columns["x"]
    return histograms(made, {"x": column}, ["x"]).get("x")


def known(values):
    return [value for value in values if value is not None and np.isfinite(value)]


@given(NUMBERS, NUMBERS)
def test_every_number_is_in_one_of_few_bins(reference, current):
    """Also what lies beyond the picture, and with few distinct values one bin for each."""
    found = drawn("numeric", reference, current)

    if found is None:
        return
    assert (sum(found.reference), sum(found.current)) == (len(known(reference)), len(known(current)))
    assert len(found.reference) == len(found.current) <= BINS_MAX
    assert bool(found.values) == (len(set(known(reference))) <= VALUES_MAX)


def test_numbers_are_counted_where_they_are():
    """The first and last bin are open, the inner ones are of one width, and the picture is the reference's."""
    found = drawn("numeric", np.arange(1_000.0), [*np.arange(500.0, 510.0), -5.0, 2_000.0, 3_000.0, float("nan")])
    edges = np.linspace(found.low, found.high, BINS_MAX - 1)

    assert (found.low, found.high) == (9.0, 990.0)
    assert found.reference == (9, *np.histogram(np.arange(1_000.0), edges)[0], 9)
    assert found.current == (1, *np.histogram(np.arange(500.0, 510.0), edges)[0], 2)


def test_a_column_of_almost_one_value_has_no_picture():
    """There is no range to divide; nothing is raised and nothing invented."""
    assert drawn("numeric", [*[1.0] * 2_000, *range(13)], [1.0]) is None
    assert drawn("numeric", [None], [1.0]) is None
    assert drawn("categorical", ["a"], [None]) is None


@given(TEXTS, TEXTS)
def test_every_category_is_counted_under_its_name_or_with_the_others(reference, current):
    """The commonest of either side have their own bin, new ones too; names are short."""
    found = drawn("categorical", reference, current)

    counts = [Counter(value for value in side if value is not None) for side in (reference, current)]
    if not all(counts):
        assert found is None
        return
    assert (sum(found.reference), sum(found.current)) == (counts[0].total(), counts[1].total())
    assert len(found.reference) == len(found.current) == len(found.values) + 1 <= BINS_MAX
    assert all(len(name) <= NAME_CHARS_MAX for name in found.values)
    if len({*counts[0], *counts[1]}) <= VALUES_MAX:
        assert (found.reference[-1], found.current[-1]) == (0, 0)


def test_a_new_category_is_seen_beside_the_old_ones():
    """One that took over is no part of the others, however many the reference had."""
    old = [f"c{number}" for number in range(30) for _ in range(30 - number)]
    found = drawn("categorical", old, ["new"] * 9 + ["c0"])

    assert found.values[0] == "c0"
    assert found.values[-1] == "new"
    assert (found.reference[-2], found.current[-2], found.current[-1]) == (0, 9, 0)


def test_it_does_not_depend_on_the_order_of_the_rows():
    """Equal counts are told in the order of their names: the same in every process."""
    rows = [f"c{number}" for number in range(40)]

    assert drawn("categorical", rows, rows) == drawn("categorical", rows[::-1], rows[::-1])
    assert drawn("categorical", rows, rows).values[:2] == ("c0", "c1")
