"""River's own objects, called without what costs most around them.

The same arithmetic in the same order, so the same numbers to the last bit: 1 of 10 microseconds less for what
`Pipeline` does around encoder and model, 1.5 more where the encoder is a plain scaler, which then learns a row and
scales it in one pass over its features; 60 of 84 less for naive Bayes, whose `logsumexp` is made for large arrays and
gets a number per class. Tests compare with River's way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from river import base, compose, naive_bayes, preprocessing

from learners.encoders import CategoryCodes, ScaledOneHot
from learners.pipelines import Model

_ENCODERS = (preprocessing.StandardScaler, ScaledOneHot, CategoryCodes)


class Shortcut:
    """River's protocol over the two steps of a pipeline, which it shares and does not copy."""

    __slots__ = ("learn_one", "predict_one", "predict_proba_one")

    def __init__(self, encoder: Any, model: Any) -> None:  # noqa: ANN401 - River's
        def learn_one(x: Mapping[str, Any], y: Any) -> None:  # noqa: ANN401
            learn_model(learnt(x), y)

        def predict_one(x: Mapping[str, Any]) -> Any:  # noqa: ANN401
            return predict(transform(x))

        def predict_proba_one(x: Mapping[str, Any]) -> Any:  # noqa: ANN401
            return predict_proba(transform(x))

        learnt, transform = _learn_and_transform(encoder), encoder.transform_one
        learn_model, predict = model.learn_one, model.predict_one
        predict_proba: Any = getattr(model, "predict_proba_one", None)  # a regressor has none
        self.learn_one: Callable[[Mapping[str, Any], Any], None] = learn_one
        self.predict_one: Callable[[Mapping[str, Any]], Any] = predict_one
        self.predict_proba_one: Callable[[Mapping[str, Any]], Any] = predict_proba_one


def _learn_and_transform(encoder: Any) -> Callable[[Mapping[str, Any]], dict[str, Any]]:  # noqa: ANN401 - River's
    """`learn_one`, then `transform_one` of the same row."""
    if type(encoder) is preprocessing.StandardScaler and encoder.with_std and encoder.window_size is None:
        return _learn_and_scale(encoder)
    learn, transform = encoder.learn_one, encoder.transform_one

    def both(x: Mapping[str, Any]) -> dict[str, Any]:
        learn(x)
        return transform(x)  # type: ignore[no-any-return]

    return both


def _learn_and_scale(scaler: preprocessing.StandardScaler) -> Callable[[Mapping[str, float]], dict[str, float]]:
    """Both of the scaler's loops in one: running mean and variance by Welford's update, then (x - mean) / deviation."""
    counts, means, variances = scaler.counts, scaler.means, scaler.vars

    def both(x: Mapping[str, float]) -> dict[str, float]:
        scaled = {}
        for name, value in x.items():
            count = counts[name] + 1
            counts[name] = count
            mean = means[name]
            distance = value - mean
            mean += distance / count
            means[name] = mean
            distance_now = value - mean
            variance = variances[name]
            variance += (distance * distance_now - variance) / count
            variances[name] = variance
            scaled[name] = distance_now / variance**0.5 if variance else 0.0
        return scaled

    return both


class BayesShortcut:
    """River's protocol over a `GaussianNB`, which it shares and does not copy."""

    __slots__ = ("learn_one", "predict_one", "predict_proba_one")

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - River's
        likelihoods_of, rivers = model.joint_log_likelihood, model.predict_proba_one

        def predict_proba_one(x: Mapping[str, Any]) -> dict[Any, float]:
            likelihoods = likelihoods_of(x)
            values = list(likelihoods.values())
            if not values or not math.isfinite(sum(values)):
                return rivers(x)  # type: ignore[no-any-return]
            total = log_sum_exp(values)
            return {label: math.exp(value - total) for label, value in likelihoods.items()}

        self.learn_one: Callable[[Mapping[str, Any], Any], None] = model.learn_one
        self.predict_one: Callable[[Mapping[str, Any]], Any] = model.predict_one
        self.predict_proba_one: Callable[[Mapping[str, Any]], dict[Any, float]] = predict_proba_one


def log_sum_exp(values: list[float]) -> float:
    """`scipy.special.logsumexp` of a few finite numbers: its steps, by its functions, whose last bits are not `math`'s.

    >>> log_sum_exp([0.0, 0.0]) == math.log(2)
    True
    """
    highest = max(values)
    table = np.array(values)
    shares = np.exp(table - highest)
    shares[table == highest] = 0.0  # left out of the sum and added as a logarithm, for precision
    peaks = values.count(highest)
    return float(np.log1p(np.add.reduce(shares) / peaks)) + float(np.log(float(peaks))) + highest


def shortcut(model: Model) -> Model:
    """A shortcut into the model: an encoder of ours or a scaler and one model, or naive Bayes; else the model itself.

    >>> from river import linear_model
    >>> pipeline = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    >>> shortcut(pipeline).learn_one({"x": 1.0}, True)
    >>> pipeline["LogisticRegression"].weights
    {'x': 0.0}
    """
    if type(model) is naive_bayes.GaussianNB:
        return BayesShortcut(model)
    if type(model) is not compose.Pipeline or len(model.steps) != 2:  # noqa: PLR2004 - encoder and model
        return model
    encoder, last = model.steps.values()
    if type(encoder) not in _ENCODERS or not isinstance(last, base.Classifier | base.Regressor):
        return model
    return Shortcut(encoder, last)
