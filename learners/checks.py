"""What every model must do, as properties: the catalog's are held to it by a test, yours can be too.

    for check in CHECKS:
        check(Setting(model="shop.models:fraud", target=target, kinds=kinds))

Each raises AssertionError with what was expected. They take seconds: run them in a test, not at start-up.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from learners.candidates import Candidates, CandidateSpec
from learners.features import FeatureKind, FeatureValue
from learners.output import Output
from learners.target import Label, Target

Example: TypeAlias = tuple[dict[str, FeatureValue], Label]
SNAPSHOT_BYTES_MAX = 3_000_000
"""After 2,000 examples of three features. An adaptive random forest takes most of it; a linear model some 2 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One model on one target and set of features."""

    model: str
    target: Target
    kinds: Mapping[str, FeatureKind]
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 400
    """Examples of most checks."""

    def build(self) -> Candidates:
        """Fresh candidates with this one model, named `main`."""
        return Candidates(self.specs, "main", self.target, self.kinds)

    @property
    def specs(self) -> dict[str, CandidateSpec]:
        """For `Candidates`."""
        return {"main": CandidateSpec(model=self.model, params=self.params)}


def examples(setting: Setting, rows: int, seed: int = 1, missing: float = 0.1) -> Iterator[Example]:
    """Seeded examples of a concept that can be learnt, with `missing` as the share of absent values."""
    source = random.Random(seed)  # noqa: S311 - test data
    for _ in range(rows):
        features: dict[str, FeatureValue] = {}
        level = 0.0
        for name, kind in setting.kinds.items():
            number = source.gauss(0, 1)
            level += number
            if source.random() >= missing:
                features[name] = _value(kind, number)
        yield features, _label(setting.target, level)


def _value(kind: FeatureKind, number: float) -> FeatureValue:
    if kind == "numeric":
        return number * 1000 + 50
    return round(number * 10) if kind == "integer" else "low" if number < -0.5 else "high" if number > 0.5 else "mid"  # noqa: PLR2004


def _label(target: Target, level: float) -> Label:
    if target.kind == "regression":
        return level * 1e6
    count = len(target.labels)
    return target.labels[min(count - 1, max(0, int((level + 2) / 4 * count)))]


def outputs(candidates: Candidates, stream: Iterator[Example]) -> list[Output]:
    """What the model said of each example before it learnt it."""
    told = []
    for features, label in stream:
        told.append(candidates.predict(features)["main"])
        failures = candidates.learn(features, label)
        assert failures == (), f"learn must take every example, got {failures}"
    return told


def check_predicts_before_learning(setting: Setting) -> None:
    """An untrained model answers, if only with None."""
    candidates = setting.build()
    for features, _ in examples(setting, 5):
        _assert_output(setting.target, candidates.predict(features)["main"])
    assert not candidates.predict_failures, f"predict must not raise, got {dict(candidates.predict_failures)}"


def check_outputs_are_valid(setting: Setting) -> None:
    """Predictions are labels or finite numbers, probabilities are in [0, 1] and add up to 1."""
    candidates = setting.build()
    for output in outputs(candidates, examples(setting, setting.rows)):
        _assert_output(setting.target, output)
    assert not candidates.predict_failures, f"predict must not raise, got {dict(candidates.predict_failures)}"


def _assert_output(target: Target, output: Output) -> None:
    prediction, probabilities = output
    if prediction is not None and target.kind == "regression":
        assert type(prediction) is float, f"a prediction must be a float, got {type(prediction)}"
        assert math.isfinite(prediction), "a prediction must be finite"
    elif prediction is not None:
        assert prediction in target.labels, f"a prediction must be a label, got {prediction!r}"
    if probabilities is not None:
        assert set(probabilities) == set(target.keys), f"probabilities must be of all labels, got {probabilities}"
        assert all(type(p) is float and 0 <= p <= 1 for p in probabilities.values()), probabilities
        assert math.isclose(sum(probabilities.values()), 1, abs_tol=1e-6), f"must add up to 1, got {probabilities}"


def check_learns(setting: Setting) -> None:
    """On a concept that can be learnt, the second half of the stream goes better than the prior or mean does."""
    candidates = setting.build()
    rows = 2 * setting.rows
    lost = dict.fromkeys(candidates.names, 0.0)
    for row, (features, label) in enumerate(examples(setting, rows, missing=0.0)):
        if row >= rows // 2:
            for name, output in candidates.predict(features).items():
                lost[name] += _loss(label, output)
        candidates.learn(features, label)
    baseline = candidates.names[-1]
    assert lost["main"] < lost[baseline], f"loss must be below that of {baseline}, got {lost}"


def _loss(label: Label, output: Output) -> float:
    if isinstance(label, float) and isinstance(output.prediction, float):
        return abs(label - output.prediction)
    return float(label != output.prediction)


def check_survives_odd_rows(setting: Setting) -> None:
    """Empty rows, constant features and features gone for good stop nothing."""
    candidates = setting.build()
    stream = list(examples(setting, 60))
    constant = stream[0][0]
    odd: list[Example] = [({}, label) for _, label in stream[:20]]
    odd += [(dict(constant), label) for _, label in stream[20:40]]
    outputs(candidates, iter([*odd, *stream[40:], ({}, stream[0][1])]))
    first = next(iter(setting.kinds))
    without = [({name: value for name, value in row.items() if name != first}, label) for row, label in stream]
    outputs(candidates, iter(without))
    assert not candidates.predict_failures, f"predict must not raise, got {dict(candidates.predict_failures)}"


def check_survives_outliers(setting: Setting) -> None:
    """A value a million times the usual, in features and (for regression) label, leaves finite predictions."""
    candidates = setting.build()
    stream = list(examples(setting, setting.rows))
    for row in range(50, 55):
        features, label = stream[row]
        wild = {name: value * 10**6 if not isinstance(value, str) else value for name, value in features.items()}
        stream[row] = wild, (label * 1e6 if isinstance(label, float) else label)
    told = outputs(candidates, iter(stream))
    assert all(output.prediction is not None for output in told[100:]), "predictions must stay finite"


def check_is_deterministic(setting: Setting) -> None:
    """Equal seeds and examples give equal outputs."""
    first, second = (outputs(setting.build(), examples(setting, setting.rows)) for _ in range(2))
    assert first == second, "two runs must be equal"


def check_predicting_changes_nothing(setting: Setting) -> None:
    """A model that also predicted other rows learns what one that did not learns: predictions are in no log."""
    quiet, busy = setting.build(), setting.build()
    others = examples(setting, setting.rows, seed=2, missing=0.5)
    for features, label in examples(setting, setting.rows):
        quiet.learn(features, label)
        busy.predict(next(others)[0])
        busy.learn(features, label)
    later = [features for features, _ in examples(setting, 50, seed=3)]
    assert [quiet.predict(row) for row in later] == [busy.predict(row) for row in later], "must learn alike"


def check_goes_on_from_a_snapshot(setting: Setting) -> None:
    """A restart between any two examples changes no later output."""
    before, after = setting.rows // 2, setting.rows // 2
    stream = list(examples(setting, before + after))
    for cut in (0, 1, 7, before):
        whole = setting.build()
        outputs(whole, iter(stream[:cut]))
        blob = whole.snapshot()
        again = Candidates.restore(blob, setting.specs, "main", setting.target, setting.kinds)
        assert again.snapshot() == blob, f"a snapshot must come back unchanged, did not after {cut} examples"
        rest = stream[cut : cut + after]
        assert outputs(whole, iter(rest)) == outputs(again, iter(rest)), f"must go on alike after {cut} examples"


def check_leaves_rows_alone(setting: Setting) -> None:
    """Neither predicting nor learning changes the mapping it is given."""
    candidates = setting.build()
    for features, label in examples(setting, 50):
        copy = dict(features)
        candidates.predict(features)
        candidates.learn(features, label)
        assert list(features.items()) == list(copy.items()), "a row must stay as it was"


def check_snapshot_is_bounded(setting: Setting) -> None:
    """Examples with ever new categories leave a snapshot that can be saved every few seconds."""
    candidates = setting.build()
    for row, (features, label) in enumerate(examples(setting, 5 * setting.rows)):
        new = {name: f"{value}{row}" if isinstance(value, str) else value for name, value in features.items()}
        candidates.learn(new, label)
    size = len(candidates.snapshot())
    assert size < SNAPSHOT_BYTES_MAX, f"a snapshot must be below {SNAPSHOT_BYTES_MAX} bytes, got {size}"


CHECKS: tuple[Callable[[Setting], None], ...] = (
    check_predicts_before_learning,
    check_outputs_are_valid,
    check_learns,
    check_survives_odd_rows,
    check_survives_outliers,
    check_is_deterministic,
    check_predicting_changes_nothing,
    check_goes_on_from_a_snapshot,
    check_leaves_rows_alone,
    check_snapshot_is_bounded,
)
