"""The catalog: what is named wrongly is refused with what there is."""

from __future__ import annotations

import pytest
from river import compose, linear_model, preprocessing

from learners.catalog import CATALOG, build, models_for
from learners.encoders import CategoryCodes, ScaledOneHot
from learners.mixed_nb import MixedNB
from learners.shortcut import Shortcut, shortcut
from learners.target import Target

TARGETS = {
    "binary": Target(kind="binary", labels=(0, 1), positive=1),
    "multiclass": Target(kind="multiclass", labels=("a", "b", "c")),
    "regression": Target(kind="regression"),
}
KINDS = {"x": "numeric", "c": "categorical"}


@pytest.mark.parametrize("kind", TARGETS)
def test_every_parameter_named_can_be_given_its_default(kind):
    """What an error message offers is what a config may say."""
    for name in models_for(kind):
        params = CATALOG[name].params(kind)
        assert params
        build(name, TARGETS[kind], KINDS, 1, params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rte": 0.1}, r"model\.params\.learning_rte must be one of .*learning_rate.*, got an unknown name"),
        ({"optimizer": "adam"}, r"model\.params\.optimizer must be one of"),
        ({"seed": 3}, r"model\.params\.seed must be one of"),
        (
            {"learning_rate": "fast"},
            r"model\.params\.learning_rate must be a number, as its default 0.01 is, got 'fast'",
        ),
        ({"learning_rate": True}, r"must be a number"),
        ({"learning_rate": float("nan")}, r"must be a number"),
        ({"categories_max": 1.5}, r"must be an integer"),
        ({"l1": 0.1, "l2": 0.1}, r"model\.params must be what River's logistic_regression takes"),
    ],
)
def test_params_that_do_not_exist_or_fit_are_refused(params, message):
    """At start-up and by name, not at the first event."""
    with pytest.raises(ValueError, match=message):
        build("logistic_regression", TARGETS["binary"], KINDS, 1, params)


def test_params_reach_the_model():
    """An integer will do where River has a float."""
    model = build("logistic_regression", TARGETS["binary"], {"x": "numeric"}, 1, {"learning_rate": 1, "l2": 0.5})
    assert model["LogisticRegression"].l2 == 0.5
    assert model["LogisticRegression"].optimizer.lr.learning_rate == 1
    forest = build("adaptive_random_forest", TARGETS["binary"], {"x": "numeric"}, 7, {"n_models": 3})
    assert (len(forest), forest.seed) == (3, 7)


@pytest.mark.parametrize(
    ("model", "kind"),
    [("linear_regression", "binary"), ("logistic_regression", "regression"), ("gaussian_nb", "regression")],
)
def test_a_model_for_another_target_is_refused_with_those_that_fit(model, kind):
    """The message is the choice."""
    with pytest.raises(ValueError, match=f"model must be one of {', '.join(models_for(kind))} for {kind}"):
        build(model, TARGETS[kind], KINDS)


def test_numbers_alone_take_rivers_own_two_steps():
    """The fast path: no encoder of ours in front of a linear model."""
    model = build("logistic_regression", TARGETS["binary"], {"x": "numeric", "n": "integer"})
    assert [type(step) for step in model.steps.values()] == [
        preprocessing.StandardScaler,
        linear_model.LogisticRegression,
    ]
    assert isinstance(shortcut(model), Shortcut)


def test_a_pipeline_of_other_steps_is_left_to_river():
    """A shortcut is taken only past what it is known to equal."""
    for model in (
        preprocessing.MinMaxScaler() | linear_model.LogisticRegression(),
        compose.Select("x") | preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        linear_model.LogisticRegression(),
    ):
        assert shortcut(model) is model


def test_categories_beyond_the_cap_are_one():
    """A feature with ever new categories does not fill the memory."""
    one_hot, codes = ScaledOneHot(categories_max=2), CategoryCodes(categories_max=2)
    for encoder in (one_hot, codes):
        for category in "abcdef":
            encoder.learn_one({"c": category})
    assert one_hot.transform_one({"c": "b"}) == {"c=b": 1.0}
    assert one_hot.transform_one({"c": "e"}) == one_hot.transform_one({"c": "new"}) == {"c*": 1.0}
    assert [codes.transform_one({"c": category})["c"] for category in "abf"] == [0, 1, -1]
    assert max(map(len, (one_hot.columns["c"], codes.codes["c"]))) == 2


def test_clipping_is_on_both_sides_and_of_numbers_only():
    """In standard deviations, after scaling."""
    encoder = ScaledOneHot(clip=2.0)
    for value in (-1.0, 1.0):
        encoder.learn_one({"x": value, "c": "a"})
    assert encoder.transform_one({"x": 9.0, "c": "a"}) == {"x": 2.0, "c=a": 1.0}
    assert encoder.transform_one({"x": -9.0}) == {"x": -2.0}
    assert encoder.transform_one({"x": 1.5}) == {"x": 1.5}


def test_naive_bayes_by_hand():
    """Class shares times smoothed category shares, normalised."""
    model = MixedNB(nominal=["c"])
    for category, label in ((0, "x"), (0, "x"), (1, "x"), (1, "y")):
        model.learn_one({"c": category}, label)
    x, y = 3 / 4 * (2 + 1) / (3 + 3), 1 / 4 * (0 + 1) / (1 + 3)
    assert model.predict_proba_one({"c": 0}) == pytest.approx({"x": x / (x + y), "y": y / (x + y)})
    assert model.predict_proba_one({}) == pytest.approx({"x": 0.75, "y": 0.25})
