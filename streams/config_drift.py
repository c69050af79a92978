"""The part of the configuration tree that says what is drift, who is told, and when a model is to be fitted anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from drift.allowance import Allowance
from drift.period import Period
from drift.tolerance import parse_tolerance
from streams.setting import HARMLESS, REBUILD, Section


def _like(parse: Callable[[str, str], object]) -> Callable[[str], str]:
    """A text that `parse` can read; its word on what it cannot begins with `must`."""

    def check(text: str) -> str:
        try:
            parse(text, "")
        except ValueError as error:
            raise ValueError(str(error).strip()) from error
        return text

    return check


class ReferenceConfig(Section):
    """What the windows are compared with."""

    rows: Annotated[int, REBUILD] = Field(default=5_000, ge=50)
    """The first so many predictions, unless `file` is given."""
    file: Annotated[Path | None, REBUILD] = None
    """CSV, JSON Lines or Parquet with the features' columns."""


class DriftConfig(Section):
    """How many false alarms can be borne, what is watched, and the windows that are shown beside it."""

    false_alarms: Annotated[str, REBUILD, AfterValidator(_like(Allowance.parse))] = "1 per 100000 events"
    """For everything that is watched together. In time, such as `1 per week`, it follows the measured rate."""
    period: Annotated[Annotated[str, AfterValidator(_like(Period.parse))] | None, REBUILD] = None
    """A season that is in the features, `24h` or `48 rows`: it is taken out before they are judged."""
    tolerance: Annotated[dict[str, Annotated[str, AfterValidator(_like(parse_tolerance))]], REBUILD] = Field(
        default_factory=dict
    )
    """By numeric feature, such as `0.1 sd`: a shift of its mean up to this never matters."""
    joint: Annotated[bool, REBUILD] = False
    """Whether to watch how numeric features go together, too. It costs more than all else."""
    listing_rows: Annotated[int, REBUILD] = Field(default=120, ge=1)
    """So many events after an alarm everything that has changed with it is told."""
    quiet_rows: Annotated[int, REBUILD] = Field(default=1_000, ge=1)
    """An incident is over after so many events that do not differ, or three times as many as it took to be seen."""
    rebase_after_rows: Annotated[int, REBUILD] = Field(default=5_000, ge=0)
    """An incident that lasts so many events is the new normal: a new reference is taken. 0 means never."""
    reference: Annotated[ReferenceConfig, REBUILD] = ReferenceConfig()
    window_rows: Annotated[int, REBUILD] = Field(default=1_000, ge=50)
    slide_rows: Annotated[int, REBUILD] = Field(default=200, ge=1)
    """A window is evaluated every so many predictions."""
    rows_min: Annotated[int, REBUILD] = Field(default=200, ge=1)
    """Below so many present values nothing is judged."""
    numeric_statistic: Annotated[str, REBUILD] = "ks_distance"
    """What a numeric column's verdict rests on, by Evidently's name; the others are shown beside it."""
    categorical_statistic: Annotated[str, REBUILD] = "jensenshannon"
    thresholds: Annotated[dict[str, float], REBUILD] = Field(default_factory=dict)
    """By feature; else the statistic's own, raised to what stable data of this size may reach."""
    windows_min: Annotated[int, REBUILD] = Field(default=3, ge=1)
    """Consecutive windows above the threshold that make an alarm."""
    windows_quiet: Annotated[int, REBUILD] = Field(default=5, ge=1)
    """Consecutive windows without a signal that end an incident."""
    rebase_after_windows: Annotated[int, REBUILD] = Field(default=25, ge=0)
    """An incident that lasts so many windows is the new normal: a new reference is taken. 0 means never."""
    alert_on: Annotated[tuple[Literal["feature", "quality", "loss", "prediction", "confidence"], ...], REBUILD] = (
        "feature",
        "quality",
        "loss",
    )
    """What may raise an alarm. Predictions and confidence move whenever an online model learns: shown, not alarmed."""
    loss_detectors: Annotated[tuple[str, ...], REBUILD] = ("adwin",)
    feature_detectors: Annotated[dict[str, tuple[str, ...]], REBUILD] = Field(default_factory=dict)
    missing_share_rise: Annotated[float, REBUILD] = Field(default=0.05, gt=0, le=1)
    """Rise of a feature's missing share above the reference's that is an alarm; likewise the next two."""
    new_category_share_rise: Annotated[float, REBUILD] = Field(default=0.05, gt=0, le=1)
    out_of_range_share_rise: Annotated[float, REBUILD] = Field(default=0.05, gt=0, le=1)

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if 0 < self.rebase_after_rows <= self.listing_rows:
            raise ValueError("rebase_after_rows must be 0 or more than listing_rows")
        if self.slide_rows > self.window_rows:
            raise ValueError("slide_rows must be at most window_rows, or events fall between two windows")
        return self

    @property
    def rows_to_first_verdict(self) -> int:
        """Predictions before anything can be said: the reference, and slides until enough rows stand against it."""
        slides = -(-self.rows_min // self.slide_rows)
        return (self.reference.rows if self.reference.file is None else 0) + slides * self.slide_rows


class RetrainConfig(Section):
    """When a retrain request is made."""

    examples_min: Annotated[int, HARMLESS] = Field(default=1_000, ge=1)
    """A request that names fewer examples since the change reaches back before it."""
    severity_min: Annotated[Literal["info", "warning", "critical"], HARMLESS] = "warning"
    """An incident below it is no reason to retrain."""
    examples_max: Annotated[int, HARMLESS] = Field(default=100_000, ge=1)
