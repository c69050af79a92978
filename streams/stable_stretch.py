"""Rows that people take to be stable, for a scorecard: from records of a topic or from a file's rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drift.allowance import Allowance
from drift.budget import AlarmBudgetConfig
from drift.columns import encode, plain
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import swapped_indicator
from learners.features import FeatureGuard
from learners.loss import example_loss
from learners.target import Label, Target
from streams.config import Config
from streams.errors import ConfigError
from streams.foreign import read_as
from streams.messages import Example, Prediction
from streams.rows import BadRow, Rows
from streams.stages.candidates import build_candidates
from streams.stages.watch_settings import alarm_budget_config, watched_columns
from streams.values import LabelReader, feature_value

ROWS_MIN = 300
"""Fewer say nothing."""
_SHIFT_SD = 1.0
"""Of labels of a regression that are swapped: they are off by so much."""
Told = Callable[[int], None]


def from_predictions(config: Config, values: Iterable[tuple[int, bytes]]) -> Stretch:
    """Records of `predictions` as (partition, value) in merged order; what is said twice counts once."""
    guard, seen = FeatureGuard(config.features), set[tuple[int, int]]()
    features: list[dict[str, Any]] = []
    times: list[int] = []
    for partition, value in values:
        said = read_as(value, Prediction)
        if said is None or (partition, said.source) in seen or not _fits(guard, said.features):
            continue
        seen.add((partition, said.source))
        features.append(said.features)
        times.append(said.event_ms)
    return _stretch(config, features, times)


def from_examples(config: Config, values: Iterable[bytes], seed: int) -> Stretch:
    """Records of `examples` in order; corrections say nothing new, what is said twice counts once."""
    guard, target, seen = FeatureGuard(config.features), config.target.build(), set[tuple[int, int]]()
    features: list[dict[str, Any]] = []
    times: list[int] = []
    pairs: list[tuple[Label, float | None]] = []
    for value in values:
        told = read_as(value, Example)
        if told is None or told.kind == "correction" or told.label_source in seen or not _fits(guard, told.features):
            continue
        seen.add(told.label_source)
        features.append(told.features)
        times.append(told.event_ms)
        pairs.append((told.label, example_loss(target, told.label, told)))
    return _with_losses(_stretch(config, features, times), target, pairs, seed)


def from_file(config: Config, rows: Rows, label: str | None, limit: int, seed: int, told: Told) -> Stretch:
    """A file's first rows. With a column of labels, the pipeline's champion predicts and learns each in turn.

    Raises:
        ConfigError: a row cannot be read, or a column is not there.
    """
    target = config.target.build()
    reader = LabelReader(target)
    candidates = build_candidates(config) if label else None
    features: list[dict[str, Any]] = []
    pairs: list[tuple[Label, float | None]] = []
    for row in rows:
        if isinstance(row, BadRow):
            raise ConfigError("--from", f"must be rows that can be read, line {row.number} {row.problem}")
        if len(features) >= limit:
            break
        wanted = [*config.features, *([label] if label else [])]
        if absent := [name for name in wanted if name not in row.values and rows.form != "jsonl"]:
            raise ConfigError("--from", f"must have every feature and the label, got no column {', '.join(absent)}")
        values, answer = _row(config, row.values, row.number), None
        if candidates is not None and label:
            try:
                answer = reader.read(row.values.get(label))
            except ValueError as error:
                raise ConfigError("--label", f"line {row.number} {error}") from error
            if answer is None:
                continue
            said = candidates.predict(values)[config.models.champion]
            pairs.append((answer, example_loss(target, answer, said)))
            candidates.learn(values, answer)
        features.append(values)
        told(len(features))
    stretch = _stretch(config, features, [])
    return _with_losses(stretch, target, pairs, seed) if label else stretch


def _row(config: Config, raw: dict[str, object], number: int) -> dict[str, Any]:
    try:
        values = {name: feature_value(raw.get(name), kind) for name, kind in config.features.items()}
    except ValueError as error:
        raise ConfigError("--from", f"must have features as the config says, line {number} {error}") from error
    return {name: value for name, value in values.items() if value is not None}


def _stretch(config: Config, features: Sequence[dict[str, Any]], times: Sequence[int]) -> Stretch:
    if len(features) < ROWS_MIN:
        raise ConfigError("--from", f"must hold at least {ROWS_MIN} rows, got {len(features):,}")
    kinds = config.features
    columns = {name: plain(kind, encode(kind, [row.get(name) for row in features])) for name, kind in kinds.items()}
    return Stretch(kinds=kinds, columns=columns, times_ms=np.array(times, dtype=np.int64) if times else None)


def _with_losses(stretch: Stretch, target: Target, pairs: Sequence[tuple[Label, float | None]], seed: int) -> Stretch:
    losses = np.array([math.nan if loss is None else loss for _, loss in pairs], dtype=np.float64)
    if not np.isfinite(losses).any():
        return stretch
    if target.kind != "regression":
        swapped = swapped_indicator(losses, len(target.labels), np.random.default_rng([seed, 3]))
        return replace(stretch, losses=losses, swapped_losses=swapped)
    off = _SHIFT_SD * float(np.std([float(label) for label, _ in pairs]))
    return replace(stretch, losses=losses, swapped_losses=losses + off, indicator=False)


def budget_of(config: Config, stretch: Stretch) -> AlarmBudgetConfig:
    """The pipeline's budget over what the stretch has: features, and the loss if it is there.

    A budget in time becomes one in events, by the rate of the stretch; raises ConfigError where that is not known.
    """
    settings = alarm_budget_config(config, watched_columns(config.features, config.target.task))
    columns = {
        each.subject.name: each for each in settings.columns.values() if each.subject.kind in {"feature", "quality"}
    }
    if not columns:
        raise ConfigError("drift.alert_on", "must name feature for a scorecard, got none of them")
    return replace(
        settings,
        columns=columns,
        loss=settings.loss if stretch.losses is not None else None,
        allowance=_in_events(settings.allowance, stretch),
    )


def _in_events(allowance: Allowance, stretch: Stretch) -> Allowance:
    if allowance.events is not None:
        return allowance
    times = stretch.times_ms
    lasted = 0 if times is None else int(times.max() - times.min())
    if lasted <= 0:
        raise ConfigError(
            "drift.false_alarms",
            "must be in events for rows without times: --set 'drift.false_alarms=1 per 100000 events'",
        )
    return Allowance(alarms=1, events=round(allowance.events_per_alarm(stretch.rows / lasted)))


def _fits(guard: FeatureGuard, features: Any) -> bool:  # noqa: ANN401 - from the wire
    try:
        guard.check(features)
    except ValueError:
        return False
    return True
