"""Changes that are put into a stream: where they begin, and what they leave alone."""

import random

import pytest

from learners.target import Target
from streams.demo.changes import Changes, DemoRow

BINARY = Target(kind="binary", labels=(0, 1), positive=1)


def rows(count=1000, seed=1):
    chance = random.Random(seed)
    return [
        DemoRow({"a": chance.gauss(0, 2), "n": chance.randrange(10), "c": chance.choice("xxy")}, chance.randrange(2))
        for _ in range(count)
    ]


KINDS = {"a": "numeric", "n": "integer", "c": "categorical"}


def test_nothing_changes_before_the_stated_point():
    """An alarm before it is a false one: the rows must be the very same."""
    data = rows()
    changed = list(Changes(data, KINDS, BINARY, covariate_at=400, concept_at=700).apply(data))
    assert changed[:400] == data[:400]
    assert [row.label for row in changed[:700]] == [row.label for row in data[:700]]


def test_a_covariate_change_moves_numbers_by_a_deviation_and_leaves_labels_and_integers_whole():
    """Inputs move, the answer to them does not; an integer stays one, or the worker would refuse it."""
    data = rows()
    changed = list(Changes(data, KINDS, BINARY, covariate_at=500, concept_at=None).apply(data))[500:]
    moved = [after.features["a"] - before.features["a"] for before, after in zip(data[500:], changed, strict=True)]
    assert min(moved) == pytest.approx(max(moved))
    assert 1.5 < moved[0] < 2.5
    assert all(type(row.features["n"]) is int for row in changed)
    assert [row.label for row in changed] == [row.label for row in data[500:]]


def test_a_concept_change_turns_the_labels_of_about_half_the_rows():
    """The old relation fails where the first feature is above its median, and nowhere else."""
    data = rows()
    changes = Changes(data, KINDS, BINARY, covariate_at=None, concept_at=0)
    turned = [before.label != after.label for before, after in zip(data, changes.apply(data), strict=True)]
    assert turned == [row.features["a"] > changes.above for row in data]
    assert 0.4 < sum(turned) / len(turned) < 0.6


@pytest.mark.parametrize(
    ("target", "label"),
    [(Target(kind="multiclass", labels=("x", "y", "z")), "z"), (Target(kind="regression"), 3.5)],
)
def test_labels_stay_labels_of_the_target(target, label):
    """What is sent after the change is still accepted by the worker, for every task."""
    data = [DemoRow({"a": float(n)}, label) for n in range(10)]
    changes = Changes(data, {"a": "numeric"}, target, covariate_at=None, concept_at=0)
    assert all(target.parse(row.label) == row.label for row in changes.apply(data))


def test_without_numbers_two_categories_swap():
    """A stream of categories alone can be shown too."""
    data = [DemoRow({"c": "x" if n % 3 else "y"}, 0) for n in range(90)]
    changes = Changes(data, {"c": "categorical"}, BINARY, covariate_at=0, concept_at=None)
    assert [row.features["c"] for row in changes.apply(data)] == ["y" if n % 3 else "x" for n in range(90)]
    assert "swap" in changes.told[0].what
