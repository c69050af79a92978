"""Histograms on a window's columns: those that moved most, never more than some."""

from __future__ import annotations

import numpy as np
from page_records import column

from drift.reference import Reference
from streams.messages import encode
from streams.stages.pictures import PICTURES_MAX, pictured

ROWS = 1_000
MANY = [f"feature:f{number}" for number in range(2 * PICTURES_MAX)]


def told(strengths):
    dice = np.random.default_rng(3)
    names = [f"feature:f{number}" for number in range(len(strengths))]
    columns = {name: dice.normal(size=ROWS) for name in names}
    reference = Reference.from_columns(dict.fromkeys(names, "numeric"), columns)
    made = [column(name, value) for name, value in zip(names, strengths, strict=True)]
    return pictured(made, names, reference, reference.columns)


def test_the_columns_that_moved_most_have_a_picture():
    """However many there are, and in the order they had."""
    found = told([0.001 * number for number in range(len(MANY))])

    assert [each.subject for each in found] == MANY
    assert [each.subject for each in found if each.histogram] == MANY[PICTURES_MAX:]
    assert all(sum(each.histogram.current) == ROWS for each in found if each.histogram)


def test_a_p_value_is_far_when_it_is_small():
    """Its threshold is passed from above."""
    reference = Reference.from_columns(dict.fromkeys(MANY, "numeric"), {name: np.arange(99.0) for name in MANY})
    made = [
        column(name, statistic="ks", threshold=0.05, statistics={"ks": 0.001 if name == MANY[-1] else 0.9})
        for name in MANY
    ]

    assert pictured(made, MANY, reference, reference.columns)[-1].histogram is not None


def test_a_record_does_not_grow_much():
    """Some hundred bytes a column: ten thousand windows are read at the start of a page."""
    with_pictures = told([0.5] * 20)
    without = [column(each.subject, 0.5) for each in with_pictures]

    assert len(encode(with_pictures)) - len(encode(without)) < 20 * 250
