"""A window and its reference as the frames of a report."""

from __future__ import annotations

import pandas as pd

from drift.evidence import ColumnKind
from drift.report_job import ReportJob, ReportTarget
from streams.config import Config
from streams.stages.watch import ReportDue
from streams.stages.watch_settings import CONFIDENCE, PREDICTION, column_of

_PROBABILITY = "(probability)"


def report_name(due: ReportDue) -> str:
    """Of its folder below `reports.folder`: the incident's id, or the window's number and the beginning of its cut."""
    return due.phase.incident if due.phase else f"window-{due.number}-{due.cut.id[:8]}"


def report_job(config: Config, due: ReportDue) -> ReportJob:
    """What to render: features, and prediction beside label where the window's labels are known by now."""
    phase, window = due.phase, due.window
    kinds: dict[str, ColumnKind] = {
        name: kind for name, kind in config.features.items() if column_of(name) in due.reference.kinds
    }
    reference, current = (
        pd.DataFrame({name: columns[column_of(name)] for name in kinds})
        for columns in (due.reference.columns, window.columns())
    )
    target = None
    if due.labels and PREDICTION in due.reference.kinds:
        target = _target(config)
        _add_quality(config, target, due, reference, current)
    return ReportJob(
        title=phase.title if phase else f"window {due.number} of {config.name}",
        pipeline=config.name,
        window=due.number,
        cut=", ".join(f"{place} < {offset}" for place, offset in sorted(due.cut.offsets.items())),
        from_ms=window.from_ms,
        to_ms=window.to_ms,
        columns=kinds,
        reference=reference,
        current=current,
        target=target,
        incident=phase.incident if phase else "",
        severity=phase.severity if phase else "info",
        subjects=phase.subjects if phase else (),
        recompute=f"millrace report --incident {report_name(due)}",
    )


def _target(config: Config) -> ReportTarget:
    if config.target.task != "binary":
        return ReportTarget(kind=config.target.task)
    positive = str(config.target.positive)
    return ReportTarget(kind="binary", positive=positive, probabilities={positive: _PROBABILITY})


def _add_quality(
    config: Config, target: ReportTarget, due: ReportDue, reference: pd.DataFrame, current: pd.DataFrame
) -> None:
    columns = due.window.columns()
    current[target.label] = [due.labels.get(identity) for identity in due.window.ids()]
    current[target.prediction] = columns[PREDICTION]
    reference[target.label] = None
    reference[target.prediction] = due.reference.columns[PREDICTION]
    if config.target.task != "binary":
        return
    for frame, confidence in ((current, columns[CONFIDENCE]), (reference, due.reference.columns[CONFIDENCE])):
        is_positive = frame[target.prediction] == str(config.target.positive)
        frame[_PROBABILITY] = pd.Series(confidence, dtype="float64").where(is_positive, 1.0 - pd.Series(confidence))
