"""What a candidate says about one event, in the form it travels in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from learners.target import Label, Target

if TYPE_CHECKING:
    from learners.kernel import Kernel

Features: TypeAlias = Mapping[str, Any]


class Output(NamedTuple):
    """One candidate's prediction, as it goes on the wire."""

    prediction: Label | None
    """A configured label or a finite number; None when the candidate has nothing to say."""
    probabilities: dict[str, float] | None
    """By `label_key`, each in [0, 1]; None for regression and for models that give none."""


class Said(Protocol):
    """An `Output`, or any record that holds one."""

    @property
    def prediction(self) -> Label | None:
        """See `Output`."""

    @property
    def probabilities(self) -> Mapping[str, float] | None:
        """See `Output`."""


NOTHING = Output(None, None)
"""The model has nothing to say yet, or is suspended."""
NOT_FINITE = Output(None, None)
"""The model answered NaN, infinity or no probability: the same on the wire, told apart by identity."""
_new = tuple.__new__  # half the price of Output(...): this runs for every event and candidate


def predictor(model: Any, target: Target) -> Callable[[Features], Output]:  # noqa: ANN401 - River's or the user's
    """Read a River-like model's answers as `Output`s; whatever the model raises comes through.

    Binary: the prediction is the positive label if and only if its probability is greater than 0.5. An empty
    answer is `NOTHING`, one that is no number or no probability `NOT_FINITE`. The function is bound to this very
    model.

    >>> from river import dummy
    >>> target = Target(kind="binary", labels=("no", "yes"), positive="yes")
    >>> model = dummy.PriorClassifier()
    >>> model.learn_one({}, True)
    >>> predictor(model, target)({})
    Output(prediction='yes', probabilities={'no': 0.0, 'yes': 1.0})
    """
    if target.kind == "regression":
        return _regression(model)
    if not hasattr(model, "predict_proba_one"):
        return _label_only(model, target)
    if target.kind == "multiclass":
        return _multiclass(model, target)
    from learners.kernel import Kernel  # noqa: PLC0415 - River and pandas, 140 MB: who only reads scores needs neither

    return _probability(model, target) if isinstance(model, Kernel) else _binary(model, target)


def _keys(target: Target) -> tuple[str, str]:
    """Of the positive and of the negative label."""
    return target.keys[target.labels.index(target.positive)], target.keys[target.labels.index(target.negative)]


def _probability(kernel: Kernel, target: Target) -> Callable[[Features], Output]:
    """A kernel says it without a dict around it, or None for a row of River's."""
    probability, rivers = kernel.probability, _binary(kernel, target)
    positive, negative = target.positive, target.negative
    positive_key, negative_key = _keys(target)

    def predict(features: Features) -> Output:
        p = probability(features)
        if p is None:
            return rivers(features)
        if not 0.0 <= p <= 1.0:  # NaN
            return NOT_FINITE
        return _new(Output, (positive if p > 0.5 else negative, {negative_key: 1.0 - p, positive_key: p}))  # noqa: PLR2004

    return predict


def _binary(model: Any, target: Target) -> Callable[[Features], Output]:  # noqa: ANN401
    predict_proba_one, fallback = model.predict_proba_one, _label_only(model, target)
    positive, negative = target.positive, target.negative
    positive_key, negative_key = _keys(target)

    def predict(features: Features) -> Output:
        try:
            answer = predict_proba_one(features)
        except NotImplementedError:  # how River's classifiers say that they have only labels
            return fallback(features)
        if not answer:
            return NOTHING
        p = answer.get(True, 0.0)
        if not 0.0 <= p <= 1.0:  # also NaN
            return NOT_FINITE
        if type(p) is not float:
            p = float(p)
        return _new(Output, (positive if p > 0.5 else negative, {negative_key: 1.0 - p, positive_key: p}))  # noqa: PLR2004

    return predict


def _multiclass(model: Any, target: Target) -> Callable[[Features], Output]:  # noqa: ANN401
    predict_proba_one, fallback = model.predict_proba_one, _label_only(model, target)
    keys, labels, places = target.keys, target.labels, range(len(target.labels))

    def predict(features: Features) -> Output:
        try:
            answer = predict_proba_one(features)
        except NotImplementedError:
            return fallback(features)
        if not answer:
            return NOTHING
        # Labels not seen yet get 0.0, and ties go to the first as configured, not as learnt.
        shares = [float(answer.get(place, 0.0)) for place in places]
        highest = max(shares)
        if not (min(shares) >= 0.0 and highest <= 1.0) or not math.isfinite(sum(shares)):
            return NOT_FINITE
        return Output(labels[shares.index(highest)], dict(zip(keys, shares, strict=True)))

    return predict


def _label_only(model: Any, target: Target) -> Callable[[Features], Output]:  # noqa: ANN401
    predict_one, from_model = model.predict_one, target.from_model

    def predict(features: Features) -> Output:
        answer = predict_one(features)
        return NOTHING if answer is None else Output(from_model(answer), None)

    return predict


def _regression(model: Any) -> Callable[[Features], Output]:  # noqa: ANN401
    predict_one = model.predict_one

    def predict(features: Features) -> Output:
        answer = predict_one(features)
        if answer is None:
            return NOTHING
        number = float(answer)  # np.float64, too, which the wire would not take
        return Output(number, None) if math.isfinite(number) else NOT_FINITE

    return predict
