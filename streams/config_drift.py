"""The part of the configuration tree that says what is drift, who is told, and when a model is to be fitted anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from drift.allowance import Allowance
from drift.period import Period
from drift.tolerance import parse_tolerance
from streams.setting import HARMLESS, REBUILD, Section

JOINT_ROWS_MIN = 1_000
"""`drift.budget.joint.ROWS_MIN`, without numpy."""
PHASES = 24
"""`drift.references.PHASES`, without numpy."""


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
    """What the windows are compared with, and what the budget watches from."""

    kind: Annotated[Literal["first", "file", "sliding", "reservoir", "seasonal", "retrain", "promotion"], REBUILD] = (
        "first"
    )
    """`first` rows, of a `file`, `sliding` before the window, a `reservoir` of all, `seasonal`: rows of the same phase
    of `drift.period`, or the first after each `retrain` request or `promotion` of another model."""
    rows: Annotated[int, REBUILD] = Field(default=5_000, ge=50)
    """So many predictions; those of a `file` are as many as it has."""
    file: Annotated[Path | None, REBUILD] = None
    """CSV, JSON Lines or Parquet with the features' columns; the kind is then `file`."""

    @model_validator(mode="before")
    @classmethod
    def _file_is_a_kind(cls, values: Any) -> Any:  # noqa: ANN401 - what the file has
        if isinstance(values, dict) and values.get("file") is not None and "kind" not in values:
            return {**values, "kind": "file"}
        return values

    @model_validator(mode="after")
    def _file_fits(self) -> Self:
        if self.kind == "file" and self.file is None:
            raise ValueError('file must be set where kind is "file"')
        if self.kind != "file" and self.file is not None:
            raise ValueError(f'file must be left out unless kind is "file", got kind {self.kind!r}')
        return self


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
    listing_rows: Annotated[int, REBUILD] = Field(default=120, ge=1, le=150)
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
    """Below so many present values a window's statistics are not judged."""
    numeric_statistic: Annotated[str, REBUILD] = "ks_distance"
    """What says how large a change of a numeric column is, by Evidently's name; the others are shown beside it."""
    categorical_statistic: Annotated[str, REBUILD] = "jensenshannon"
    thresholds: Annotated[dict[str, float], REBUILD] = Field(default_factory=dict)
    """By feature: a change worth speaking of; else the statistic's own. No alarm depends on it."""
    alert_on: Annotated[tuple[Literal["feature", "loss", "prediction", "confidence"], ...], REBUILD] = Field(
        default=("feature", "loss"), min_length=1
    )
    """What may raise an alarm. Predictions and confidence move whenever an online model learns: shown, not alarmed."""
    loss_detectors: Annotated[tuple[str, ...], REBUILD] = ()
    """River's detectors that watch the loss, too, such as `adwin`: shown, outside the budget."""
    feature_detectors: Annotated[dict[str, tuple[str, ...]], REBUILD] = Field(default_factory=dict)
    """The same by numeric feature."""

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.joint and self.reference.file is None and self.reference.rows < JOINT_ROWS_MIN:
            raise ValueError(f"joint must be false where reference.rows is below {JOINT_ROWS_MIN:,}: it would cry wolf")
        if self.reference.kind == "seasonal":
            self._phases_are_judged()
        if self.reference.file is not None and self.period and Period.parse(self.period).ms is not None:
            raise ValueError('period must be in rows ("48 rows") where reference.file is set: its rows have no time')
        if 0 < self.rebase_after_rows <= self.listing_rows:
            raise ValueError("rebase_after_rows must be 0 or more than listing_rows")
        if self.slide_rows > self.window_rows:
            raise ValueError("slide_rows must be at most window_rows, or events fall between two windows")
        return self

    def _phases_are_judged(self) -> None:
        if self.period is None:
            raise ValueError('period must be set where reference.kind is "seasonal"')
        if self.reference.rows < PHASES * self.rows_min:
            raise ValueError(
                f"reference.rows must be at least {PHASES} times rows_min ({PHASES * self.rows_min:,}) where "
                f'reference.kind is "seasonal", or no phase is ever judged, got {self.reference.rows:,}'
            )

    @property
    def rows_to_first_verdict(self) -> int:
        """Predictions before anything is shown: the reference, and one slide."""
        return (self.reference.rows if self.reference.file is None else 0) + self.slide_rows


class RetrainConfig(Section):
    """When a retrain request is made."""

    on: Annotated[tuple[Literal["hurt", "size"], ...], HARMLESS] = ("hurt", "size")
    """What makes an incident a reason: that it hurts, or that it is of `severity_min` and more."""
    severity_min: Annotated[Literal["info", "warning", "critical"], HARMLESS] = "warning"
    examples_min: Annotated[int, HARMLESS] = Field(default=1_000, ge=1)
    """Labelled examples since the change that are waited for; a change that goes away before asks for nothing."""
    examples_max: Annotated[int, HARMLESS] = Field(default=100_000, ge=1)
    every_examples: Annotated[int, HARMLESS] = Field(default=0, ge=0)
    """A request after so many examples, whatever happens. 0 means never."""
