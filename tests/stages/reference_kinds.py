"""Pipelines whose windows are compared with references of every kind, and what their logs hold."""

import msgspec
from watch_stream import REFERENCE, config

from streams.messages import Prediction, encode

FEATURES = {"x": "numeric", "y": "numeric", "city": "categorical"}


def of_kind(kind, **drift):
    """The test pipeline with that reference; a season is 240 rows long."""
    rows = drift.pop("rows", 240 if kind == "seasonal" else REFERENCE)
    seasonal = {"period": "240 rows", "rows_min": 10} if kind == "seasonal" else {}
    return config(reference={"kind": kind, "rows": rows}, **seasonal, **drift)


def predictions(logs):
    """In the merged order."""
    rows = [(row.timestamp, partition, row) for partition, log in enumerate(logs[:2]) for row in log]
    return [msgspec.json.decode(row.value, type=Prediction) for *_, row in sorted(rows, key=lambda each: each[:2])]


def changed(logs, change):
    """The logs with each prediction passed through `change`, which is told its number."""
    found = []
    for log in logs[:2]:
        said = [msgspec.json.decode(row.value, type=Prediction) for row in log]
        found.append([row._replace(value=encode(change(each))) for row, each in zip(log, said, strict=True)])
    return (*found, logs[2])


def number_of(said):
    return int(said.id[1:])


def taken_below(window):
    """Predictions below a window's cut."""
    return sum(offset for place, offset in window["cut"]["offsets"].items() if "predictions" in place)


def first_seen(told):
    """Rows below the first window that was compared with it, by reference."""
    return {window["reference"]: taken_below(window) for window in reversed(told.read("metrics"))}


def columns_of(said):
    """As the monitor takes them."""
    return {f"feature:{name}": value for name, value in said.features.items()} | {
        "prediction": said.prediction,
        "confidence": max(said.probabilities.values()),
    }


def x_of(window):
    return next(column for column in window["columns"] if column["subject"] == "feature:x")
