"""What is known about one window, as values: comparisons and verdicts. Nothing here computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["numeric", "integer", "categorical"]
Verdict = Literal["stable", "drift", "not_enough_data"]
SubjectKind = Literal["feature", "prediction", "confidence", "loss", "quality", "labels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a statistic or an alarm is about: one feature, or one of the model's own streams."""

    kind: SubjectKind
    name: str = ""
    """The feature's name for `feature` and `quality`, else empty."""

    def __str__(self) -> str:
        """`feature:amount`, `loss` …, the form used on the wire."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Data quality of one feature in one window, as shares of its rows in [0, 1]."""

    missing_share: float
    reference_missing_share: float = 0.0
    """The same share in the reference: a feature that was always sparse is no news."""
    new_category_share: float = 0.0
    """Rows whose category the reference never had."""
    out_of_range_share: float = 0.0
    """Rows outside the reference's smallest and largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEvidence:
    """One column of the window against the reference."""

    subject: Subject
    column: ColumnKind
    reference_rows: int
    """Present values in the reference."""
    current_rows: int
    """Present values in the window."""
    statistics: Mapping[str, float]
    """Evidently's numbers by Evidently's names: `psi`, `jensenshannon`, `ks` …"""
    statistic: str
    """The one the verdict rests on."""
    threshold: float
    verdict: Verdict
    quality: Quality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorAlarm:
    """A per-event detector fired inside the window."""

    subject: Subject
    detector: str
    """Its name in the catalog, `adwin` …"""
    row: int
    """Rows this detector had seen when it fired, counting from 1."""
    event_ms: int
    """Record time of the row that made it fire, ms since the epoch."""
