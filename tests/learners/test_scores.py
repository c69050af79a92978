"""Prequential scores against scikit-learn and River, whatever the batching and wherever the restart."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import metrics as river_metrics
from sklearn import metrics as sklearn_metrics

from learners.loss import example_loss
from learners.output import Output
from learners.score import BINS
from learners.scores import PENDING_MAX, PrequentialScores
from learners.target import LabelError, Target

BINARY = Target(kind="binary", labels=("bad", "good"), positive="bad")  # the positive one first, on purpose
MULTI = Target(kind="multiclass", labels=("a", "b", "c", "never"))
NUMBER = Target(kind="regression")


def binary_stream(rows=2500, seed=1):
    source = random.Random(seed)
    for _ in range(rows):
        bad = source.random() < 0.3
        p = min(1.0, max(0.0, source.gauss(0.62 if bad else 0.4, 0.2)))
        yield "bad" if bad else "good", Output("bad" if p > 0.5 else "good", {"bad": p, "good": 1.0 - p})


def multi_stream(rows=2500, seed=1):
    source = random.Random(seed)
    for _ in range(rows):
        label = source.choice("aabc")
        shares = [source.random() + 0.6 * (key == label) for key in MULTI.labels]
        shares = [share / sum(shares) for share in shares]
        told = MULTI.labels[shares.index(max(shares))]
        yield label, Output(told, dict(zip(MULTI.keys, shares, strict=True)))


def number_stream(rows=2500, seed=1):
    source = random.Random(seed)
    for _ in range(rows):
        label = source.gauss(1000, 10)
        yield label, Output(label + source.gauss(0.5, 2), None)


def scored(target, stream, window=1000):
    scores = PrequentialScores(target, ["m"], window=window)
    for label, output in stream:
        scores.update(label, {"m": output})
    return scores


@pytest.mark.parametrize("part", ["total", "window"])
def test_binary_scores_are_scikit_learns(part):
    """Every metric, over the whole stream and over its last 1,000 examples."""
    stream = list(binary_stream())
    report = scored(BINARY, stream).report()["m"][part]
    truth, told, p = [], [], []
    for label, output in stream[-1000:] if part == "window" else stream:
        truth.append(label == "bad")
        told.append(output.prediction == "bad")
        p.append(output.probabilities["bad"])
    assert report["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, told))
    assert report["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, told))
    assert report["f1"] == pytest.approx(sklearn_metrics.f1_score(truth, told))
    clipped = [min(1 - 1e-15, max(1e-15, share)) for share in p]
    assert report["log_loss"] == pytest.approx(sklearn_metrics.log_loss(truth, clipped), rel=1e-3)
    exact = sklearn_metrics.roc_auc_score(truth, p)
    assert report["roc_auc"] == pytest.approx(exact, abs=1e-12 if part == "window" else 0.5 / BINS * 3)
    precision, recall, _, support = sklearn_metrics.precision_recall_fscore_support(truth, told)
    for place, key in enumerate(("good", "bad")):
        expected = {"precision": precision[place], "recall": recall[place], "support": support[place]}
        assert report["per_class"][key] == pytest.approx(expected)


def test_binary_scores_are_rivers():
    """Accuracy, balanced accuracy, F1 and log loss as River's metrics have them."""
    names = {"accuracy": "Accuracy", "balanced_accuracy": "BalancedAccuracy", "f1": "F1", "log_loss": "LogLoss"}
    oracles = {name: getattr(river_metrics, river)() for name, river in names.items()}
    stream = list(binary_stream())
    for label, output in stream:
        for name, oracle in oracles.items():
            told = {True: output.probabilities["bad"], False: output.probabilities["good"]}
            oracle.update(label == "bad", told if name == "log_loss" else output.prediction == "bad")
    total = scored(BINARY, stream).report()["m"]["total"]
    for name, oracle in oracles.items():
        assert total[name] == pytest.approx(oracle.get()), name


@pytest.mark.parametrize("part", ["total", "window"])
def test_multiclass_scores_are_scikit_learns(part):
    """Macro averages over the classes that occur; one that never does spoils none."""
    stream = list(multi_stream())
    report = scored(MULTI, stream).report()["m"][part]
    stream = stream[-1000:] if part == "window" else stream
    truth = [label for label, _ in stream]
    told = [output.prediction for _, output in stream]
    assert report["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, told))
    assert "never" in told
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = sklearn_metrics.balanced_accuracy_score(truth, told)
    assert report["balanced_accuracy"] == pytest.approx(expected)
    assert report["f1"] == pytest.approx(sklearn_metrics.f1_score(truth, told, average="macro"))
    shares = [list(output.probabilities.values()) for _, output in stream]
    expected = sklearn_metrics.log_loss(truth, shares, labels=list(MULTI.labels))
    assert report["log_loss"] == pytest.approx(expected)
    precision, recall, _, support = sklearn_metrics.precision_recall_fscore_support(
        truth, told, labels=list(MULTI.labels), zero_division=math.nan
    )
    for place, key in enumerate(MULTI.keys):
        found = report["per_class"][key]
        assert found["support"] == support[place]
        for name, values in (("precision", precision), ("recall", recall)):
            assert found[name] is None if math.isnan(values[place]) else found[name] == pytest.approx(values[place])


@pytest.mark.parametrize("part", ["total", "window"])
def test_regression_scores_are_scikit_learns_and_rivers(part):
    """MAE, RMSE and R², also where labels are far from zero and close together."""
    stream = list(number_stream())
    report = scored(NUMBER, stream).report()["m"][part]
    stream = stream[-1000:] if part == "window" else stream
    truth = [label for label, _ in stream]
    told = [output.prediction for _, output in stream]
    assert report["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(truth, told))
    assert report["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(truth, told))
    assert report["r2"] == pytest.approx(sklearn_metrics.r2_score(truth, told))
    oracle = river_metrics.MAE()
    for label, output in stream:
        oracle.update(label, output.prediction)
    assert report["mae"] == pytest.approx(oracle.get())


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=60))
def test_windowed_auc_counts_ties_half(pairs):
    """As scikit-learn does, and None when one of the classes is not there."""
    stream = [("bad" if bad else "good", Output("bad", {"bad": step / 8, "good": 1 - step / 8})) for step, bad in pairs]
    found = scored(BINARY, stream).report()["m"]["window"]["roc_auc"]
    truth = [bad for _, bad in pairs]
    if len(set(truth)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(sklearn_metrics.roc_auc_score(truth, [step for step, _ in pairs]))


STREAMS = [(BINARY, binary_stream), (MULTI, multi_stream), (NUMBER, number_stream)]


@pytest.mark.parametrize(("target", "stream"), STREAMS)
@given(cuts=st.sets(st.integers(0, 3 * PENDING_MAX), max_size=5), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_reports_and_restarts_in_between_change_no_digit(target, stream, cuts, seed):
    """However updates were batched and wherever scores came back from MessagePack, the report is the same."""
    rows = list(stream(3 * PENDING_MAX, seed))
    whole = PrequentialScores(target, ["m", "n"], window=100)
    parts = PrequentialScores(target, ["m", "n"], window=100)
    for row, (label, output) in enumerate(rows):
        outputs = {"m": output, "n": Output(None, None) if row % 7 == seed else Output(output.prediction, None)}
        whole.update(label, outputs)
        parts.update(label, outputs)
        if row in cuts:
            parts.report()
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(parts.snapshot()))
            parts = PrequentialScores(target, ["n", "m"], window=100)
            parts.restore(saved)
    assert whole.report() == parts.report()


@pytest.mark.parametrize(("target", "stream"), STREAMS)
def test_a_snapshot_is_a_copy(target, stream):
    """Later updates do not change it."""
    scores = scored(target, stream(50))
    saved = scores.snapshot()
    before = msgspec.msgpack.encode(saved)
    for label, output in stream(200, seed=2):
        scores.update(label, {"m": output})
    scores.report()
    assert msgspec.msgpack.encode(saved) == before


@pytest.mark.parametrize(("target", "stream"), STREAMS)
def test_saying_nothing_is_counted_apart(target, stream):
    """It is neither right nor wrong, in the totals nor in the window; a candidate left out said nothing too."""
    scores = PrequentialScores(target, ["m", "absent"], window=10)
    only = PrequentialScores(target, ["m"], window=5)
    for label, output in stream(20):
        scores.update(label, {"m": output})
        scores.update(label, {"m": Output(None, None), "stranger": output})
        only.update(label, {"m": output})
    report, expected = scores.report(), only.report()["m"]
    assert (report["m"]["examples"], report["m"]["unscored"], report["absent"]["unscored"]) == (40, 20, 40)
    assert (report["m"]["window"]["examples"], report["m"]["window"]["unscored"]) == (10, 5)
    assert report["m"]["total"] == expected["total"]
    for name, value in expected["window"].items():
        if name not in {"examples", "unscored"}:
            assert report["m"]["window"][name] == value
    assert {value for name, value in report["absent"]["total"].items() if name != "per_class"} == {None}


@pytest.mark.parametrize("target", [BINARY, MULTI, NUMBER])
def test_nothing_yet_is_none_and_no_error(target):
    """A report before the first example has no numbers in it but zeros of counts."""
    report = PrequentialScores(target, ["m"]).report()["m"]
    assert report["examples"] == report["unscored"] == 0
    assert {value for name, value in report["total"].items() if name != "per_class"} == {None}


def test_labels_without_probabilities_have_no_log_loss():
    """What needs a score is undefined, the rest is not."""
    total = scored(BINARY, [("bad", Output("bad", None)), ("good", Output("bad", None))]).report()["m"]["total"]
    assert (total["accuracy"], total["log_loss"], total["roc_auc"]) == (0.5, None, None)


def test_certainty_that_was_wrong_costs_much_but_not_all():
    """Log loss stays finite at probabilities of 0 and 1, which baselines give all the time."""
    sure = Output("good", {"bad": 0.0, "good": 1.0})
    total = scored(BINARY, [("bad", sure), ("good", sure)]).report()["m"]["total"]
    assert total["log_loss"] == pytest.approx(-math.log(1e-15) / 2)
    assert total["roc_auc"] == 0.5


def test_one_half_is_not_positive():
    """The rule of predictions holds for scores: positive if and only if greater than 0.5."""
    half = Output("good", {"bad": 0.5, "good": 0.5})
    per_class = scored(BINARY, [("good", half)]).report()["m"]["total"]["per_class"]
    assert per_class["good"] == {"precision": 1.0, "recall": 1.0, "support": 1}


def test_constant_labels_have_no_r2():
    """There is no variance to explain."""
    assert scored(NUMBER, [(1.0, Output(2.0, None))] * 3).report()["m"]["total"]["r2"] is None


def test_a_smaller_window_keeps_the_last_examples():
    """A change of the setting costs what falls out and nothing else."""
    stream = list(binary_stream(60))
    scores = PrequentialScores(BINARY, ["m"], window=20)
    scores.restore(scored(BINARY, stream, window=50).snapshot())
    assert scores.report() == scored(BINARY, stream, window=20).report()


def test_restoring_forgets_what_was_there():
    """Also examples that were not folded in yet."""
    saved = scored(BINARY, binary_stream(30))
    used = scored(BINARY, binary_stream(10, seed=2))
    used.restore(saved.snapshot())
    assert used.examples == 30
    assert used.report() == saved.report()


def test_a_label_of_another_target_is_refused_at_once():
    """And leaves the scores as they were."""
    scores = scored(BINARY, binary_stream(5))
    with pytest.raises(LabelError, match="must be one of the 2 configured labels"):
        scores.update("ugly", {})
    assert scores.report()["m"]["examples"] == 5


@pytest.mark.parametrize(
    ("target", "names"),
    [(MULTI, ["m"]), (BINARY, ["other"]), (BINARY, ["m", "n"]), (NUMBER, ["m"])],
)
def test_scores_of_others_are_refused(target, names):
    """By target and by candidates."""
    saved = scored(BINARY, binary_stream(5)).snapshot()
    with pytest.raises(ValueError, match="scores"):
        PrequentialScores(target, names).restore(saved)


def test_damaged_scores_are_refused():
    """With one kind of error."""
    saved = scored(BINARY, binary_stream(5)).snapshot()
    del saved["scores"]["m"]["bins"]
    with pytest.raises(ValueError, match="scores must be a snapshot of scores"):
        PrequentialScores(BINARY, ["m"]).restore(saved)


@pytest.mark.parametrize(
    ("target", "label", "prediction", "loss"),
    [
        (BINARY, "bad", "bad", 0.0),
        (BINARY, "bad", "good", 1.0),
        (MULTI, "a", "c", 1.0),
        (NUMBER, 1.0, -1.5, 2.5),
        (NUMBER, 1.0, None, None),
        (BINARY, "bad", None, None),
    ],
)
def test_the_loss_of_one_example(target, label, prediction, loss):
    """Right or wrong for classes, the distance for numbers, None for nothing said."""
    assert example_loss(target, label, Output(prediction, None)) == loss
