"""Models by name: for which targets they are, and which params they take."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from river import forest, linear_model, naive_bayes, tree

from learners import pipelines
from learners.encoders import CATEGORIES_MAX
from learners.features import FeatureKind
from learners.pipelines import Model
from learners.target import Target, TargetKind

Params: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One line of the catalog."""

    description: str
    cost_us: int
    """Rough CPU of predict and learn of one event with 8 numeric features, in microseconds."""
    classifier: type | None = None
    """The River class whose params are taken for classification; None if it cannot classify."""
    regressor: type | None = None
    """The same for regression."""
    assemble: Callable[[Target, Mapping[str, FeatureKind], int, dict[str, Any]], Model]
    """From target, kinds of the features, seed and a full set of params."""
    extra: Params = field(default_factory=dict)
    """Params besides the River class's own, with their defaults."""
    regression: Params = field(default_factory=dict)
    """Defaults that are ours and not River's, for regression."""

    def fits(self, kind: TargetKind) -> bool:
        """Whether it can learn a target of this kind."""
        return (self.regressor if kind == "regression" else self.classifier) is not None

    def params(self, kind: TargetKind) -> dict[str, Any]:
        """Params by name with their defaults; those that are objects in River (optimizers ...) are not among them."""
        source = self.regressor if kind == "regression" else self.classifier
        if source is None:
            return {}
        plain = {
            name: parameter.default
            for name, parameter in inspect.signature(source).parameters.items()
            if isinstance(parameter.default, bool | int | float | str | None) and name not in _OBJECTS
        }
        return plain | dict(self.extra) | (dict(self.regression) if kind == "regression" else {})


_OBJECTS = frozenset({"seed", "rng", "optimizer", "loss", "initializer", "splitter", "nominal_attributes"}) | {
    *("leaf_model", "metric", "drift_detector", "warning_detector"),
}
_CAP = {"categories_max": CATEGORIES_MAX}
_RATE = {"learning_rate": 0.01, **_CAP}

CATALOG: Mapping[str, ModelSpec] = {
    "logistic_regression": ModelSpec(
        description="scaled logistic regression by stochastic gradient descent; one per class for multiclass; "
        "about 1 us for two classes with the compiled kernel",
        cost_us=9,
        classifier=linear_model.LogisticRegression,
        assemble=pipelines.logistic,
        extra=_RATE,
    ),
    "linear_regression": ModelSpec(
        description="scaled linear regression by stochastic gradient descent, guarded against outliers; "
        "about 2 us with the compiled kernel",
        cost_us=12,
        regressor=linear_model.LinearRegression,
        assemble=pipelines.linear_regression,
        extra=_RATE,
        regression={"clip_gradient": pipelines.CLIP},
    ),
    "softmax_regression": ModelSpec(
        description="scaled multinomial logistic regression",
        cost_us=25,
        classifier=linear_model.SoftmaxRegression,
        assemble=pipelines.softmax,
        extra={**_RATE, "l2": 0.0},  # River's own default is an integer
    ),
    "passive_aggressive": ModelSpec(
        description="scaled passive-aggressive: each example moves the weights just as far as it must",
        cost_us=13,
        classifier=linear_model.PAClassifier,
        regressor=linear_model.PARegressor,
        assemble=pipelines.passive_aggressive,
        extra=_CAP,
        regression={"C": 0.01},  # with River's 1.0 every noisy example is fitted whole
    ),
    "gaussian_nb": ModelSpec(
        description="naive Bayes: a Gaussian per number, a smoothed frequency per category",
        cost_us=19,
        classifier=naive_bayes.GaussianNB,
        assemble=pipelines.gaussian_nb,
        extra=_CAP,
    ),
    "hoeffding_tree": ModelSpec(
        description="a decision tree grown from a stream (VFDT)",
        cost_us=34,
        classifier=tree.HoeffdingTreeClassifier,
        regressor=tree.HoeffdingTreeRegressor,
        assemble=pipelines.hoeffding_tree,
        extra=_CAP,
        regression={"leaf_prediction": "mean"},
    ),
    "hoeffding_adaptive_tree": ModelSpec(
        description="a Hoeffding tree that replaces branches whose error drifts",
        cost_us=106,
        classifier=tree.HoeffdingAdaptiveTreeClassifier,
        regressor=tree.HoeffdingAdaptiveTreeRegressor,
        assemble=pipelines.hoeffding_adaptive_tree,
        extra=_CAP,
        regression={"leaf_prediction": "mean"},
    ),
    "adaptive_random_forest": ModelSpec(
        description="10 resampled Hoeffding trees with drift detection; strong, slow, tens of megabytes",
        cost_us=830,
        classifier=forest.ARFClassifier,
        regressor=forest.ARFRegressor,
        assemble=pipelines.adaptive_random_forest,
        extra=_CAP,
        regression={"leaf_prediction": "mean"},
    ),
}


def models_for(kind: TargetKind) -> list[str]:
    """Names of the models that can learn a target of this kind.

    >>> models_for("regression")[:2]
    ['linear_regression', 'passive_aggressive']
    """
    return [name for name, spec in CATALOG.items() if spec.fits(kind)]


def factory_module(model: str) -> str | None:
    """The module of a `package.module:factory`, None for a name of the catalog.

    >>> factory_module("shop.models:fraud"), factory_module("gaussian_nb")
    ('shop.models', None)
    """
    module, colon, factory = model.partition(":")
    return module if colon and module and factory else None


def build(
    model: str,
    target: Target,
    kinds: Mapping[str, FeatureKind],
    seed: int = 1,
    params: Params | None = None,
    path: str = "model",
) -> Model:
    """A model that has learnt nothing; equal arguments give models that learn alike, in any process.

    ValueError, naming what there is to choose from, for an unknown model, one that does not fit the target, or
    params it does not have. `path` is where the model is named, for the message. The user's own is
    `package.module:factory`, called as `factory(target, kinds, seed, **params)`.

    >>> target = Target(kind="binary", labels=(0, 1), positive=1)
    >>> build("logistic_regression", target, {"amount": "numeric"})["StandardScaler"].with_std
    True
    >>> build("logistic_regression", target, {"amount": "numeric"}, params={"rate": 1})
    Traceback (most recent call last):
    ValueError: model.params.rate must be one of l2, l1, intercept_init, intercept_lr, ..., got an unknown name
    """
    params = dict(params or {})
    if factory_module(model) is not None:
        return _from_factory(model, target, kinds, seed, params, path)
    spec = CATALOG.get(model)
    if spec is None or not spec.fits(target.kind):
        choice = ", ".join(models_for(target.kind))
        raise ValueError(f"{path} must be one of {choice} for {target.kind}, or package.module:factory, got {model!r}")
    known = spec.params(target.kind)
    for name, value in params.items():
        _check_param(f"{path}.params.{name}", name, value, known)
    try:
        built = spec.assemble(target, kinds, seed, known | params)
    except (ValueError, TypeError, NotImplementedError) as problem:
        raise ValueError(f"{path}.params must be what River's {model} takes, got: {problem}") from problem
    return built


def _check_param(path: str, name: str, value: object, known: Params) -> None:
    if name not in known:
        raise ValueError(f"{path} must be one of {', '.join(known)}, got an unknown name")
    default = known[name]
    if default is None or name == "max_features":  # River documents several types for these
        expected, fits = "a plain value", isinstance(value, bool | int | float | str | None)
    elif isinstance(default, bool):
        expected, fits = "a boolean", isinstance(value, bool)
    elif isinstance(default, int):
        expected, fits = "an integer", isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(default, float):
        expected, fits = "a number", isinstance(value, int | float) and not isinstance(value, bool)
    else:
        expected, fits = "a string", isinstance(value, str)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{path} must be {expected}, as its default {default!r} is, got {value!r}")


def _from_factory(
    model: str, target: Target, kinds: Mapping[str, FeatureKind], seed: int, params: dict[str, Any], path: str
) -> Model:
    module, _, name = model.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as problem:
        raise ValueError(f"{path} must be an importable package.module:factory, got {model!r}: {problem}") from problem
    try:
        built = factory(target, kinds, seed, **params)
    except TypeError as problem:
        raise ValueError(f"{path} must be a factory(target, kinds, seed, **params), got {problem}") from problem
    for method in ("learn_one", "predict_one"):
        if not callable(getattr(built, method, None)):
            raise ValueError(f"{path} must give a model with {method}, got {type(built).__name__}")  # noqa: TRY004 - the config is wrong, not a type here
    return built
