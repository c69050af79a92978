"""The watch stage's parts from the configuration, and which columns it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drift.allowance import Allowance
from drift.budget import AlarmBudgetConfig, WatchedColumn
from drift.comparison import ComparisonConfig, VerdictRule
from drift.detectors import Detector, Watch, build_detector
from drift.evidence import ColumnKind, Subject
from drift.period import Period
from drift.retrain import RetrainConfig
from drift.tolerance import parse_tolerance
from learners.features import FeatureKind
from streams.config import Config
from streams.config_drift import JOINT_ROWS_MIN, DriftConfig
from streams.errors import ConfigError

PREDICTION, CONFIDENCE = "prediction", "confidence"
"""Columns of the model's own streams; a feature of such a name keeps its own under `feature:`."""
_FEATURE = "feature:"
LOSS_ROWS_MAX = 1_000
"""Examples that make a reference of the loss: a model that learns settles in time, and then they are soon there."""
FRESH_ROWS_MAX = 300
"""Events that make a reference after a change has become normal: they are watched from, and grow, so few will do."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a window holds: every feature, the prediction, and for classification its probability."""

    kinds: Mapping[str, ColumnKind]
    subjects: Mapping[str, Subject]


def column_of(feature: str) -> str:
    """The window's column of a feature."""
    return _FEATURE + feature


def watched_columns(features: Mapping[str, FeatureKind], task: str) -> Columns:
    """Columns and what each is about.

    >>> sorted(watched_columns({"amount": "numeric"}, "binary").kinds.items())
    [('confidence', 'numeric'), ('feature:amount', 'numeric'), ('prediction', 'categorical')]
    """
    kinds: dict[str, ColumnKind] = {column_of(name): kind for name, kind in features.items()}
    subjects = {column_of(name): Subject(kind="feature", name=name) for name in features}
    kinds[PREDICTION] = "numeric" if task == "regression" else "categorical"
    subjects[PREDICTION] = Subject(kind="prediction")
    if task != "regression":
        kinds[CONFIDENCE] = "numeric"
        subjects[CONFIDENCE] = Subject(kind="confidence")
    return Columns(kinds, subjects)


def comparison_config(drift: DriftConfig) -> ComparisonConfig:
    """Statistics and thresholds; raises ConfigError where they do not fit."""
    try:
        numeric, categorical = (
            VerdictRule(statistic=drift.numeric_statistic),
            VerdictRule(statistic=drift.categorical_statistic),
        )
        return ComparisonConfig(numeric=numeric, integer=numeric, categorical=categorical, rows_min=drift.rows_min)
    except ValueError as error:
        raise ConfigError("", str(error)) from error


def with_thresholds(
    base: ComparisonConfig, drift: DriftConfig, features: Mapping[str, FeatureKind]
) -> ComparisonConfig:
    """The same with the thresholds that were set for single features."""
    rules = {
        column_of(name): VerdictRule(
            statistic=base.rule(column_of(name), features[name]).statistic, threshold=threshold
        )
        for name, threshold in drift.thresholds.items()
    }
    return ComparisonConfig(
        numeric=base.numeric,
        integer=base.integer,
        categorical=base.categorical,
        columns=rules,
        rows_min=base.rows_min,
    )


def alarm_budget_config(config: Config, columns: Columns) -> AlarmBudgetConfig:
    """What is watched under the one false-alarm budget; raises ConfigError where the settings do not fit."""
    drift, loud = config.drift, config.drift.alert_on
    tolerances = {column_of(name): parse_tolerance(text) for name, text in drift.tolerance.items()}
    watched = {
        name: WatchedColumn(kind=kind, subject=columns.subjects[name], tolerance_sd=tolerances.get(name, 0.0))
        for name, kind in columns.kinds.items()
        if columns.subjects[name].kind in loud
    }
    loss: Literal["indicator", "numeric"] = "numeric" if config.target.task == "regression" else "indicator"
    rows = drift.reference.rows
    try:
        return AlarmBudgetConfig(
            columns=watched,
            allowance=Allowance.parse(drift.false_alarms),
            loss=loss if "loss" in loud else None,
            after_alarm="hold",
            reference_rows=rows,
            loss_rows=min(rows, LOSS_ROWS_MAX),
            fresh_rows=min(rows, JOINT_ROWS_MIN if drift.joint else FRESH_ROWS_MAX),
            listing_events=drift.listing_rows,
            quiet_events=drift.quiet_rows,
            rebase_after_events=drift.rebase_after_rows,
            period=Period.parse(drift.period) if drift.period else None,
            joint=drift.joint,
        )
    except ValueError as error:
        raise ConfigError("drift", str(error)) from error


def retrain_config(config: Config) -> RetrainConfig:
    """When an incident is a reason to retrain; raises ConfigError where the settings do not fit."""
    retrain = config.retrain
    try:
        return RetrainConfig(
            on=retrain.on,
            examples_min=retrain.examples_min,
            examples_max=retrain.examples_max,
            severity_min=retrain.severity_min,
            every_examples=retrain.every_examples,
        )
    except ValueError as error:
        raise ConfigError("retrain", str(error)) from error


def build_detectors(config: Config) -> dict[tuple[Subject, str], Detector]:
    """Per-event detectors by subject and name; raises ConfigError naming the setting."""
    loss: Watch = "loss" if config.target.task == "regression" else "error"
    wanted: list[tuple[str, Subject, Watch, str]] = [
        ("drift.loss_detectors", Subject(kind="loss"), loss, name) for name in config.drift.loss_detectors
    ]
    for feature, names in config.drift.feature_detectors.items():
        path = f"drift.feature_detectors.{feature}"
        if config.features[feature] == "categorical":
            raise ConfigError(path, "must name a numeric feature, got a categorical one")
        wanted += [(path, Subject(kind="feature", name=feature), "number", name) for name in names]
    detectors: dict[tuple[Subject, str], Detector] = {}
    for path, subject, watch, name in wanted:
        try:
            detectors[subject, name] = build_detector(name, watch=watch)
        except ValueError as error:
            raise ConfigError(path, str(error)) from error
    return detectors
