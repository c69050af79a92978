"""How each model of the catalog takes numbers, categories and missing values: encoder, model, wrapper.

Every function takes the target, the features' kinds, a seed and a full set of checked params.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from river import forest, linear_model, multiclass, naive_bayes, optim, preprocessing, tree

from learners.encoders import CategoryCodes, ScaledOneHot
from learners.features import FeatureKind
from learners.mixed_nb import MixedNB
from learners.target import Target

Kinds: TypeAlias = Mapping[str, FeatureKind]
Model: TypeAlias = Any
"""River's protocol: `learn_one(x, y)`, `predict_one(x)` and, for classifiers, `predict_proba_one(x)`."""

CLIP = 10.0
"""Standard deviations of features and target: beyond, one outlier throws a squared loss out of its valley."""


def _categorical(kinds: Kinds) -> list[str]:
    return [name for name, kind in kinds.items() if kind == "categorical"]


def _linear(kinds: Kinds, params: dict[str, Any], clip: float | None = None) -> Model:
    categories_max = params.pop("categories_max")
    if not _categorical(kinds) and clip is None:
        return preprocessing.StandardScaler()  # the fast path: nothing but River's own two steps
    return ScaledOneHot(categories_max=categories_max, clip=clip)


def _sgd(params: dict[str, Any]) -> dict[str, Any]:
    return params | {"optimizer": optim.SGD(params.pop("learning_rate"))}


def _per_class(target: Target, model: Model) -> Model:
    return model if target.kind == "binary" else multiclass.OneVsRestClassifier(model)


def logistic(target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """Binary as it is, multiclass as one model per class."""
    encoder = _linear(kinds, params)
    return encoder | _per_class(target, linear_model.LogisticRegression(**_sgd(params)))


def softmax(_target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """One weight vector per class, classes as they come."""
    return _linear(kinds, params) | linear_model.SoftmaxRegression(**_sgd(params))


def linear_regression(_target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """Features clipped and target scaled, so that it cannot diverge."""
    encoder = _linear(kinds, params, clip=CLIP)
    # The target is scaled too, so that one learning rate and one clip fit millions as well as millionths.
    return encoder | preprocessing.TargetStandardScaler(linear_model.LinearRegression(**_sgd(params)))


def passive_aggressive(target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """Hinge loss for classes, epsilon-insensitive for numbers."""
    if target.kind == "regression":
        encoder = _linear(kinds, params, clip=CLIP)
        return encoder | preprocessing.TargetStandardScaler(linear_model.PARegressor(**params))  # type: ignore[no-untyped-call]
    return _linear(kinds, params) | _per_class(target, linear_model.PAClassifier(**params))  # type: ignore[no-untyped-call]


def _coded(kinds: Kinds, params: dict[str, Any], model: Model) -> Model:
    categories_max = params["categories_max"]
    return CategoryCodes(categories_max=categories_max) | model if _categorical(kinds) else model


def _tree_params(target: Target, kinds: Kinds, params: dict[str, Any]) -> dict[str, Any]:
    chosen = {name: value for name, value in params.items() if name != "categories_max"}
    if target.kind == "regression" and chosen["leaf_prediction"] != "mean":
        # Unguarded, the linear model of a leaf diverges on unscaled features and its tree says NaN.
        chosen["leaf_model"] = ScaledOneHot(clip=CLIP) | preprocessing.TargetStandardScaler(
            linear_model.LinearRegression(clip_gradient=CLIP)
        )
    return chosen | {"nominal_attributes": _categorical(kinds) or None}


def hoeffding_tree(target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """Features as they are, categories split by value."""
    model = tree.HoeffdingTreeRegressor if target.kind == "regression" else tree.HoeffdingTreeClassifier
    return _coded(kinds, params, model(**_tree_params(target, kinds, params)))


def hoeffding_adaptive_tree(target: Target, kinds: Kinds, seed: int, params: dict[str, Any]) -> Model:
    """As the Hoeffding tree, with an ADWIN per branch."""
    regression = target.kind == "regression"
    model = tree.HoeffdingAdaptiveTreeRegressor if regression else tree.HoeffdingAdaptiveTreeClassifier
    return _coded(kinds, params, model(**_tree_params(target, kinds, params), seed=seed))


def adaptive_random_forest(target: Target, kinds: Kinds, seed: int, params: dict[str, Any]) -> Model:
    """As the Hoeffding tree, ten of them, each on its own sample of rows and features."""
    model = forest.ARFRegressor if target.kind == "regression" else forest.ARFClassifier
    built = model(**_tree_params(target, kinds, params), seed=seed)
    # River counts the features of the first row it predicts: a missing one, or a prediction more, would change it.
    built._init_ensemble(sorted(kinds))  # noqa: SLF001
    return _coded(kinds, params, built)


def gaussian_nb(_target: Target, kinds: Kinds, _seed: int, params: dict[str, Any]) -> Model:
    """River's own for numbers alone, `MixedNB` with categories."""
    model = MixedNB(nominal=_categorical(kinds)) if _categorical(kinds) else naive_bayes.GaussianNB()  # type: ignore[no-untyped-call]
    return _coded(kinds, params, model)
