"""The list of what a snapshot may name is as short as it can be: everything on it is in some model's snapshot."""

from __future__ import annotations

import io
import pickle
import random
from functools import cache

import pytest
from river import drift
from river.drift import binary

from learners import catalog
from learners.allowlist import GLOBALS, METHODS
from learners.snapshots import dumps
from learners.target import Target

TARGETS = {
    "binary": Target(kind="binary", labels=(0, 1), positive=1),
    "multiclass": Target(kind="multiclass", labels=("a", "b", "c")),
    "regression": Target(kind="regression"),
}
DETECTORS = (
    drift.ADWIN,
    *(lambda mode=mode: drift.PageHinkley(mode=mode) for mode in ("up", "down", "both")),
    lambda: drift.KSWIN(seed=1),
    binary.DDM,
    binary.EDDM,
    binary.FHDDM,
    binary.HDDMA,
    binary.HDDMW,
)
ROWS, TURN = 600, 300
"""Of each model; the concept turns round at row `TURN`, so that trees that adapt grow their other branches."""


class Reader(pickle.Unpickler):
    """Notes what a snapshot names, and which methods it binds."""

    def __init__(self, blob):
        super().__init__(io.BytesIO(blob))
        self.globals, self.methods = set(), set()

    def find_class(self, module, name):
        if (module, name) == ("learners.snapshots", "_bound"):
            return self.bind
        if module != "learners.snapshots":
            self.globals.add((module, name))
        return super().find_class(module, name)

    def bind(self, owner, name):
        parent = next(
            each for each in (owner if isinstance(owner, type) else type(owner)).__mro__ if name in vars(each)
        )
        self.methods.add((parent.__module__, parent.__qualname__, name))
        return getattr(owner, name)


def choices(known, kind):
    """Params that change what a model is made of."""
    leaves = ("mean", "model", "adaptive") if kind == "regression" else ("mc", "nb", "nba")
    options = [
        {},
        *({"leaf_prediction": leaf} for leaf in leaves),
        *({"mode": mode} for mode in (0, 1, 2)),
        {"binary_split": True},
    ]
    small = {name: value for name, value in {"grace_period": 30, "n_models": 3}.items() if name in known}
    return [small | option for option in options if option.keys() <= known.keys()]


def trained(name, kind, params):
    """A model of the catalog that has seen a numeric and a categorical feature, and a change."""
    source = random.Random(2)
    model = catalog.build(name, TARGETS[kind], {"x": "numeric", "c": "categorical"}, 1, params)
    for number in range(ROWS):
        row = {"x": source.gauss(0, 1), "c": source.choice("abc")}
        level = (row["x"] + (row["c"] == "a")) * (1 if number < TURN else -1)
        label = {"binary": int(level > 0.5), "multiclass": "abc"[(level > 0) + (level > 1)], "regression": level}[kind]
        model.learn_one(row, label)
    return model


@cache
def needed():
    """All that snapshots name, and all that they bind."""
    found, bound = set(), set()
    things = [
        trained(name, kind, params)
        for kind in TARGETS
        for name in catalog.models_for(kind)
        for params in choices(catalog.CATALOG[name].params(kind), kind)
    ]
    for build in DETECTORS:
        detector, source = build(), random.Random(5)
        for _ in range(ROWS):
            detector.update(int(source.random() < 0.3))
        things.append(detector)
    for thing in things:
        reader = Reader(dumps(thing))
        reader.load()
        found |= reader.globals
        bound |= reader.methods
    return found, bound


@pytest.mark.slow
def test_what_may_be_named_is_what_models_and_detectors_name():
    """A name that nothing needs is only of use to somebody who writes pickles by hand."""
    assert needed()[0] == GLOBALS


@pytest.mark.slow
def test_methods_that_may_be_bound_are_those_that_models_bind():
    """Likewise."""
    assert needed()[1] == METHODS
