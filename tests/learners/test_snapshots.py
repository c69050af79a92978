"""Pickles behind an exact list: models come back whole, programs do not run."""

from __future__ import annotations

import functools
import gc
import io
import os
import pickle
import random
import sys
import types

import pytest
from river import drift, forest, linear_model, preprocessing, proba, stats, tree
from river.drift import binary
from river.tree.splitter import GaussianSplitter

from learners import allowlist, catalog
from learners.allowlist import GLOBALS, Allowlist
from learners.encoders import ScaledOneHot
from learners.snapshots import dumps, loads
from learners.target import Target


class Calls:
    """A pickle that calls `function(*arguments)` when loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    "gadget",
    [
        Calls(os.system, "true"),
        Calls(eval, "1"),
        Calls(getattr, stats.Mean(), "update"),
        Calls(__import__, "os"),
        Calls(functools.partial, os.system),
        Calls(functools.partial, Calls(functools.partial, eval)),
        Calls(functools.reduce, max, [1]),
        Calls(open, "/dev/null"),
        Calls(pickle.loads, b"N."),
        Calls(stats.Mean.update, stats.Mean(), 1),
    ],
    ids=lambda gadget: gadget.function.__name__,
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_calls_is_refused_by_name(gadget, protocol):
    """What is not on the list is named, whatever it hides in and however it is written."""
    with pytest.raises(ValueError, match=r"must name only allowed globals, got \S+|could not"):
        loads(pickle.dumps({"model": [gadget]}, protocol), Allowlist())


def global_of(module, name):
    return (
        b"\x80\x04\x8c"
        + bytes([len(module)])
        + module.encode()
        + b"\x8c"
        + bytes([len(name)])
        + name.encode()
        + b"\x93."
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("river.linear_model.log_reg", "LogisticRegression.__init__.__globals__"),
        ("river.compose.pipeline", "inspect"),  # a module that a module of River's imports
        ("river.naive_bayes.gaussian", "GaussianNB.__init__"),
        ("river.utils.pretty", "print_table"),  # a function of River's that is not listed
        ("learners.snapshots", "pickle.loads"),
        ("learners.snapshots", "loads"),
        ("learners.catalog", "importlib"),
        ("random", "Random.seed"),
        ("river.datasets.insects", "Insects"),  # a class that downloads
    ],
)
@pytest.mark.parametrize("allow", [Allowlist(), Allowlist(modules=("tests_own_models",))], ids=["catalog", "factories"])
def test_dotted_names_modules_and_functions_are_no_way_round(module, name, allow):
    """Attributes of what is listed are not listed, and a module lends out only what it defines."""
    with pytest.raises(ValueError, match="must name only allowed globals"):
        loads(global_of(module, name), allow)


def test_binding_a_method_that_is_not_listed_is_refused():
    """The one way to a bound method goes through its own exact list."""
    blob = dumps([stats.Mean().update])
    with pytest.raises(ValueError, match=r"must bind only allowed methods, got river\.stats\.mean\.Mean\.update"):
        loads(blob, Allowlist())


def test_a_module_of_the_users_lends_its_own_and_nothing_it_imports(monkeypatch):
    """Naming `shop.models` does not let `shop.models.os.system` in, nor `from os import system`."""
    module = types.ModuleType("shop_models")
    lines = ("import os", "from os import system", "from pathlib import Path", "from shutil import rmtree")
    exec("\n".join((*lines, "class Mine: pass", "def made(): return Mine()")), module.__dict__)
    monkeypatch.setitem(sys.modules, "shop_models", module)
    allow = Allowlist(modules=("shop_models",))

    assert loads(global_of("shop_models", "Mine"), allow) is module.Mine
    assert loads(global_of("shop_models", "made"), allow) is module.made
    for name in ("os", "system", "rmtree", "Path", "os.system", "Mine.__init__", "absent"):
        with pytest.raises(ValueError, match="must name only allowed globals"):
            loads(global_of("shop_models", name), allow)
    with pytest.raises(ValueError, match="must name only"):
        loads(global_of("shop_models", "Mine"), Allowlist(modules=("shop",)))


def test_a_factory_may_use_any_model_of_rivers():
    """Classes of River's outside the catalog load once a module of the user's is named, and not before."""
    model = preprocessing.MinMaxScaler() | linear_model.Perceptron()
    model.learn_one({"x": 1.0}, True)
    blob = dumps(model)
    with pytest.raises(ValueError, match="must name only allowed globals"):
        loads(blob, Allowlist())
    assert loads(blob, Allowlist(modules=("shop_models",))).predict_one({"x": 1.0}) is model.predict_one({"x": 1.0})


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x80\x05K", b"\x80\x05}]r."])
def test_damage_is_a_value_error(damage):
    """Whatever pickle makes of broken bytes, the caller sees one kind of error."""
    with pytest.raises(ValueError, match="snapshot must be"):
        loads(damage, Allowlist())


def test_what_cannot_be_pickled_is_a_value_error():
    """A model with a lambda inside is refused when it is taken."""
    with pytest.raises(ValueError, match="could not take a snapshot of"):
        dumps([lambda: None])


class Names(pickle.Unpickler):
    def __init__(self, blob):
        super().__init__(io.BytesIO(blob))
        self.found = set()

    def find_class(self, module, name):
        self.found.add((module, name))
        return super().find_class(module, name)


def names_in(blob):
    reader = Names(blob)
    reader.load()
    return {name for name in reader.found if name[0] != "learners.snapshots"}


def test_everything_listed_exists_and_is_harmless_by_kind():
    """The list holds classes and the three functions that River's models keep; nothing that is gone from River."""
    functions = set()
    for module, name in GLOBALS:
        found = pickle._getattribute(__import__(module, fromlist=["_"]), name)[0]
        if not isinstance(found, type):
            functions.add(name)
    assert functions == {
        "deepcopy",
        "scalar",
        "GaussianNB._make_gaussian",
        "EBSTNode._update_estimator_univariate",
        "NominalSplitterReg._update_estimator_univariate",
    }


def test_methods_that_may_be_bound_exist():
    """Nor does the list of methods hold what River no longer has."""
    for module, owner, name in allowlist.METHODS:
        assert callable(getattr(getattr(__import__(module, fromlist=["_"]), owner), name))


DETECTORS = [
    drift.ADWIN,
    drift.PageHinkley,
    lambda: drift.PageHinkley(mode="up"),
    lambda: drift.PageHinkley(mode="down"),
    lambda: drift.KSWIN(seed=1),
    binary.DDM,
    binary.EDDM,
    binary.FHDDM,
    binary.HDDMA,
    binary.HDDMW,
]


@pytest.mark.parametrize("build", DETECTORS)
def test_drift_detectors_go_on_from_a_snapshot(build):
    """A detector restored at any point fires on the very observations the other does."""
    source = random.Random(5)
    stream = [int(source.random() < (0.1 if row < 700 else 0.6)) for row in range(1400)]
    whole = build()
    for value in stream[:650]:
        whole.update(value)
    again = loads(dumps(whole), Allowlist())
    fired = []
    for detector in (whole, again):
        fires = []
        for row, value in enumerate(stream[650:]):
            detector.update(value)
            if detector.drift_detected:
                fires.append(row)
        fired.append(fires)
    assert fired[0] == fired[1]
    assert names_in(dumps(whole)) <= GLOBALS


def test_a_tree_is_far_smaller_than_its_plain_pickle():
    """The generators nobody seeded are left out, and the tree learns on as the original does."""
    source = random.Random(3)
    rows = [{f"f{place}": source.gauss(0, 1) for place in range(8)} for _ in range(1200)]
    model = tree.HoeffdingTreeClassifier()
    for row in rows[:1000]:
        model.learn_one(row, row["f0"] > 0)
    blob = dumps(model)
    assert len(blob) * 8 < len(pickle.dumps(model, 5))
    again = loads(blob, Allowlist())
    for row in rows[1000:]:
        assert model.predict_proba_one(row) == again.predict_proba_one(row)
        model.learn_one(row, row["f0"] > 0)
        again.learn_one(row, row["f0"] > 0)


def test_a_seeded_gaussian_keeps_its_generator():
    """Leaving out is for generators that nothing can tell apart; a seeded one draws on where it was."""
    gaussian = proba.Gaussian(seed=4)
    for value in (1.0, 2.0, 4.0):
        gaussian.update(value)
    gaussian.sample()
    again = loads(dumps(gaussian), Allowlist(modules=("shop_models",)))
    assert [again.sample() for _ in range(3)] == [gaussian.sample() for _ in range(3)]


def test_an_unseeded_gaussian_can_still_be_drawn_from():
    """What was left out is there again."""
    gaussian = proba.Gaussian()
    gaussian.update(1.0)
    assert isinstance(loads(dumps(gaussian), Allowlist()).sample(), float)


def test_what_two_share_they_share_again():
    """A distribution in two places, and one variance that two distributions are of."""
    one, other = proba.Gaussian(), proba.Gaussian()
    other._var = one._var
    again = loads(dumps([one, one, other]), Allowlist())
    assert again[0] is again[1] is not again[2]
    again[0].update(1.0)
    assert again[2].mu == 1.0


def everything_in(thing):
    """All objects that it holds, as the collector sees them."""
    seen, left = {}, [thing]
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, type | types.FunctionType | types.ModuleType):
            seen[id(one)] = one
            left += gc.get_referents(one)
    return list(seen.values())


@pytest.mark.parametrize("taken", [False, True], ids=["trained", "restored"])
def test_a_forest_is_as_quick_after_its_snapshot(taken):
    """Python 3.11 keeps attributes in place until somebody asks for `__dict__`; from then on all takes longer."""
    source = random.Random(3)
    model = forest.ARFClassifier(n_models=2, seed=1)
    for _ in range(300):
        row = {f"f{place}": source.gauss(0, 1) for place in range(4)}
        model.learn_one(row, row["f0"] > 0)
    blob = dumps(model)
    if taken:
        model = loads(blob, Allowlist())
    kinds = {proba.Gaussian: "_var", stats.Var: "_S", stats.Mean: "_mean", GaussianSplitter: "n_splits"}
    found = [each for each in everything_in(model) if type(each) in kinds]
    assert {type(each) for each in found} == set(kinds)
    for each in found:
        held = [one for one in gc.get_referents(each) if type(one) is dict]
        assert not any(kinds[type(each)] in one for one in held), f"{type(each).__name__} was asked for its __dict__"


def test_a_large_snapshot_lets_others_have_their_turn():
    """A thread takes it: where no Python code is run for long, the event loop stands still."""
    calls = 0

    def note(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    thing = [[float(number)] for number in range(200_000)]
    sys.setprofile(note)
    try:
        blob = dumps(thing)
    finally:
        sys.setprofile(None)
    assert calls > len(blob) / 2**17


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_params_of_the_catalog_need_nothing_that_is_not_listed(kind):
    """Every leaf, penalty and mode that params can choose loads again."""
    target = {
        "binary": Target(kind="binary", labels=(0, 1), positive=1),
        "multiclass": Target(kind="multiclass", labels=("a", "b", "c")),
        "regression": Target(kind="regression"),
    }[kind]
    kinds = {"x": "numeric", "c": "categorical"}
    options = [
        *(
            {"leaf_prediction": leaf}
            for leaf in (("mean", "model", "adaptive") if kind == "regression" else ("mc", "nb"))
        ),
        *({"mode": mode} for mode in (0, 1, 2)),
        *({"binary_split": True}, {"l1": 0.1}, {"l2": 0.1}),
        *({"split_criterion": criterion} for criterion in ("gini", "hellinger")),
    ]
    source = random.Random(2)
    for name in catalog.models_for(kind):
        known = catalog.CATALOG[name].params(kind)
        for params in options:
            if not params.keys() <= known.keys() or "forest" in name:
                continue
            model = catalog.build(
                name, target, kinds, 1, params | ({"grace_period": 30} if "grace_period" in known else {})
            )
            for _ in range(300):
                row = {"x": source.gauss(0, 1), "c": source.choice("abc")}
                level = row["x"] + (row["c"] == "a")
                model.learn_one(
                    row, level > 0.5 if kind == "binary" else int(level > 0) if kind == "multiclass" else level
                )
            assert names_in(dumps(model)) <= GLOBALS, (name, params)


def test_encoders_are_listed():
    """Our own steps load as River's do."""
    encoder = ScaledOneHot()
    encoder.learn_one({"x": 1.0, "c": "a"})
    assert loads(dumps(encoder), Allowlist()).transform_one({"c": "a"}) == {"c=a": 1.0}
