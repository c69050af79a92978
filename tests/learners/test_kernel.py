"""The compiled kernel: River's numbers to the last bit on every path of the catalog, and River wherever it is not."""

import fractions
import random

import numpy as np
import pytest
from compiled_kernel import needs_kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from river import linear_model, optim, preprocessing

from learners.candidates import Candidates, CandidateSpec, load_models
from learners.catalog import build
from learners.encoders import ScaledOneHot
from learners.kernel import ScaledLinear, kernel, kernel_state, repeats_river
from learners.snapshots import dumps
from learners.target import Target

pytestmark = needs_kernel

YES_NO = Target(kind="binary", labels=("no", "yes"), positive="yes")
REGRESSION = Target(kind="regression")
NUMERIC = dict.fromkeys("abcde", "numeric")
MIXED = NUMERIC | {"c": "categorical", "d": "categorical"}
NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 3, True, False, 1e-300, 5e-324, 1e100, -1e100, 2**53 + 1, -(10**80), 1e-160)),
    st.floats(-1e100, 1e100),
    st.floats(-3, 3),
    st.integers(-5, 5),
)
ANY = st.one_of(NUMBERS, st.sampled_from((float("nan"), float("inf"), -float("inf"), 1e308, 10**400)))
CATEGORIES = st.sampled_from(("", "NL", "DE", "é", "x=y", "*"))
MODELS = {
    "scaled": ("logistic_regression", YES_NO, NUMERIC, {}),
    "regularised": ("logistic_regression", YES_NO, NUMERIC, {"l2": 0.3, "learning_rate": 0.5, "intercept_lr": 0.2}),
    "clipped": ("logistic_regression", YES_NO, NUMERIC, {"clip_gradient": 0.25, "intercept_init": -3.0}),
    "steep": ("logistic_regression", YES_NO, NUMERIC, {"learning_rate": 20.0, "intercept_init": 25.0}),
    "categories": ("logistic_regression", YES_NO, MIXED, {"l2": 0.1}),
    "few categories": ("logistic_regression", YES_NO, MIXED, {"categories_max": 2}),
    "no categories": ("logistic_regression", YES_NO, MIXED, {"categories_max": 0}),
    "regression": ("linear_regression", REGRESSION, NUMERIC, {}),
    "regression, regularised": ("linear_regression", REGRESSION, NUMERIC, {"l2": 0.3, "clip_gradient": 0.5}),
    "regression, categories": ("linear_regression", REGRESSION, MIXED, {"categories_max": 2, "learning_rate": 0.3}),
}


def own(name):
    """River's pipelines that are not in the catalog, and the catalog's."""
    if name == "bare regression":
        return preprocessing.StandardScaler() | linear_model.LinearRegression(l2=0.01, intercept_lr=1)
    if name == "weighted":
        loss = optim.losses.Log(weight_pos=3, weight_neg=0.5)
        return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(1), loss, clip_gradient=2)
    model, target, kinds, params = MODELS[name]
    return build(model, target, kinds, 1, params)


NAMES = (*MODELS, "bare regression", "weighted")


def rows_of(name, numbers=NUMBERS):
    mixed = name in MODELS and MODELS[name][2] is MIXED
    values = dict.fromkeys("abcde", numbers) | (dict.fromkeys("cd", CATEGORIES) if mixed else {})
    row = st.lists(st.sampled_from("abcde"), unique=True).flatmap(
        lambda names: st.fixed_dictionaries({each: values[each] for each in names})
    )
    classifies = name == "weighted" or (name in MODELS and MODELS[name][1] is YES_NO)
    answer = st.booleans() if classifies else st.one_of(st.floats(-1e100, 1e100), st.floats(-3, 3))
    return st.lists(st.tuples(row, answer), min_size=1, max_size=25)


def steps(model):
    return [dumps(step) for step in model.steps.values()]


def ask(model, x, classifies):
    """What a model says, NaN included; the sign of zero too."""
    if not classifies:
        return repr(float(model.predict_one(x)))
    return {answer: repr(float(p)) for answer, p in model.predict_proba_one(x).items()}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_predictions_and_state_are_rivers_to_the_last_bit(name, data):
    """Features that come and go, integers, booleans, new categories, values at the ends: as River's, row by row."""
    rows = data.draw(rows_of(name))
    river, ours = own(name), own(name)
    fast = kernel(ours)
    assert fast is not None
    classifies = hasattr(fast, "predict_proba_one")
    for x, y in rows:
        assert ask(fast, x, classifies) == ask(river, x, classifies)
        river.learn_one(x, y)
        assert fast.learn_many([(x, y)], 0) == 1
    fast.sync()
    assert steps(ours) == steps(river)


@pytest.mark.parametrize("name", ["scaled", "categories", "regression", "bare regression"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_values_that_no_gate_would_let_in_are_rivers_too(name, data):
    """NaN, infinities, integers beyond a double, categories for a model of numbers, other labels; raising too."""
    rows = data.draw(rows_of(name, st.one_of(ANY, CATEGORIES)))
    river, ours = own(name), own(name)
    fast = kernel(ours)
    classifies = hasattr(fast, "predict_proba_one")
    odd = data.draw(st.lists(st.sampled_from((None, 0, 1, 2, -1, True, 10**400, float("nan"))), min_size=len(rows)))
    for (x, answer), other in zip(rows, odd, strict=False):
        y = answer if other is None else other
        raised = []
        for each in (river, fast):
            try:
                told = ask(each, x, classifies)
                each.learn_one(x, y)
            except Exception as problem:  # noqa: BLE001 - whatever River raises
                told = type(problem)
            raised.append(told)
        assert raised[0] == raised[1]
        if isinstance(raised[0], type):  # half learnt: whoever asked goes back to a snapshot
            return
    fast.sync()
    assert repr([vars(step) for step in ours.steps.values()]) == repr([vars(step) for step in river.steps.values()])


@pytest.mark.parametrize("name", ["scaled", "regression, categories"])
def test_a_long_stream_ends_with_rivers_bits(name):
    """Where one rounding in a thousand differs, as between `sqrt(v)` and Python's `v**0.5`, five thousand rows tell."""
    river, ours = own(name), own(name)
    fast = kernel(ours)
    numbers = random.Random(3)
    categories = name in MODELS and MODELS[name][2] is MIXED
    rows = []
    for _ in range(5000):
        x = {each: numbers.gauss(0, 1) for each in "abe"} | ({"c": numbers.choice("xyz")} if categories else {})
        rows.append((x, x["a"] + numbers.gauss(0, 1) if categories else x["a"] > 0))
    for x, y in rows:
        river.learn_one(x, y)
    assert fast.learn_many(rows, 0) == len(rows)
    fast.sync()
    assert steps(ours) == steps(river)


BOUNDS = [
    sign * bound for sign in (1, -1) for bound in (18.0, np.nextafter(18, 19).item(), 30.0, np.nextafter(30, 31).item())
]


@given(st.one_of(st.floats(-40, 40), st.floats(17, 19), st.floats(-19, -17), st.sampled_from(BOUNDS)), st.booleans())
@settings(max_examples=300)
def test_far_from_the_boundary_probability_and_gradient_are_rivers(logit, answer):
    """River cuts the sigmoid off at 30 and takes other formulas for the gradient beyond 18: so does the kernel."""
    river, ours = (
        preprocessing.StandardScaler() | linear_model.LogisticRegression(intercept_init=logit) for _ in range(2)
    )
    fast = kernel(ours)
    assert ask(fast, {}, True) == ask(river, {}, True)
    river.learn_one({}, answer)
    fast.learn_one({}, answer)
    fast.sync()
    assert ours["LogisticRegression"].intercept == river["LogisticRegression"].intercept


def config_of(name):
    model, target, kinds, params = MODELS[name]
    return (
        {"main": CandidateSpec(model=model, params=params), "rival": CandidateSpec(model=model)},
        "main",
        target,
        kinds,
    )


def learnt(blob):
    """All numbers of a snapshot, and the order they were met in. The bytes say also which strings are one object."""
    told = []
    for model in load_models(blob).values():
        encoder, last = model.steps.values()
        scaler, linear = getattr(encoder, "scaler", encoder), getattr(last, "regressor", last)
        target = [last.var._S, vars(last.var.mean)] if linear is not last else []
        columns = getattr(encoder, "columns", {})
        parts = [dict(part) for part in (scaler.counts, scaler.means, scaler.vars, linear.weights)]
        told += [*parts, linear.intercept, linear.optimizer.n_iterations, target, columns]
    return repr(told)


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_snapshot_at_any_point_is_the_same_with_and_without(name, data):
    """Workers with a kernel and without may follow each other in any order: nothing but the speed differs."""
    rows = data.draw(rows_of(name))
    eras = data.draw(st.lists(st.booleans(), min_size=1, max_size=4))  # restarts, each with a kernel or without
    config = config_of(name)
    with_kernel, without = (Candidates(*config, kernels=kernels) for kernels in (True, False))
    restarted = Candidates(*config, kernels=eras[0])
    cuts = {len(rows) * place // len(eras): kernels for place, kernels in enumerate(eras)}
    for at, (x, y) in enumerate(rows):
        if at in cuts:
            blob = restarted.snapshot()
            restarted = Candidates.restore(blob, *config, kernels=cuts[at])
            assert restarted.with_kernel == (("main", "rival") if cuts[at] else ())
            assert restarted.snapshot() == blob
            assert with_kernel.snapshot() == without.snapshot()
        label = y if config[2] is REGRESSION else ("no", "yes")[y]
        assert with_kernel.predict(x) == without.predict(x) == restarted.predict(x)
        without.predict(rows[-1 - at][0])  # what is predicted, and in which order, is in no state
        assert with_kernel.learn(x, label) == without.learn(x, label) == restarted.learn(x, label)
    assert with_kernel.snapshot() == without.snapshot()
    assert learnt(restarted.snapshot()) == learnt(without.snapshot())
    assert not with_kernel.predict_failures


@given(st.lists(st.tuples(st.sampled_from(("good", "bad", "odd")), st.floats(-9, 9), st.booleans()), max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_row_that_raises_leaves_no_trace_and_one_for_river_is_learnt(history):
    """In groups: rows before and after a bad one are learnt, and one of a number type of somebody's is River's."""
    specs = {"main": CandidateSpec(model="logistic_regression")}
    rows = [
        (
            {"a": number if what == "good" else "NaN" if what == "bad" else np.float64(number), "b": 1.0},
            "yes" if y else "no",
        )
        for what, number, y in history
    ]
    with_kernel, without = (
        Candidates(specs, "main", YES_NO, {"a": "numeric", "b": "numeric"}, failures_max=99, kernels=kernels)
        for kernels in (True, False)
    )
    for at in range(0, len(rows), 7):
        group = rows[at : at + 7]
        failures = with_kernel.learn_all(group)
        assert failures == without.learn_all(group)
        assert [at + place for place, _ in failures] == [
            at + place for place, (what, _, _) in enumerate(history[at : at + 7]) if what == "bad"
        ]
        assert with_kernel.predict({"a": 2.0}) == without.predict({"a": 2.0})
        assert with_kernel.predict({"a": np.float64(2.0)}) == without.predict({"a": np.float64(2.0)})
    assert learnt(with_kernel.snapshot()) == learnt(without.snapshot())


def test_a_kernel_that_left_a_row_to_river_answers_with_what_river_learnt():
    """Once rows are River's, so are predictions; nothing of what is learnt later is missed."""
    river, ours = own("scaled"), own("scaled")
    fast = kernel(ours)
    rows = [({"a": 1.0}, True), ({"a": fractions.Fraction(5, 2)}, False), ({"a": 4.0}, True), ({"a": -1.0}, False)]
    for x, y in rows:
        river.learn_one(x, y)
        fast.learn_one(x, y)
        assert ask(fast, {"a": 7.0}, True) == ask(river, {"a": 7.0}, True)
    assert fast.learn_many(rows, 0) == 0
    fast.sync()
    assert steps(ours) == steps(river)


def test_a_number_named_as_a_column_is_rivers():
    """No configured feature may be so named; whoever builds candidates by hand gets River's answer all the same."""
    rows = [({"a": "x"}, True), ({"a=x": 3.0, "b": 1.0}, False), ({"b": 2.0, "a": "x"}, True), ({"a=x": 1.0}, True)]
    both = [({"a=x": 2.5, "a": "x"}, True), ({"a": "x", "a=x": 5.0}, False)]
    for order in (
        rows,
        rows[1:] + rows[:1],
        both * 2,
        rows + both,
        [rows[1], rows[3], rows[3], rows[0], *both],
        rows[:1] + both,
    ):
        river, ours = (
            ScaledOneHot() | linear_model.LogisticRegression(),
            ScaledOneHot() | linear_model.LogisticRegression(),
        )
        fast = kernel(ours)
        for x, y in order:
            assert ask(fast, x, True) == ask(river, x, True)
            river.learn_one(x, y)
            fast.learn_one(x, y)
        fast.sync()
        assert steps(ours) == steps(river)


@pytest.mark.parametrize(
    "last",
    [
        linear_model.LogisticRegression(l1=0.1),
        linear_model.LogisticRegression(optim.Adam(0.1)),
        linear_model.LogisticRegression(optim.SGD(optim.schedulers.InverseScaling(0.1))),
        linear_model.LogisticRegression(intercept_lr=optim.schedulers.InverseScaling(0.1)),
        linear_model.LogisticRegression(loss=optim.losses.Hinge()),
        linear_model.LogisticRegression(initializer=optim.initializers.Constant(1.0)),
        linear_model.LinearRegression(loss=optim.losses.Absolute()),
        preprocessing.TargetStandardScaler(linear_model.PARegressor()),
        preprocessing.TargetMinMaxScaler(linear_model.LinearRegression()),
        linear_model.SoftmaxRegression(),
    ],
    ids=str,
)
def test_a_model_with_other_arithmetic_has_no_kernel(last):
    """Only what is repeated to the last bit is repeated at all."""
    assert kernel(preprocessing.StandardScaler() | last) is None


@pytest.mark.parametrize("scaler", [{"with_std": False}, {"window_size": 9}], ids=str)
def test_a_scaler_with_other_arithmetic_has_no_kernel(scaler):
    """As for the models."""
    assert kernel(preprocessing.StandardScaler(**scaler) | linear_model.LogisticRegression()) is None


def test_a_target_that_varies_less_than_not_at_all_has_no_kernel():
    """It is River's to make sense of."""
    model = own("regression")
    model["TargetStandardScaler"].var._S = -1.0
    assert kernel(model) is None


@pytest.mark.parametrize("damage", ["weight", "count", "variance", "more"])
def test_a_state_that_no_rows_lead_to_has_no_kernel(damage):
    """As for the target."""
    model = own("scaled")
    model.learn_one({"a": 1.0, "b": 2.0}, True)
    scaler, linear = model.steps.values()
    if damage == "weight":
        linear._weights.pop("a")
    elif damage == "more":
        linear._weights.update({"z": 1.0})
    else:
        (scaler.counts if damage == "count" else scaler.vars)["a"] = -1
    assert kernel(model) is None


class Inexact:
    """Numbers as by a compiler that contracts products and sums: now and then the last bit is another."""

    def __init__(self):
        object.__setattr__(self, "numbers", ScaledLinear())

    def __getattr__(self, name):
        return getattr(self.numbers, name)

    def __setattr__(self, name, value):
        setattr(self.numbers, name, value)

    def slots(self):
        return [(*rest, np.nextafter(weight, 9.0).item()) for *rest, weight in self.numbers.slots()]


def test_a_kernel_with_other_numbers_than_rivers_is_not_used():
    """One bit of the weights is enough to be found out, in the trial of each process."""
    assert repeats_river(ScaledLinear)
    assert not repeats_river(Inexact)
    assert kernel_state() == "compiled"
