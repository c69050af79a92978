"""The pipeline's candidates from its configuration: one place for workers, replay and checks."""

from __future__ import annotations

from learners.candidates import Candidates, CandidateSpec
from streams.config import Config
from streams.errors import ConfigError, StateError


def build_candidates(config: Config, snapshot: bytes | None = None) -> Candidates:
    """Champion, challengers and baselines, new or as `snapshot` left them.

    Raises:
        ConfigError: a model is not in the catalog, does not fit the task or does not take its params.
        StateError: the snapshot is of other candidates.
    """
    specs = {
        name: CandidateSpec(model=candidate.model, params=candidate.params)
        for name, candidate in config.models.candidates.items()
    }
    target, kinds, seed, kernels = config.target.build(), config.features, config.models.seed, config.models.kernels
    try:
        fresh = Candidates(specs, config.models.champion, target, kinds, seed=seed, kernels=kernels)
    except ValueError as error:
        raise ConfigError("models.candidates", str(error)) from error
    if snapshot is None:
        return fresh
    try:
        return Candidates.restore(snapshot, specs, config.models.champion, target, kinds, seed=seed, kernels=kernels)
    except ValueError as error:
        raise StateError(f"snapshot of the candidates could not be loaded: {error}") from error
