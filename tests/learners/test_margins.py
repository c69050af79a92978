"""How far off a windowed score may be: influences against scikit-learn's weights, intervals against many windows."""

from __future__ import annotations

import math
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics

from learners.margins import BATCHES, EXAMPLES_MIN, INFLUENCES, binary, difference_margins, margin, margins
from learners.output import Output
from learners.scores import PrequentialScores
from learners.target import Target

ROWS = 240
STEP = 1e-6
BINARY = Target(kind="binary", labels=("no", "yes"), positive="yes")


def rmse(true, told, *, sample_weight):
    return math.sqrt(sklearn_metrics.mean_squared_error(true, told, sample_weight=sample_weight))


def binary_oracles(source):
    truth = source.random(ROWS) < 0.3
    p = np.round(np.clip(source.normal(0.4 + 0.2 * truth, 0.25), 0.01, 0.99), 2)  # ties among them
    told = p > 0.5
    return INFLUENCES["binary"](truth, [float(each) for each in p]), {
        "accuracy": (sklearn_metrics.accuracy_score, truth, told),
        "balanced_accuracy": (sklearn_metrics.balanced_accuracy_score, truth, told),
        "f1": (sklearn_metrics.f1_score, truth, told),
        "log_loss": (sklearn_metrics.log_loss, truth, p),
        "roc_auc": (sklearn_metrics.roc_auc_score, truth, p),
    }


def multiclass_oracles(source):
    truth = source.integers(0, 3, ROWS)
    shares = source.dirichlet([1.0, 1.0, 1.0], ROWS) + 0.5 * np.eye(3)[truth]
    shares /= shares.sum(axis=1, keepdims=True)
    told = shares.argmax(axis=1)
    said = [(int(place), float(row[true])) for place, row, true in zip(told, shares, truth, strict=True)]
    return INFLUENCES["multiclass"](truth, said), {
        "accuracy": (sklearn_metrics.accuracy_score, truth, told),
        "balanced_accuracy": (sklearn_metrics.balanced_accuracy_score, truth, told),
        "f1": (lambda *a, **k: sklearn_metrics.f1_score(*a, average="macro", **k), truth, told),
        "log_loss": (sklearn_metrics.log_loss, truth, shares),
    }


def regression_oracles(source):
    truth = source.normal(5.0, 2.0, ROWS)
    told = truth + source.normal(0.3, 1.0, ROWS)
    return INFLUENCES["regression"](truth, told), {
        "mae": (sklearn_metrics.mean_absolute_error, truth, told),
        "rmse": (rmse, truth, told),
        "r2": (sklearn_metrics.r2_score, truth, told),
    }


@pytest.mark.parametrize("oracles", [binary_oracles, multiclass_oracles, regression_oracles])
def test_an_influence_is_what_an_example_would_move_scikit_learns_score_by(oracles):
    """The derivative by an example's weight, of every score that is shown."""
    influences, scores = oracles(np.random.default_rng(5))
    assert influences.keys() == scores.keys()
    for name, (score, truth, told) in scores.items():
        for place in range(0, ROWS, 7):
            lighter, heavier = np.ones(ROWS), np.ones(ROWS)
            lighter[place] -= STEP
            heavier[place] += STEP
            moved = score(truth, told, sample_weight=heavier) - score(truth, told, sample_weight=lighter)
            assert influences[name][place] == pytest.approx(ROWS * moved / (2 * STEP), rel=1e-4, abs=1e-5), name
        assert np.sum(influences[name]) == pytest.approx(0.0, abs=1e-8)


def independent(source, rows):
    """Right three times of four, whatever was before."""
    return (source.random(rows) < 0.75).astype(float)


def in_runs(source, rows):
    """Right three times of four; runs of about five that are alike."""
    values, draws = np.empty(rows), source.random((2, rows))
    value = 1.0
    for row in range(rows):
        if draws[0][row] < 0.2:
            value = float(draws[1][row] < 0.75)
        values[row] = value
    return values


def unbounded(source, rows):
    """A loss with a long tail, its mean 0.75."""
    return 0.75 * source.exponential(1.0, rows)


def covered(losses, seed, half):
    """Share of 600 windows of 1,000 whose interval holds the mean."""
    source = np.random.default_rng(seed)
    hits = 0
    for _ in range(600):
        window = losses(source, 1_000)
        hits += abs(float(np.mean(window)) - 0.75) <= half(window - np.mean(window))
    return hits / 600


def test_it_is_students_interval_of_the_mean_of_batches():
    """As SciPy has it, of the means of twenty batches of neighbours."""
    losses = np.random.default_rng(2).normal(3.0, 1.0, 1_000)
    means = losses.reshape(BATCHES, -1).mean(axis=1)
    low, high = stats.t.interval(0.95, BATCHES - 1, np.mean(means), stats.sem(means))

    assert margin(losses - np.mean(losses)) == pytest.approx((high - low) / 2, rel=5e-3)


@pytest.mark.parametrize("losses", [independent, in_runs, unbounded])
def test_of_a_hundred_windows_some_five_are_wrong(losses):
    """Also where neighbours are alike and where a loss has no bound."""
    assert 0.925 <= covered(losses, 11, margin) <= 0.975


def test_a_formula_for_independent_examples_would_promise_too_much():
    """What the batches are for: without them every fifth window of such runs is wrong."""
    assert covered(in_runs, 11, lambda window: 1.96 * float(np.std(window)) / math.sqrt(len(window))) < 0.85


def test_a_change_within_the_window_makes_it_less_sure():
    """Half a window at one level and half at another is no sure mean of anything."""
    source = np.random.default_rng(3)
    calm = source.random(1_000) < 0.25
    changed = np.concatenate([source.random(500) < 0.05, source.random(500) < 0.45])

    assert margin(changed - np.mean(changed)) > 2 * margin(calm - np.mean(calm))


def outputs(shares):
    return [Output("yes" if p > 0.5 else "no", {"no": 1 - p, "yes": p}) for p in shares]


def test_the_difference_of_two_on_the_same_examples_is_surer_than_each():
    """What is hard for one is hard for the other; against itself the difference is known exactly."""
    source = random.Random(8)
    truths = [source.random() < 0.4 for _ in range(1_000)]
    one = [min(0.99, max(0.01, source.gauss(0.35 + 0.3 * truth, 0.25))) for truth in truths]
    other = [min(0.99, max(0.01, p + source.gauss(0, 0.02))) for p in one]
    first, second = binary(truths, one), binary(truths, other)

    assert difference_margins(second, second) == dict.fromkeys(second, 0.0)
    for name, half in difference_margins(second, first).items():
        assert half < 0.6 * margins(first)[name], name
    missed = binary(truths, [None, *other[1:]])
    assert difference_margins(missed, first) == {}


def test_scores_tell_the_margins_of_their_window_and_of_the_difference_to_the_champion():
    """Of the last examples only; whoever is no champion is held against it; too few examples have none."""
    scores, source = PrequentialScores(BINARY, ["main", "rival"], window=300), random.Random(4)
    for number in range(900):
        truth = source.random() < 0.5
        shares = [min(1.0, max(0.0, source.gauss(0.3 + 0.4 * truth, width))) for width in (0.2, 0.4)]
        scores.update("yes" if truth else "no", dict(zip(("main", "rival"), outputs(shares), strict=True)))
        if number == EXAMPLES_MIN - 2:
            assert scores.report("main")["rival"]["window"]["margins"] == {}
    report = scores.report("main")
    again = PrequentialScores(BINARY, ["main", "rival"], window=300)
    again.restore(scores.snapshot())

    assert again.report("main") == report
    assert "difference_margins" not in report["main"]["window"]
    shown = {"accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"}
    assert (
        report["rival"]["window"]["margins"].keys() == report["rival"]["window"]["difference_margins"].keys() == shown
    )
    truths, said = scores._truths, scores._scores["rival"].said
    assert len(said) == 300
    assert report["rival"]["window"]["margins"] == margins(binary(truths, said))


def test_what_has_no_variation_has_no_margin():
    """All right, or always wrong by the same: a sample that says nothing of its own error is not called certain."""
    assert margins(INFLUENCES["regression"]([1.0] * 200, [3.0] * 200)) == {}
    assert margins(binary([True, False] * 100, [1.0, 0.0] * 100)) == {}


ANY = st.one_of(st.none(), st.floats(allow_nan=False), st.sampled_from([0.0, 1e-300, 1e200, -1e308]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(allow_nan=False), ANY), min_size=EXAMPLES_MIN, max_size=EXAMPLES_MIN + BATCHES))
def test_whatever_numbers_come_a_margin_is_a_number_or_is_not_told(rows):
    """Overflow in a square raises nothing and reaches no record."""
    told = margins(INFLUENCES["regression"](*zip(*rows, strict=True)))

    assert all(math.isfinite(half) and half > 0 for half in told.values())
    msgspec.json.encode(told)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.none(), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 1e-20]))),
        max_size=EXAMPLES_MIN + BATCHES,
    )
)
def test_whatever_is_said_of_two_classes_has_margins_or_none(rows):
    """One class only, nobody scored, labels without probabilities, probabilities of exactly 0 and 1."""
    truths, said = [truth for truth, _ in rows], [each for _, each in rows]
    told = margins(binary(truths, said))
    places = [None if each is None else (int(each > 0.5), None if type(each) is bool else each) for each in said]
    several = margins(INFLUENCES["multiclass"]([int(truth) for truth in truths], places))

    assert all(math.isfinite(half) and half > 0 for half in (*told.values(), *several.values()))
