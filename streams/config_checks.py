"""Checks of a configuration that need the models, statistics and detectors themselves; importing them takes seconds."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from drift.detectors.catalog import CATALOG as DETECTORS
from drift.statistics import STATISTICS
from learners.candidates import Candidates, CandidateSpec
from streams.config import Config
from streams.config_problems import Problem


def deep_problems(config: Config) -> list[Problem]:
    """What a worker or monitor would refuse at its start, one entry for each wrong setting; empty if all fits."""
    problems: list[Problem] = []
    target = config.target.build()
    for name, candidate in config.models.candidates.items():
        spec = CandidateSpec(model=candidate.model, params=candidate.params)
        try:
            Candidates({name: spec}, name, target, config.features, config.models.seed)
        except ValueError as error:
            problems.append(("", f"models.{error}"))
        except Exception as error:  # noqa: BLE001 - a user's own factory may raise anything
            problems.append((f"models.candidates.{name}", f"could not be built: {type(error).__name__}: {error}"))
    drift = config.drift
    for key, statistic, kind in (
        ("numeric_statistic", drift.numeric_statistic, "numeric"),
        ("categorical_statistic", drift.categorical_statistic, "categorical"),
    ):
        fitting = [name for name, entry in STATISTICS.items() if kind in entry.kinds]
        if statistic not in fitting:
            problems.append((f"drift.{key}", _one_of(fitting, statistic)))
    lists = {"loss_detectors": drift.loss_detectors}
    lists |= {f"feature_detectors.{feature}": names for feature, names in drift.feature_detectors.items()}
    for key, names in lists.items():
        problems += [(f"drift.{key}", _one_of(DETECTORS, name)) for name in names if name not in DETECTORS]
    return problems


def _one_of(known: Collection[str], got: str) -> str:
    near = difflib.get_close_matches(got, known, n=1)
    return f"must be one of {', '.join(known)}, got {got!r}" + (f"; did you mean {near[0]!r}?" if near else "")
