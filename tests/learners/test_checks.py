"""The catalog's models, held to every property of `learners.checks`."""

from __future__ import annotations

import pytest

from learners.catalog import models_for
from learners.checks import CHECKS, Setting
from learners.target import Target

TARGETS = {
    "binary": Target(kind="binary", labels=("no", "yes"), positive="yes"),
    "multiclass": Target(kind="multiclass", labels=("low", "mid", "high")),
    "regression": Target(kind="regression"),
}
KINDS = {
    "numeric": {"a": "numeric", "b": "numeric", "c": "numeric"},
    "mixed": {"a": "numeric", "b": "integer", "c": "categorical"},
    "categorical": {"a": "categorical", "b": "categorical"},
}
SETTINGS = [
    pytest.param(model, kind, features, id=f"{model}-{kind}-{features}")
    for kind in TARGETS
    for model in models_for(kind)
    for features in KINDS
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(("model", "kind", "features"), SETTINGS)
def test_every_model_keeps_every_promise(model, kind, features, check):
    """What `learners.checks` says holds for the catalog, on every kind of target and feature."""
    slow = model == "adaptive_random_forest"
    check(Setting(model=model, target=TARGETS[kind], kinds=KINDS[features], rows=150 if slow else 400))
