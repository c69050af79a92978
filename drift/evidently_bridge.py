"""The one module that imports Evidently, inside a function: 2.5 to 7 s of CPU and 270 MB, for rendering only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from drift.report_columns import Presentable, labelled, presentable
from drift.report_job import ReportJob, ReportTarget
from drift.report_page import Dashboard, compose, dashboard


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What became of a job."""

    path: Path
    left_out: Mapping[str, str]
    """Column, or part of the page in brackets, to the reason why it is not shown."""
    cleaned: Mapping[str, str]
    """Column to what was done to it before drawing."""
    parts: tuple[str, ...]
    """Titles of what is shown."""
    seconds: float
    """By the clock given, import of Evidently included."""


Draw = Callable[[list[str], list[str]], Dashboard]
"""Numerical and categorical columns to a drawn part."""


def render(job: ReportJob, path: Path, clock: Callable[[], float]) -> Rendered:
    """Draw `job` as one HTML page at `path`, the charts as Evidently draws them.

    Each part is a report of its own: one that fails is named in the page and the others stay.

    Raises:
        ValueError: Evidently's pages have another layout than we can make safe.
        OSError: `path` cannot be written.
    """
    started = clock()
    shown = presentable(job)
    dashboards: list[Dashboard] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently and its libraries warn about themselves and divide by zero
        if shown.features:
            for title, draw in _feature_parts(shown).items():
                dashboards += _drawn(title, draw, shown)
        if job.target is not None:
            dashboards += _quality(job, job.target, shown)
    page = compose(job, dashboards, left_out=shown.left_out, cleaned=shown.cleaned)
    path.write_bytes(page.encode("utf-8", "replace"))
    return Rendered(
        path=path,
        left_out=shown.left_out,
        cleaned=shown.cleaned,
        parts=tuple(part.title for part in dashboards),
        seconds=clock() - started,
    )


def _feature_parts(shown: Presentable) -> dict[str, Draw]:
    from evidently.presets import DataDriftPreset, DataSummaryPreset  # noqa: PLC0415 - only who renders pays

    def part(title: str, preset: Callable[[], Any]) -> Draw:
        def draw(numerical: list[str], categorical: list[str]) -> Dashboard:
            names = [*numerical, *categorical]
            fields = {"numerical_columns": numerical, "categorical_columns": categorical}
            return _report(title, preset(), shown.reference[names], shown.current[names], fields)

        return draw

    presets = {"Drift of features": DataDriftPreset, "Summary of features": DataSummaryPreset}
    return {title: part(title, preset) for title, preset in presets.items()}


def _drawn(title: str, draw: Draw, shown: Presentable) -> list[Dashboard]:
    """The part, if need be without the columns that it fails on when alone; empty when nothing helps."""
    why = _failure(lambda: draw(shown.numerical, shown.categorical))
    if isinstance(why, Dashboard):
        return [why]
    for name in shown.features:
        numerical = [name] if name in shown.numerical else []
        failed = _failure(lambda n=numerical, c=[] if numerical else [name]: draw(n, c))  # type: ignore[misc]
        if isinstance(failed, str):
            shown.without(name, f"Evidently could not draw it: {failed}")
    again = _failure(lambda: draw(shown.numerical, shown.categorical)) if shown.features else why
    if isinstance(again, Dashboard):
        return [again]
    shown.left_out[f"({title})"] = f"Evidently could not draw it: {again}"
    return []


def _quality(job: ReportJob, target: ReportTarget, shown: Presentable) -> list[Dashboard]:
    from evidently.presets import ClassificationPreset, RegressionPreset  # noqa: PLC0415 - only who renders pays

    title = "Quality of predictions"
    rows = labelled(job, shown)
    if isinstance(rows, str):
        shown.left_out[f"({title})"] = rows
        return []
    preset = RegressionPreset if target.kind == "regression" else ClassificationPreset
    reference, current = rows
    if reference is None:
        shown.cleaned[f"({title})"] = "drawn without the reference, whose rows have no labels"
    # Windows of one class are common where a class is rare, and fail in every way but the last.
    attempts = [(fields, against) for against in (reference, None) for fields in _tasks(target, current, against)]
    why = ""
    for fields, against in attempts:
        outcome = _failure(lambda f=fields, a=against: _report(title, preset(), a, current, f))  # type: ignore[misc]
        if isinstance(outcome, Dashboard):
            if why:
                less = "the reference" if against is None else "some of its charts"
                shown.cleaned[f"({title})"] = f"drawn without {less}: {why}"
            return [outcome]
        why = why or outcome
    shown.left_out[f"({title})"] = f"Evidently could not draw it: {why}"
    return []


def _tasks(target: ReportTarget, current: pd.DataFrame, reference: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """Fields of a `DataDefinition` for the target, the fullest first, the hardiest last."""
    from evidently import BinaryClassification, MulticlassClassification, Regression  # noqa: PLC0415 - the same

    if target.kind == "regression":
        yield {"regression": [Regression(target=target.label, prediction=target.prediction)]}
        return
    frames = [current] if reference is None else [current, reference]
    classes = sorted({label for frame in frames for name in (target.label, target.prediction) for label in frame[name]})
    columns: dict[str, Any] = {"target": target.label, "prediction_labels": target.prediction}
    probabilities = [name for name in target.probabilities if all(name in frame.columns for frame in frames)]
    tasks: list[Any] = []
    if target.kind == "binary" or len(classes) == 2:  # noqa: PLR2004 - of two classes Evidently takes none as multiclass
        positive = target.positive or classes[-1]
        if positive in probabilities:
            tasks.append(BinaryClassification(**columns, pos_label=positive, prediction_probas=positive))
        tasks.append(BinaryClassification(**columns, pos_label=positive))
    elif probabilities:
        tasks.append(MulticlassClassification(**columns, prediction_probas=probabilities))
    tasks.append(MulticlassClassification(**columns))
    for task in tasks:
        yield {"classification": [task], "categorical_columns": [target.label, target.prediction]}


def _report(
    title: str, preset: object, reference: pd.DataFrame | None, current: pd.DataFrame, fields: dict[str, Any]
) -> Dashboard:
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - only who renders pays

    # Always a definition: without one the types of columns are guessed, and flip with the window.
    definition = DataDefinition(**fields)
    current_data = Dataset.from_pandas(current, data_definition=definition)
    reference_data = None if reference is None else Dataset.from_pandas(reference, data_definition=definition)
    snapshot = Report([preset]).run(current_data, reference_data)
    return dashboard(title, snapshot.get_html_str(as_iframe=False))


def _failure(draw: Callable[[], Dashboard]) -> Dashboard | str:
    """What was drawn, or why not in one line."""
    try:
        return draw()
    except Exception as failure:  # noqa: BLE001 - Evidently raises whatever numpy, pandas and plotly do
        line = str(failure).strip().split("\n")[0][:200]
        return f"{type(failure).__name__}: {line}" if line else type(failure).__name__
