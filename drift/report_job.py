"""A report as a folder: what to show and the very rows to show, for another process to render.

`job.json` beside `reference.parquet` and `current.parquet`: formats that cannot carry code, unlike pickles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from drift.evidence import ColumnKind, Subject
from drift.phases import IncidentSubject, Severity

TargetKind = Literal["binary", "multiclass", "regression"]

JOB_FILE = "job.json"
_FRAMES = ("reference", "current")
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTarget:
    """Which columns of the frames hold what was predicted and what was true.

    The default names are such as no feature can have.
    """

    kind: TargetKind
    label: str = "(label)"
    prediction: str = "(prediction)"
    positive: str = ""
    """Text of the positive label when `binary`."""
    probabilities: Mapping[str, str] = field(default_factory=dict)
    """Text of a label to the column of its probability."""

    def __post_init__(self) -> None:
        if self.kind == "binary" and not self.positive:
            raise ValueError("target.positive must be the positive label's text, got ''")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it names."""
        return (self.label, self.prediction, *self.probabilities.values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportJob:
    """One page: a window against the reference.

    Frames have a row per event and a column per feature and per entry of `target.columns`; a missing
    value is NaN or None. What is missing or unfit in them is left out of the page and named there.
    """

    title: str
    pipeline: str
    window: int
    cut: str
    """End offsets the window was closed at, as people should read them."""
    from_ms: int
    to_ms: int
    """Record times of the window's first and last row, ms since the epoch."""
    columns: Mapping[str, ColumnKind]
    """Features to show, in this order."""
    reference: pd.DataFrame
    current: pd.DataFrame
    target: ReportTarget | None = None
    """None: no labels to judge by."""
    incident: str = ""
    """Empty for a report on demand."""
    severity: Severity = "info"
    subjects: tuple[IncidentSubject, ...] = ()
    """What changed, the strongest first."""
    recompute: str = ""
    """A command that makes this page again."""
    cleaned: Mapping[str, str] = field(default_factory=dict)
    """Column to what was done to it on the way here."""

    def __post_init__(self) -> None:
        clash = sorted(set(self.columns) & set(self.target.columns if self.target else ()))
        if clash:
            raise ValueError(f"target must name columns that are no features, got {clash[0]!r}")
        for side in _FRAMES:
            names = getattr(self, side).columns
            if not names.is_unique:
                raise ValueError(f"{side} must have every column once, got {names[names.duplicated()][0]!r} twice")


def write_job(folder: Path, job: ReportJob) -> None:
    """Write `job` into `folder`, which is made; `job.json` comes last, so a folder that has one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for side in _FRAMES:
        storable(getattr(job, side), job).to_parquet(folder / f"{side}.parquet", index=False)
    plain = {name: getattr(job, name) for name in ReportJob.__slots__ if name not in _FRAMES}
    plain["columns"] = dict(job.columns)
    plain["cleaned"] = {**job.cleaned, **_unreadable(job)}
    plain["target"] = asdict(job.target) if job.target else None
    plain["subjects"] = [asdict(subject) for subject in job.subjects]
    (folder / JOB_FILE).write_text(json.dumps({"format": _FORMAT, **plain}), encoding="utf-8")


def read_job(folder: Path) -> ReportJob:
    """The job in `folder`.

    Raises:
        ValueError: There is none, or it is of another version.
    """
    path = folder / JOB_FILE
    if not path.is_file():
        raise ValueError(f"{folder} must be a report job's folder, got one without {JOB_FILE}")
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if plain.pop("format", None) != _FORMAT:
        raise ValueError(f"{path} must be of format {_FORMAT}, got another version's")
    target = plain.pop("target")
    subjects = plain.pop("subjects")
    return ReportJob(
        **plain,
        target=ReportTarget(**target) if target else None,
        subjects=tuple(IncidentSubject(**{**item, "subject": Subject(**item["subject"])}) for item in subjects),
        reference=pd.read_parquet(folder / "reference.parquet"),
        current=pd.read_parquet(folder / "current.parquet"),
    )


def storable(frame: pd.DataFrame, job: ReportJob) -> pd.DataFrame:
    """The columns that `job` names, of one type each: float64 where numbers belong, else text or None.

    What is no number in a numeric column becomes missing.
    """
    numeric = {name for name, kind in job.columns.items() if kind != "categorical"}
    if job.target:
        numeric |= set(job.target.probabilities.values())
        if job.target.kind == "regression":
            numeric |= {job.target.label, job.target.prediction}
    wanted = [*job.columns, *(job.target.columns if job.target else ())]
    return pd.DataFrame(
        {
            name: pd.to_numeric(frame[name], errors="coerce").astype("float64")
            if name in numeric
            else frame[name].map(text, na_action="ignore").astype(object).where(frame[name].notna(), None)
            for name in wanted
            if name in frame.columns
        }
    ).reset_index(drop=True)


def _unreadable(job: ReportJob) -> dict[str, str]:
    """Numeric columns that `storable` loses values of, with how many of which side."""
    notes: dict[str, list[str]] = {}
    for side in _FRAMES:
        frame: pd.DataFrame = getattr(job, side)
        stored = storable(frame, job)
        for name in stored.columns:
            if lost := int(frame[name].notna().sum() - stored[name].notna().sum()):
                notes.setdefault(name, []).append(f"{lost} values of the {side} rows are no numbers and were ignored")
    return {name: "; ".join(lines) for name, lines in notes.items()}


def text(value: Hashable) -> str:
    """A category or label as text: 1, 1.0 and True of one class would otherwise be three.

    >>> text(1.0), text(1), text("a"), text(True)
    ('1', '1', 'a', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return str(value).encode("utf-8", "replace").decode()
