"""What of a job's frames can be shown: columns cleaned, or left out with a reason.

One all-missing column, one infinity or a column that only one side has makes Evidently lose the whole report.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from drift.report_job import ReportJob, storable

MAGNITUDE_MAX = 1e100
"""Beyond it, sums and squares of a column are no finite floats."""
CATEGORIES_MAX = 100
"""More would make a page of megabytes that nobody reads."""
CATEGORY_CHARS_MAX = 80
LABELLED_ROWS_MIN = 2
OTHER = "(other)"


@dataclass(slots=True, kw_only=True)
class Presentable:
    """Frames with the same clean columns on both sides, and what happened to the others."""

    reference: pd.DataFrame
    current: pd.DataFrame
    numerical: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Column to the reason why it is not shown."""
    cleaned: dict[str, str] = field(default_factory=dict)
    """Column to what was done to it."""

    @property
    def features(self) -> list[str]:
        """Every feature shown."""
        return [*self.numerical, *self.categorical]

    def without(self, column: str, reason: str) -> None:
        """Leave a column out after all."""
        for names in (self.numerical, self.categorical):
            if column in names:
                names.remove(column)
        self.left_out[column] = reason


def presentable(job: ReportJob) -> Presentable:
    """Clean every feature of `job`; never raises on what frames hold."""
    raw = {"reference": job.reference, "current": job.current}
    frames = {side: storable(frame, job) for side, frame in raw.items()}
    shown = Presentable(reference=frames["reference"], current=frames["current"], cleaned=dict(job.cleaned))
    for name, kind in job.columns.items():
        absent = [side for side, frame in frames.items() if name not in frame.columns]
        if absent:
            shown.left_out[name] = f"not in the {' and '.join(absent)} rows"
            continue
        notes = []
        if kind == "categorical":
            notes += _plain_categories(frames, name)
        else:
            notes += [note for side in frames if (note := _finite(frames[side], raw[side], name, side))]
        empty = [side for side, frame in frames.items() if not frame[name].notna().any()]
        if empty:
            shown.left_out[name] = "; ".join([f"no usable value in the {' and '.join(empty)} rows", *notes])
            continue
        (shown.categorical if kind == "categorical" else shown.numerical).append(name)
        if notes:
            shown.cleaned[name] = "; ".join([*filter(None, [shown.cleaned.get(name)]), *notes])
    return shown


def labelled(job: ReportJob, shown: Presentable) -> tuple[pd.DataFrame | None, pd.DataFrame] | str:
    """(reference, current) rows with prediction and label, or why the quality of the model cannot be shown.

    A reference without labels is None: it is often older than the first label. Columns are the target's; a
    probability's is named like its label, as Evidently wants it.
    """
    current = _labelled_rows(job, shown.current)
    if current is None:
        return f"fewer than {LABELLED_ROWS_MIN} labelled rows in the window"
    return _labelled_rows(job, shown.reference), current


def _labelled_rows(job: ReportJob, frame: pd.DataFrame) -> pd.DataFrame | None:
    assert job.target is not None
    required = {job.target.label, job.target.prediction}
    columns = [name for name in dict.fromkeys(job.target.columns) if name in frame.columns]
    if not required <= set(columns):
        return None
    known = frame[columns].replace([np.inf, -np.inf], np.nan)
    # A probability that nobody gave must not cost every row.
    known = known.dropna(subset=[name for name in columns if name in required or known[name].notna().any()])
    if len(known) < LABELLED_ROWS_MIN:
        return None
    names = {column: label for label, column in job.target.probabilities.items()}
    return known.rename(columns=names).reset_index(drop=True)


def _finite(frame: pd.DataFrame, raw: pd.DataFrame, name: str, side: str) -> str:
    """Make what is no finite number missing, and say how many there were."""
    usable = frame[name].abs() <= MAGNITUDE_MAX  # False for NaN too
    lost = int(raw[name].notna().sum()) - int(usable.sum())
    frame[name] = frame[name].where(usable)
    return f"{lost} values of the {side} rows are no finite numbers and were ignored" if lost else ""


def _plain_categories(frames: dict[str, pd.DataFrame], name: str) -> list[str]:
    """Shorten and merge categories, the same on both sides."""
    notes = []
    if any(frame[name].str.len().max() > CATEGORY_CHARS_MAX for frame in frames.values() if frame[name].notna().any()):
        for frame in frames.values():
            long = frame[name].str.len() > CATEGORY_CHARS_MAX
            frame[name] = frame[name].where(~long, frame[name].str.slice(0, CATEGORY_CHARS_MAX - 1) + "…")
        notes.append(f"categories were cut to {CATEGORY_CHARS_MAX} characters")
    counts = pd.concat([frame[name] for frame in frames.values()]).value_counts()
    if len(counts) > CATEGORIES_MAX:
        kept = set(counts.index[: CATEGORIES_MAX - 1])
        for frame in frames.values():
            frame[name] = frame[name].where(frame[name].isin(kept) | frame[name].isna(), OTHER)
        notes.append(f"{len(counts) - len(kept)} rare categories are shown as {OTHER}; its drift is of what is shown")
    return notes
