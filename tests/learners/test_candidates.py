"""Candidates: each learns every example wholly or not at all, and a restart is not seen from outside."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import linear_model, preprocessing

from learners import candidate as one_candidate
from learners.candidates import Candidates, CandidateSpec, load_models
from learners.catalog import models_for
from learners.checks import Setting, examples
from learners.features import FeatureGuard
from learners.output import Output
from learners.target import LabelError, Target

YES_NO = Target(kind="binary", labels=("no", "yes"), positive="yes")
KINDS = {"x": "numeric"}
SPECS = {
    "fragile": CandidateSpec(model="own_models:fragile"),
    "linear": CandidateSpec(model="logistic_regression"),
}


def build(specs=None, champion=None, **settings):
    specs = SPECS if specs is None else specs
    return Candidates(specs, champion or next(iter(specs)), YES_NO, KINDS, **settings)


def rows(*labels):
    return [({"x": float(place)}, label) for place, label in enumerate(labels)]


def fragile_of(candidates):
    return candidates._models["fragile"].model


def test_names_are_champion_challengers_baselines():
    """The champion leads whatever the order of the config."""
    assert build(champion="linear").names == ("linear", "fragile", "no_change", "prior")
    assert tuple(build(champion="linear").predict({"x": 1.0})) == ("linear", "fragile", "no_change", "prior")


HISTORY = st.lists(
    st.tuples(st.sampled_from(({"x": 1.0}, {"x": -2.0}, {"x": 3.0, "bad": 1.0})), st.sampled_from(["no", "yes"])),
    max_size=40,
)


@given(HISTORY, st.lists(st.integers(1, 12), max_size=10), st.integers(1, 6), st.integers(2, 7))
@settings(max_examples=60, deadline=None)
def test_how_examples_are_grouped_makes_no_difference(history, sizes, failures_max, journal_max):
    """Bad ones among them, journals that fill up, candidates that are suspended half-way: as one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_candidate, "JOURNAL_MAX", 2 * journal_max)  # the real ones are too long for many examples
        patch.setattr(one_candidate, "LOOK_EVERY", journal_max)
        grouped, single = build(failures_max=failures_max), build(failures_max=failures_max)
        told, at = [], 0
        for size in [*sizes, len(history)]:
            told += [(at + place, failure) for place, failure in grouped.learn_all(history[at : at + size])]
            at = min(len(history), at + size)
        expected = [(place, failure) for place, example in enumerate(history) for failure in single.learn(*example)]
        assert told == expected
        assert grouped.snapshot() == single.snapshot()
        assert grouped.predict({"x": 1.0}) == single.predict({"x": 1.0})


def test_a_label_unknown_among_many_stops_them_all():
    """Nothing of the group is learnt, by models or baselines."""
    candidates, untouched = build(), build()
    with pytest.raises(LabelError):
        candidates.learn_all([({"x": 1.0}, "yes"), ({"x": 1.0}, "maybe")])
    assert candidates.snapshot() == untouched.snapshot()


def test_a_half_learnt_example_leaves_no_trace():
    """The candidate that raised is as if the example had never come; the others have learnt it."""
    candidates, untouched = build(), build()
    for features, label in rows("yes", "no", "yes"):
        candidates.learn(features, label)
        untouched.learn(features, label)

    (failure,) = candidates.learn({"x": 3.0, "bad": 1.0}, "no")

    assert (failure.candidate, failure.error, failure.suspended) == ("fragile", "ArithmeticError", False)
    assert fragile_of(candidates).rows == 3
    assert fragile_of(candidates).counts == fragile_of(untouched).counts
    assert candidates.predict({"x": 1.0})["fragile"] == untouched.predict({"x": 1.0})["fragile"]
    assert candidates.predict({"x": 1.0})["linear"] != untouched.predict({"x": 1.0})["linear"]
    assert candidates.predict({"x": 1.0})["no_change"].prediction == "no"
    assert candidates.failures == {"fragile": 1, "linear": 0}


@given(
    history=st.lists(st.tuples(st.booleans(), st.sampled_from(["no", "yes"])), max_size=40),
    cuts=st.sets(st.integers(0, 40), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_failures_snapshots_and_restarts_in_any_order_come_to_the_same(history, cuts):
    """Bad examples are left out, whenever snapshots were taken and the process started anew."""
    specs = {"fragile": CandidateSpec(model="own_models:fragile")}
    candidates = build(specs, failures_max=1000)
    for row, (bad, label) in enumerate(history):
        if row in cuts:
            candidates = Candidates.restore(candidates.snapshot(), specs, "fragile", YES_NO, KINDS, failures_max=1000)
        failures = candidates.learn({"x": 1.0, "bad": bad}, label)
        assert bool(failures) is bad
    learnt = [label == "yes" for bad, label in history if not bad]
    assert fragile_of(candidates).rows == len(learnt)
    assert fragile_of(candidates).counts == {answer: learnt.count(answer) for answer in set(learnt)}
    assert candidates.failures["fragile"] == len(history) - len(learnt)


def test_going_back_reaches_over_a_full_journal(monkeypatch):
    """When the journal is full the model is pickled anew, so that going back never costs more than a journal."""
    monkeypatch.setattr(one_candidate, "JOURNAL_MAX", 4)
    monkeypatch.setattr(one_candidate, "LOOK_EVERY", 2)
    candidates = build()
    for features, label in rows(*["yes", "no"] * 5):
        candidates.learn(features, label)
        assert len(candidates._models["fragile"].journal) <= 4
    candidates.learn({"bad": 1.0}, "no")
    assert fragile_of(candidates).rows == 10


def test_failures_in_a_row_suspend_and_one_success_starts_the_count_anew():
    """Three in a row is no accident: the candidate says so, then learns and predicts nothing more."""
    candidates = build()
    bad = {"x": 1.0, "bad": 1.0}
    told = [candidates.learn(bad if row != 2 else {"x": 1.0}, "yes") for row in range(6)]
    assert [failure[0].suspended if failure else None for failure in told] == [False, False, None, False, False, True]
    assert candidates.suspended == ("fragile",)
    assert candidates.learn(bad, "yes") == ()
    assert candidates.learn({"x": 1.0}, "yes") == ()
    assert fragile_of(candidates).rows == 1
    outputs = candidates.predict({"x": 1.0})
    assert outputs["fragile"] == Output(None, None)
    assert outputs["linear"].prediction == "yes"

    again = Candidates.restore(candidates.snapshot(), SPECS, "fragile", YES_NO, KINDS)
    assert (again.suspended, again.failures) == (("fragile",), {"fragile": 5, "linear": 0})
    assert again.predict({"x": 1.0})["fragile"] == Output(None, None)
    assert again.learn(bad, "yes") == ()


def test_a_streak_goes_on_after_a_restart():
    """Two failures before and one after are three in a row."""
    candidates = build()
    for _ in range(2):
        candidates.learn({"bad": 1.0}, "yes")
    again = Candidates.restore(candidates.snapshot(), SPECS, "fragile", YES_NO, KINDS)
    assert again.learn({"bad": 1.0}, "yes")[0].suspended


def test_a_failure_never_quotes_the_example():
    """Exceptions hold values of the payload; what goes on is their type alone."""
    (failure,) = build({"fragile": SPECS["fragile"]}).learn({"bad": 1.0, "card": "4111"}, "no")
    assert "4111" not in repr(failure)
    assert "secret" not in repr(failure)


def test_a_model_that_cannot_go_back_is_suspended():
    """If learning its journal again raises, it is not a function of its examples: no state of it is right."""
    candidates = build({"forgetful": CandidateSpec(model="own_models:forgetful")})
    candidates._models["forgetful"]._take(importlib.import_module("own_models").Forgetful())
    candidates.learn({"x": 1.0}, "yes")
    candidates.learn({"x": 1.0}, "yes")
    (failure,) = candidates.learn({"bad": 1.0}, "yes")
    assert failure.suspended


def test_a_label_of_another_target_is_refused_before_anybody_learns_it():
    """Labels are parsed at the door; one that was not reaches no model."""
    candidates = build()
    blob = candidates.snapshot()
    with pytest.raises(LabelError, match="must be one of the 2 configured labels, got a string"):
        candidates.learn({"x": 1.0}, "maybe")
    assert candidates.snapshot() == blob


def test_raising_in_predict_is_counted_and_says_nothing():
    """The event goes on with the others' predictions; learning is not touched by it."""
    candidates = build()
    for features, label in rows("yes", "no"):
        candidates.learn(features, label)
    for _ in range(5):
        assert candidates.predict({"unspeakable": 1.0})["fragile"] == Output(None, None)
    assert candidates.predict_failures == {"fragile": 5}
    assert candidates.suspended == ()
    assert candidates.predict({"x": 1.0})["fragile"].prediction == "no"


def test_a_prediction_that_is_no_number_is_none():
    """NaN does not go on the wire."""
    candidates = build()
    candidates.learn({"x": 1.0}, "yes")
    assert candidates.predict({"poison": 1.0})["fragile"] == Output(None, None)


def test_a_poisoned_model_is_found_and_suspended(monkeypatch):
    """A model that answers with NaN is found at the next look, at the same row whether or not it was restarted."""
    monkeypatch.setattr(one_candidate, "LOOK_EVERY", 8)
    specs = {"p": CandidateSpec(model="own_models:poisoned")}
    for cut in (None, 3, 11):
        candidates = build(specs)
        told = []
        for row in range(20):
            if row == cut:
                candidates = Candidates.restore(candidates.snapshot(), specs, "p", YES_NO, KINDS)
            told += [(row, *failure) for failure in candidates.learn({"x": 1.0}, "yes")]
        assert told == [(15, "p", "NotFinite", True)]


def test_unchanged_candidates_give_the_same_bytes():
    """Predicting and taking snapshots change no snapshot; learning does."""
    candidates = build()
    for features, label in rows("yes", "no", "no"):
        candidates.learn(features, label)
    blob = candidates.snapshot()
    candidates.predict({"x": 9.0})
    assert candidates.snapshot() == blob
    again = Candidates.restore(blob, SPECS, "fragile", YES_NO, KINDS)
    assert again.snapshot() == blob
    again.learn({"x": 1.0}, "yes")
    assert again.snapshot() != blob


def test_a_promotion_keeps_what_all_have_learnt():
    """Who leads is not part of what was learnt."""
    candidates = build()
    for features, label in rows("yes", "no", "no"):
        candidates.learn(features, label)
    promoted = Candidates.restore(candidates.snapshot(), SPECS, "linear", YES_NO, KINDS)
    assert promoted.names[0] == promoted.champion == "linear"
    assert promoted.predict({"x": 1.0}) == candidates.predict({"x": 1.0})
    assert promoted.champion_model["LogisticRegression"].weights


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"specs": {"fragile": SPECS["fragile"]}}, "candidates"),
        ({"specs": SPECS | {"linear": CandidateSpec(model="gaussian_nb")}}, "candidates"),
        ({"specs": SPECS | {"linear": CandidateSpec(model="logistic_regression", params={"l2": 0.5})}}, "candidates"),
        ({"target": Target(kind="binary", labels=("no", "yes"), positive="no")}, "target"),
        ({"target": Target(kind="binary", labels=(False, True), positive=True)}, "target"),
        ({"kinds": {"x": "integer"}}, "features"),
        ({"kinds": {"x": "numeric", "y": "numeric"}}, "features"),
        ({"seed": 2}, "seed"),
    ],
)
def test_a_snapshot_of_another_configuration_is_refused(changed, named):
    """The message says which part differs."""
    config = {"specs": SPECS, "champion": "fragile", "target": YES_NO, "kinds": KINDS, "seed": 1} | changed
    with pytest.raises(ValueError, match=rf"snapshot\.{named} must be"):
        Candidates.restore(build().snapshot(), **config)


@pytest.mark.parametrize("damage", [b"", b"\x80", b"[]", None])
def test_a_damaged_snapshot_is_refused(damage):
    """One kind of error, whatever broke."""
    blob = build().snapshot()[:-9] if damage is None else damage
    with pytest.raises(ValueError, match="snapshot must be"):
        Candidates.restore(blob, SPECS, "fragile", YES_NO, KINDS)


@pytest.mark.parametrize(
    ("specs", "champion", "message"),
    [
        ({}, "main", "champion must be one of no candidates at all, got 'main'"),
        (SPECS, "main", "champion must be one of fragile, linear, got 'main'"),
        ({"prior": CandidateSpec(model="gaussian_nb")}, "prior", "must be named otherwise than the baselines"),
        ({"a b": CandidateSpec(model="gaussian_nb")}, "a b", "candidates must be named by"),
        ({"m": CandidateSpec(model="linear_regression")}, "m", r"candidates\.m must be one of logistic_regression, "),
        ({"m": CandidateSpec(model="nothing")}, "m", r"candidates\.m must be one of .* or package\.module:factory"),
        ({"m": CandidateSpec(model="own_models:unpicklable")}, "m", r"candidates\.m must be a model that snapshots"),
        ({"m": CandidateSpec(model="own_models:no_model")}, "m", r"candidates\.m must give a model with learn_one"),
        ({"m": CandidateSpec(model="own_models:absent")}, "m", r"candidates\.m must be an importable"),
        ({"m": CandidateSpec(model="no.such.module:f")}, "m", r"candidates\.m must be an importable"),
    ],
)
def test_candidates_that_do_not_fit_are_refused(specs, champion, message):
    """Before the first event, with the path of what is wrong."""
    with pytest.raises(ValueError, match=message):
        build(specs, champion)


def test_a_users_factory_takes_part_like_any_other():
    """Its params arrive, its labels are True for the positive one, and without probabilities it has none."""
    candidates = build({"mine": CandidateSpec(model="own_models:labels_only")})
    assert candidates.predict({"x": 1.0})["mine"] == Output(None, None)
    candidates.learn({"x": 1.0}, "no")
    assert candidates.predict({"x": 1.0})["mine"] == Output("no", None)
    with_params = CandidateSpec(model="own_models:fragile", params={"breaks_in_predict": True})
    assert build({"mine": with_params}).champion_model.breaks_in_predict


def test_models_of_a_snapshot_can_be_had_alone():
    """For whoever has a snapshot and no pipeline."""
    specs = {"main": CandidateSpec(model="logistic_regression")}
    candidates = build(specs)
    for features, label in rows("yes", "no", "no"):
        candidates.learn(features, label)
    (model,) = load_models(candidates.snapshot()).values()
    assert model.predict_proba_one({"x": 1.0}) == candidates.champion_model.predict_proba_one({"x": 1.0})


def test_scaled_logistic_is_rivers_own_to_the_last_bit():
    """Leaving out what `Pipeline` does around its steps changes no number."""
    target, kinds = Target(kind="binary", labels=(0, 1), positive=1), {"a": "numeric", "b": "numeric"}
    candidates = Candidates({"main": CandidateSpec(model="logistic_regression")}, "main", target, kinds)
    river = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    assert repr(candidates.champion_model) == repr(river)
    for features, label in examples(Setting(model="", target=target, kinds=kinds), 300):
        p = river.predict_proba_one(features)[True]
        assert candidates.predict(features)["main"] == Output(int(p > 0.5), {"0": 1 - p, "1": p})
        candidates.learn(features, label)
        river.learn_one(features, label == 1)


def digest():
    """What every catalog model says over a stream, started afresh in this process."""
    hashed = hashlib.sha256()
    kinds = {"a": "numeric", "b": "categorical", "c": "categorical"}
    for target in (Target(kind="multiclass", labels=("low", "mid", "high")), YES_NO, Target(kind="regression")):
        for model in models_for(target.kind):
            setting = Setting(model=model, target=target, kinds=kinds, rows=120 if "forest" in model else 1500)
            candidates = setting.build()
            for features, label in examples(setting, setting.rows):
                hashed.update(repr(candidates.predict(features)["main"]).encode())
                candidates.learn(features, label)
    return hashed.hexdigest()


@pytest.mark.slow
def test_every_process_learns_the_same():
    """Sets of strings are ordered differently in each process; nothing that is learnt may follow them."""
    told = set()
    for hash_seed in ("1", "2", "3"):
        here = Path(__file__)
        run = subprocess.run(
            [sys.executable, "-c", f"import {here.stem} as t; print(t.digest())"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{here.parents[2]}{os.pathsep}{here.parent}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        told.add(run.stdout)
    assert len(told) == 1


def test_rows_as_the_guard_gives_them_fit_every_model():
    """The guard's kinds are what the encoders go by."""
    kinds = {"n": "numeric", "i": "integer", "c": "categorical"}
    values = FeatureGuard(kinds).check({"n": 1, "i": 2.0, "c": True}).values
    for model in models_for("binary"):
        candidates = Candidates({"main": CandidateSpec(model=model)}, "main", YES_NO, kinds)
        assert candidates.learn(values, "yes") == ()
        assert candidates.learn({}, "no") == ()
        candidates.predict(values)
        assert not candidates.predict_failures
