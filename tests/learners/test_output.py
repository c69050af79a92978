"""Outputs and baselines: what goes on the wire is a label, a number, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.baselines import Mean, NoChange, Prior, baselines
from learners.output import NOT_FINITE, NOTHING, Output, predictor
from learners.target import Target

BINARY = Target(kind="binary", labels=("bad", "good"), positive="bad")
MULTI = Target(kind="multiclass", labels=("a", 2, True))
NUMBER = Target(kind="regression")


class Says:
    """A model with one answer to everything."""

    def __init__(self, answer, *, probabilities=True):
        self.answer = answer
        self.probabilities = probabilities

    def predict_proba_one(self, _):
        if not self.probabilities:
            raise NotImplementedError  # as River's classifiers without probabilities do
        return self.answer

    def predict_one(self, _):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ({True: 0.75, False: 0.25}, Output("bad", {"good": 0.25, "bad": 0.75})),
        ({True: 0.5, False: 0.5}, Output("good", {"good": 0.5, "bad": 0.5})),
        ({False: 1.0}, Output("good", {"good": 1.0, "bad": 0.0})),
        ({True: np.float64(1.0)}, Output("bad", {"good": 0.0, "bad": 1.0})),
        ({}, NOTHING),
    ],
)
def test_binary_is_positive_only_above_one_half(answer, output):
    """Whatever the model itself would call it; both labels get their probability."""
    found = predictor(Says(answer), BINARY)({})
    assert found == output
    assert {type(p) for p in (found.probabilities or {}).values()} <= {float}


@pytest.mark.parametrize("p", [float("nan"), float("inf"), -0.1, 1.1])
def test_what_is_no_probability_is_nothing(p):
    """On the wire as None, and known to be a poisoned answer rather than none."""
    assert predictor(Says({True: p}), BINARY)({}) is NOT_FINITE
    assert predictor(Says({0: p, 1: 0.2}), MULTI)({}) is NOT_FINITE
    assert predictor(Says({True: p}), BINARY)({}) == Output(None, None)


def test_multiclass_has_every_label_in_configured_order():
    """Labels not learnt yet have probability 0; ties go to the first configured, not to the first learnt."""
    output = predictor(Says({1: 0.5, 0: 0.5}), MULTI)({})
    assert output == Output("a", {"a": 0.5, "2": 0.5, "true": 0.0})
    assert list(output.probabilities) == ["a", "2", "true"]
    assert predictor(Says({}), MULTI)({}) is NOTHING


@pytest.mark.parametrize(
    ("target", "answer", "prediction"),
    [(BINARY, True, "bad"), (BINARY, False, "good"), (BINARY, None, None), (MULTI, 2, True), (MULTI, 7, None)],
)
def test_a_model_of_labels_alone_gives_no_probabilities(target, answer, prediction):
    """An answer that stands for no label is none."""
    assert predictor(Says(answer, probabilities=False), target)({}) == Output(prediction, None)


@pytest.mark.parametrize(("answer", "prediction"), [(1, 1.0), (np.float64(2.5), 2.5), (None, None)])
def test_numbers_are_plain_floats(answer, prediction):
    """Floats of numpy's would not pass the encoder of the wire."""
    found = predictor(Says(answer), NUMBER)({})
    assert found == Output(prediction, None)
    assert type(found.prediction) is type(prediction)


def test_a_number_that_is_none_is_nothing():
    """Nor do NaN and the infinities reach it."""
    for answer in (float("nan"), float("inf"), -float("inf")):
        assert predictor(Says(answer), NUMBER)({}) is NOT_FINITE


@given(st.lists(st.sampled_from(MULTI.labels), max_size=30))
def test_baselines_are_functions_of_the_labels_learnt(labels):
    """The last label, and the shares of all; nothing before the first."""
    no_change, prior = NoChange(MULTI), Prior(MULTI)
    for label in labels:
        no_change.learn(label)
        prior.learn(label)
    if not labels:
        assert no_change.predict() == prior.predict() == Output(None, None)
        return
    assert no_change.predict().prediction is labels[-1]
    shares = [sum(label is other for label in labels) / len(labels) for other in MULTI.labels]
    assert prior.predict() == Output(
        MULTI.labels[shares.index(max(shares))], dict(zip(MULTI.keys, shares, strict=True))
    )


@pytest.mark.parametrize("labels", [("bad", "good"), ("good", "bad")])
def test_a_prior_of_one_half_is_negative(labels):
    """The rule of binary predictions holds for baselines, wherever the positive label stands in the config."""
    prior = Prior(Target(kind="binary", labels=labels, positive="bad"))
    for label in ("bad", "good"):
        prior.learn(label)
    assert prior.predict() == Output("good", {"bad": 0.5, "good": 0.5})
    prior.learn("bad")
    assert prior.predict().prediction == "bad"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_mean_is_the_mean(numbers):
    """Of all labels learnt."""
    mean = Mean(NUMBER)
    for number in numbers:
        mean.learn(number)
    assert mean.predict().prediction == pytest.approx(sum(numbers) / len(numbers), abs=1e-6)


@pytest.mark.parametrize(
    ("target", "labels"), [(BINARY, ["bad", "good", "good"]), (MULTI, ["a", True]), (NUMBER, [1.5, 2.0]), (BINARY, [])]
)
def test_baselines_go_on_from_a_snapshot(target, labels):
    """Restored ones say what the others say, now and after the next label."""
    whole, again = baselines(target), baselines(target)
    for label in labels:
        for baseline in whole.values():
            baseline.learn(label)
    for name, baseline in whole.items():
        again[name].restore(baseline.snapshot())
        assert again[name].predict() == baseline.predict()
        for one in (baseline, again[name]):
            one.learn(labels[0] if labels else "bad")
        assert again[name].predict() == baseline.predict()


def test_a_snapshot_of_another_target_is_refused():
    """A label or a count that cannot be."""
    with pytest.raises(ValueError, match="must be"):
        NoChange(BINARY).restore(["ugly"])
    with pytest.raises(ValueError, match="must be"):
        Prior(BINARY).restore([1, 2, 3])
