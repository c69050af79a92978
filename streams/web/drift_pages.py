"""Drift over time and one feature's history: from the view to the templates' context. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.messages import ColumnMetrics
from streams.web.charts import incident_spans, line_chart, mean, new_references, times
from streams.web.history import Point, Window, buckets, number_or_none, strongest, worst
from streams.web.incident import Incident
from streams.web.pages import SPANS, span_of
from streams.web.shapes import picture
from streams.web.standing import stands
from streams.web.view import View

CELLS_MAX = 160
"""In a row of the heat map, whatever the history."""
LEVELS = (0.5, 1.0, 2.0, 4.0)
"""Ratios to the threshold at which the colour changes."""
ROWS_SHOWN = 12
ALARMS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Neighbouring places of one row that look the same."""

    x: int
    width: int
    level: str
    """`l0` to `l4`, `nodata` (not judged) or `absent` (no such column then)."""


def level_of(point: Point | None) -> str:
    """How a place looks.

    >>> level_of(None), level_of(Point(value=0.3, threshold=0.1, verdict="drift"))
    ('absent', 'l3')
    >>> level_of(Point(value=0.3, threshold=0.1, verdict="not_enough_data"))
    'nodata'
    """
    if point is None:
        return "absent"
    ratio = point.ratio
    if ratio is None:
        return "nodata"
    return f"l{sum(ratio >= level for level in LEVELS)}"


def cells(points: Sequence[Point | None]) -> list[Cell]:
    """A row of the heat map, equal neighbours as one."""
    found: list[Cell] = []
    for number, point in enumerate(points):
        level = level_of(point)
        if found and found[-1].level == level:
            found[-1] = Cell(x=found[-1].x, width=found[-1].width + 1, level=level)
        else:
            found.append(Cell(x=number, width=1, level=level))
    return found


def heat_map(view: View, span: str | None = None) -> dict[str, Any]:
    """Every column of the newest window over time, in the order of the record."""
    span = span_of(span)
    windows = view.history.newest(SPANS[span])
    parts = buckets(windows, CELLS_MAX)
    subjects = windows[-1].subjects if windows else ()
    loud = set(view.config.drift.alert_on)
    columns = {column.subject: column for column in view.last.columns} if view.last else {}
    rows: list[dict[str, Any]] = []
    for at, subject in enumerate(subjects):
        points = [strongest(part, at, subjects) for part in parts]
        newest = windows[-1].point(at)
        rows.append(
            {
                "subject": subject,
                "cells": cells(points),
                "newest": newest,
                "loud": subject.partition(":")[0] in loud,
                "stands": stands(columns.get(subject)),
            }
        )
    return {
        "rows": rows,
        "changed": [row["subject"] for row in rows if row["stands"][0] == "changed"],
        "beyond": [
            row["subject"] for row in rows if row["stands"][0] != "changed" and row["newest"].verdict == "drift"
        ],
        "kinds": Counter(row["stands"][0] for row in rows),
        "places": len(parts),
        "each": max((len(part) for part in parts), default=1),
        "x_ticks": times(parts),
        "incidents": incident_spans(parts),
        "references": new_references(parts),
        "newest": windows[-1] if windows else None,
        "budget": view.last.budget if view.last else None,
        "loss_changed": _open_about_loss(view),
        "windows": len(windows),
        "span": span,
        "spans": tuple(SPANS),
        "collecting": None,
        "silent": frozenset(),
        "reference_rows": view.config.drift.reference.rows,
    }


def _open_about_loss(view: View) -> Incident | None:
    """The open incident, where the loss is among what has changed: no row of the map says so."""
    return next(
        (each for each in view.incidents.open() if any(s.get("subject") == "loss" for s in each.subjects)), None
    )


def feature(view: View, subject: str, span: str | None = None) -> dict[str, Any] | None:
    """One column's history; None for one that no window has."""
    span = span_of(span)
    windows = [window for window in view.history.newest(SPANS[span]) if subject in window.subjects]
    if not windows:
        return None

    def strongest(part: Sequence[Window]) -> float | None:
        found = worst([window.of(subject) for window in part])
        return None if found is None else found.value

    def threshold(part: Sequence[Window]) -> float | None:
        return mean([point.threshold for window in part if (point := window.of(subject)) is not None])

    chart = line_chart(windows, [("threshold", "threshold", threshold), ("value", "champion", strongest)], low=0.0)
    column = next((column for column in view.last.columns if column.subject == subject), None) if view.last else None
    return {
        "subject": subject,
        "chart": chart,
        "column": column,
        "statistics": _statistics(column),
        "picture": picture(column.histogram) if column else None,
        "newest": windows[-1].of(subject),
        "rows": [(window, window.of(subject)) for window in reversed(windows[-ROWS_SHOWN:])],
        "windows": len(windows),
        "alarms": [a for window in reversed(windows) for a in window.alarms if a.subject == subject][:ALARMS_SHOWN],
        "incidents": [
            incident
            for incident in view.incidents.newest_first()
            if any(_about(str(item.get("subject", "")), subject) for item in incident.subjects)
        ][:5],
        "span": span,
        "spans": tuple(SPANS),
    }


def _about(said: str, subject: str) -> bool:
    """`quality:amount` is about `feature:amount`, too."""
    return said == subject or (":" in subject and said.partition(":")[2] == subject.partition(":")[2])


def _statistics(column: ColumnMetrics | None) -> list[tuple[str, float | None]]:
    return [] if column is None else [(name, number_or_none(value)) for name, value in column.statistics.items()]
