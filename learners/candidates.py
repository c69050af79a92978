"""Champion, challengers and baselines: each predicts every event and learns every example."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from learners.allowlist import Allowlist
from learners.baselines import baselines
from learners.candidate import Candidate, Failure, Row
from learners.catalog import build, factory_module
from learners.features import FeatureKind
from learners.output import NOTHING, Features, Output
from learners.pipelines import Model
from learners.snapshots import loads
from learners.target import Label, Target

__all__ = ["CandidateSpec", "Candidates", "Failure", "load_models"]

FAILURES_MAX = 3
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSpec:
    """One model that takes part."""

    model: str
    """A name of the catalog, or `package.module:factory`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    """For a factory: further modules whose classes its model is made of; the factory's own need not be named."""


class _SavedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: bytes
    learnt: int
    failures: int
    streak: int
    suspended: bool


class _Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    config: dict[str, str]
    models: dict[str, _SavedModel]
    baselines: dict[str, list[Any]]


_decode = msgspec.msgpack.Decoder(_Saved).decode


class Candidates:
    """The models of one shard, as a fold over its examples: equal examples, equal candidates, in any process.

    Predicting changes nothing that is learnt or saved. ValueError when built from specs that do not fit.

    >>> candidates = Candidates(
    ...     {"main": CandidateSpec(model="logistic_regression"), "rival": CandidateSpec(model="gaussian_nb")},
    ...     champion="main",
    ...     target=Target(kind="binary", labels=("no", "yes"), positive="yes"),
    ...     kinds={"amount": "numeric"},
    ... )
    >>> candidates.names
    ('main', 'rival', 'no_change', 'prior')
    >>> for amount in (1.0, 2.0, 9.0):
    ...     assert candidates.learn({"amount": amount}, "yes" if amount > 5 else "no") == ()
    >>> [output.prediction for output in candidates.predict({"amount": 9.0}).values()]
    ['no', 'no', 'yes', 'no']
    """

    def __init__(
        self,
        specs: Mapping[str, CandidateSpec],
        champion: str,
        target: Target,
        kinds: Mapping[str, FeatureKind],
        seed: int = 1,
        *,
        failures_max: int = FAILURES_MAX,
        kernels: bool = True,
    ) -> None:
        self.champion, self.target = champion, target
        self.predict_failures: Counter[str] = Counter()
        """Predictions that raised, by candidate; of this process only, since predictions are not in the fold."""
        self._baselines = baselines(target)
        _check_names(specs, champion, set(self._baselines))
        self._models: dict[str, Candidate] = {}
        for name in (champion, *(name for name in specs if name != champion)):
            spec, path = specs[name], f"candidates.{name}"
            model = build(spec.model, target, kinds, seed, spec.params, path)
            try:
                self._models[name] = Candidate(name, model, target, _allowlist(spec), failures_max, kernels=kernels)
            except ValueError as problem:
                raise ValueError(f"{path} must be a model that snapshots can hold: {problem}") from problem
        self.names: tuple[str, ...] = (*self._models, *self._baselines)
        """The champion, its challengers, the baselines."""
        self._config = _config(specs, target, kinds, seed)
        # Per event, every attribute that is looked up costs: these hold bound methods.
        self._learn_models = [candidate.learn for candidate in self._models.values()]
        self._learn_baselines = [baseline.learn for baseline in self._baselines.values()]
        self._ask_baselines = [(name, baseline.predict) for name, baseline in self._baselines.items()]
        self._ask_models: list[tuple[str, Callable[[Features], Output]]] = []
        self._bind()

    def _bind(self) -> None:
        """Whenever a candidate took another model or was suspended."""
        self._ask_models = [(name, candidate.predict) for name, candidate in self._models.items()]

    @property
    def champion_model(self) -> Model:
        """The champion's River model, alive: look, but do not let it learn."""
        return self._models[self.champion].model

    @property
    def with_kernel(self) -> tuple[str, ...]:
        """Models whose arithmetic a compiled kernel does."""
        return tuple(name for name, candidate in self._models.items() if candidate.kernel is not None)

    @property
    def failures(self) -> dict[str, int]:
        """Examples each model could not learn, ever."""
        return {name: candidate.failures for name, candidate in self._models.items()}

    @property
    def suspended(self) -> tuple[str, ...]:
        """Models that have stopped learning and predicting."""
        return tuple(name for name, candidate in self._models.items() if candidate.suspended)

    def predict(self, features: Features) -> dict[str, Output]:
        """What each of `names` says about one event, in their order. Never raises for what a model does."""
        outputs: dict[str, Output] = {}
        for name, ask in self._ask_models:
            try:
                outputs[name] = ask(features)
            except Exception:  # noqa: BLE001 - a model may raise anything; nothing else runs in here
                outputs[name] = NOTHING
                self.predict_failures[name] += 1
        for name, say in self._ask_baselines:
            outputs[name] = say()
        return outputs

    def learn(self, features: Features, label: Label) -> tuple[Failure, ...]:
        """Fold in one example with a parsed label (LabelError for another).

        To whoever could not learn it, it is as if it had never come.

        The mapping is kept for a while: do not change it afterwards.
        """
        return tuple(failure for _, failure in self.learn_all([(features, label)]))

    def learn_all(self, examples: Sequence[tuple[Features, Label]]) -> list[tuple[int, Failure]]:
        """As `learn` for each in turn, a third cheaper; answers (place in `examples`, failure), in that order.

        A LabelError comes before anything is learnt.
        """
        answers = self.target.answers
        try:
            rows = [(features, answers[label]) for features, label in examples] if answers else self._parsed(examples)
        except KeyError:  # free while it does not happen, unlike parsing again
            rows = self._parsed(examples)
        failures: list[tuple[int, Failure]] = []
        for learn_model in self._learn_models:  # one after the other: none sees what another has learnt
            failures += learn_model(rows)
        for learn in self._learn_baselines:
            for _, label in examples:
                learn(label)
        if failures:
            failures.sort(key=_place)
            self._bind()
        return failures

    def _parsed(self, examples: Sequence[tuple[Features, Label]]) -> list[Row]:
        target = self.target
        return [(features, target.to_model(target.parse(label))) for features, label in examples]

    def snapshot(self) -> bytes:
        """Everything that `restore` needs to go on; the same bytes while nothing is learnt."""
        models = {
            name: _SavedModel(
                candidate.snapshot(), candidate.learnt, candidate.failures, candidate.streak, candidate.suspended
            )
            for name, candidate in sorted(self._models.items())
        }
        told = {name: baseline.snapshot() for name, baseline in self._baselines.items()}
        return msgspec.msgpack.encode(_Saved(self._config, models, told))

    @classmethod
    def restore(
        cls,
        blob: bytes,
        specs: Mapping[str, CandidateSpec],
        champion: str,
        target: Target,
        kinds: Mapping[str, FeatureKind],
        seed: int = 1,
        *,
        failures_max: int = FAILURES_MAX,
        kernels: bool = True,
    ) -> Candidates:
        """Candidates as `snapshot` saw them. ValueError if the blob is damaged or of another configuration.

        The champion may be another one than then: a promotion keeps what all have learnt.
        """
        candidates = cls(specs, champion, target, kinds, seed, failures_max=failures_max, kernels=kernels)
        saved = _parse(blob)
        for part, value in candidates._config.items():
            if saved.config.get(part) != value:
                raise ValueError(
                    f"snapshot.{part} must be {value} as configured, got one of {saved.config.get(part, 'nothing')}"
                )
        if set(saved.models) != set(candidates._models) or set(saved.baselines) != set(candidates._baselines):
            raise ValueError("snapshot must hold every candidate and baseline, got others")
        for name, one in saved.models.items():
            candidates._models[name].restore(one.model, one.learnt, one.failures, one.streak, suspended=one.suspended)
        for name, state in saved.baselines.items():
            candidates._baselines[name].restore(state)
        candidates._bind()
        return candidates


def _place(failure: tuple[int, Failure]) -> int:
    return failure[0]


def load_models(blob: bytes, allow: Allowlist | None = None) -> dict[str, Model]:
    """The River models of a snapshot by name, without its configuration. ValueError for anything else.

    For models of the user's own, `allow` names their modules, which must be imported already.
    """
    return {name: loads(one.model, allow or Allowlist()) for name, one in _parse(blob).models.items()}


def _parse(blob: bytes) -> _Saved:
    try:
        return _decode(blob)
    except msgspec.DecodeError as problem:
        raise ValueError(f"snapshot must be one of candidates, got {problem}") from problem


def _check_names(specs: Mapping[str, CandidateSpec], champion: str, taken: set[str]) -> None:
    if champion not in specs:
        raise ValueError(f"champion must be one of {', '.join(specs) or 'no candidates at all'}, got {champion!r}")
    for name in specs:
        if not _NAME.fullmatch(name):
            raise ValueError(f"candidates must be named by 1 to 64 of A-Z a-z 0-9 _ . : -, got {name!r}")
        if name in taken:
            raise ValueError(f"candidates must be named otherwise than the baselines, got {name!r}")


def _allowlist(spec: CandidateSpec) -> Allowlist:
    own = factory_module(spec.model)
    if own is None:
        return Allowlist()
    for module in spec.modules:
        importlib.import_module(module)
    return Allowlist(modules=(own, *spec.modules))


def _config(
    specs: Mapping[str, CandidateSpec], target: Target, kinds: Mapping[str, FeatureKind], seed: int
) -> dict[str, str]:
    """What a snapshot must agree on, each part as JSON."""
    parts = {
        "target": {"kind": target.kind, "labels": target.labels, "positive": target.positive},
        "features": dict(kinds),
        "seed": seed,
        "candidates": {name: {"model": spec.model, "params": dict(spec.params)} for name, spec in specs.items()},
    }
    return {part: msgspec.json.encode(value, order="sorted").decode() for part, value in parts.items()}
