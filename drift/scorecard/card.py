"""A scorecard: the run, and all that it found as one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from drift.budget import Standing
from drift.scorecard.contenders import Contender
from drift.scorecard.injections import SCENARIOS, Scenario
from drift.scorecard.judging import PER, Detections, Score
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import Stream, as_it_came, changed, drawn

_STABLE_SHARE = 0.5
"""Of the work, about."""
Clock = Callable[[], float]
Told = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorecardConfig:
    """Settings, checked once when built."""

    seed: int = 1
    events_per_alarm: float = 100_000.0
    """What the pipeline's budget allows."""
    reference_rows: int = 5_000
    stable_events: int = 50_000
    """Drawn, to count false alarms on."""
    repeats: int = 5
    """Trials of each change."""
    lead_rows: int = 500
    """Before each change."""
    horizon_rows: int = 4_000
    """After it; what is not seen by then is a miss."""

    def __post_init__(self) -> None:
        least = {"reference_rows": 20, "stable_events": 1000, "repeats": 1, "lead_rows": 0, "horizon_rows": 100}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise ValueError(f"{name} must be at least {value}, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One scenario that was possible on this stretch."""

    key: str
    scenario: Scenario
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """What was found."""

    config: ScorecardConfig
    rows: int
    columns: Mapping[str, str]
    losses: bool
    own_reference_rows: int
    """Of the rows in their own order: they must last for a reference and some more."""
    standings: Sequence[Standing]
    """What the budget promises on the stretch's first rows, in their own order."""
    scores: Sequence[Score]
    tried: Sequence[Tried]
    left_out: Sequence[str]
    """Scenarios that this stretch has no columns for."""
    notes: Sequence[str] = field(default=())
    """What it cannot tell."""

    def tree(self) -> dict[str, Any]:
        """As plain types, infinities and NaN as None."""
        return {
            "rows": self.rows,
            "columns": dict(self.columns),
            "losses": self.losses,
            "settings": {
                "seed": self.config.seed,
                "events_per_alarm": _plain(self.config.events_per_alarm),
                "reference_rows": self.config.reference_rows,
                "stable_events": self.config.stable_events,
                "repeats": self.config.repeats,
                "horizon_rows": self.config.horizon_rows,
            },
            "standings": [
                {"column": each.column, "promise": each.promise, "words": each.words} for each in self.standings
            ],
            "changes": [
                {"change": each.key, "kind": each.scenario.kind, "size": each.scenario.size, "trials": each.repeats}
                for each in self.tried
            ],
            "left_out": list(self.left_out),
            "contenders": [_score_tree(score) for score in self.scores],
            "cannot_tell": list(self.notes),
        }  # fmt: skip


def _score_tree(score: Score) -> dict[str, Any]:
    return {
        "name": score.name,
        "about": score.about,
        "false_alarms_per_100000": _plain(score.drawn.rate),
        "false_alarms_interval": [_plain(each) for each in score.drawn.interval],
        "false_alarms": score.drawn.alarms,
        "stable_events": score.drawn.events,
        "alarms_as_it_came": score.as_it_came.alarms,
        "events_as_it_came": score.as_it_came.events,
        "detections": {key: _detections_tree(found) for key, found in score.detections.items()},
        "overall": _detections_tree(score.overall),
        "cost_us": _plain(score.cost_us),
    }


def _detections_tree(found: Detections) -> dict[str, Any]:
    return {
        "trials": found.trials,
        "misses": found.misses,
        "median_delay": _plain(found.median),
        "right_blame": _plain(found.blame),
    }


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def key_of(scenario: Scenario) -> str:
    """Its name and size."""
    return f"{scenario.name}: {scenario.about}"


def run(
    stretch: Stretch,
    contenders: Sequence[Contender],
    config: ScorecardConfig,
    clock: Clock,
    told: Told,
    scenarios: Sequence[Scenario] = SCENARIOS,
) -> tuple[list[Score], list[Tried], list[str]]:
    """Judge every contender; scores, what was tried and what could not be.

    Args:
        stretch: The stable rows.
        contenders: In the order they are shown.
        config: How much of what.
        clock: Seconds of work done so far, to tell the cost by.
        told: Called with the share that is done and what is done now.
        scenarios: The changes.
    """
    scores = [Score(name=each.name, about=each.about) for each in contenders]
    own = as_it_came(stretch, own_reference_rows(stretch.rows, config))
    rng = np.random.default_rng([config.seed, 0])
    stable = drawn(stretch, config.reference_rows, config.stable_events, rng)
    for place, (contender, score) in enumerate(zip(contenders, scores, strict=True)):
        told(_STABLE_SHARE * place / len(contenders), f"{contender.name}: stable rows")
        _count(contender, score, stable, own, clock)
    tried: dict[str, Tried] = {}
    for repeat in range(config.repeats):

        def going(share: float, what: str, repeat: int = repeat) -> None:
            told(_STABLE_SHARE + (1 - _STABLE_SHARE) * (repeat + share) / config.repeats, what)

        _trials(stretch, contenders, scores, config, repeat, scenarios, tried, going)
    left_out = [key_of(scenario) for scenario in scenarios if key_of(scenario) not in tried]
    told(1.0, "")
    return scores, list(tried.values()), left_out


def own_reference_rows(rows: int, config: ScorecardConfig) -> int:
    """Of the rows in their own order."""
    return max(1, min(config.reference_rows, rows // 3))


def _count(contender: Contender, score: Score, stable: Stream, own: Stream, clock: Clock) -> None:
    assert stable.rows.events  # made before the clock runs
    contender.meet(Stream(reference=stable.reference, rows=stable.rows.take(slice(0, 0))))
    began = clock()
    score.drawn.add(contender.watch(stable), stable.rows.rows)
    score.cost_us = (clock() - began) * 1e6 / stable.rows.rows
    score.as_it_came.add(contender.watch(own), own.rows.rows)


def _trials(
    stretch: Stretch, contenders: Sequence[Contender], scores: Sequence[Score], config: ScorecardConfig, repeat: int,
    scenarios: Sequence[Scenario], tried: dict[str, Tried], told: Told,
) -> None:  # fmt: skip
    rng = np.random.default_rng([config.seed, 1, repeat])
    stable = drawn(stretch, config.reference_rows, config.lead_rows + config.horizon_rows, rng)
    for contender in contenders:
        contender.meet(stable)
    for place, scenario in enumerate(scenarios):
        told(place / len(scenarios), f"{key_of(scenario)}, {repeat + 1} of {config.repeats}")
        injection, key = scenario.injection(stretch, rng), key_of(scenario)
        if injection is None:
            continue
        try:
            stream = changed(stable, injection, config.lead_rows, config.seed + repeat)
        except ValueError:  # drawn from a column that has this in few rows only
            continue
        tried[key] = Tried(key=key, scenario=scenario, repeats=tried[key].repeats + 1 if key in tried else 1)
        kinds = {stretch.kinds.get(name) for name in stream.changed}
        for contender, score in zip(contenders, scores, strict=True):
            if any(contender.watches(kind) for kind in kinds):
                score.detections.setdefault(key, Detections()).add(stream, contender.watch(stream))


def by_name(tried: Sequence[Tried]) -> list[tuple[str, list[Tried]]]:
    """Scenarios that differ in size only, together."""
    return [(name, list(each)) for name, each in groupby(tried, key=lambda one: one.scenario.name)]


__all__ = ["PER", "Scorecard", "ScorecardConfig", "Tried", "by_name", "key_of", "own_reference_rows", "run"]
