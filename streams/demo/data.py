"""The demo's rows: Shuttle, which comes inside River's wheel, or any file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from learners.features import FeatureKind
from learners.target import Target
from streams.demo.changes import DemoRow
from streams.errors import ConfigError, MillraceError
from streams.infer import Inference, infer
from streams.rows import BadRow, Row, open_rows
from streams.values import LabelReader, feature_value


@dataclass(frozen=True, slots=True)
class DemoData:
    """Rows with what they are."""

    name: str
    about: str
    kinds: dict[str, FeatureKind]
    target: Target
    rows: list[DemoRow]


def shuttle(rows_max: int | None = None) -> DemoData:
    """Sensors of a space shuttle: 49,097 rows of 9 integers, 7 % of them anomalies (Statlog, from River's wheel)."""
    from river import datasets  # noqa: PLC0415 - takes seconds to import

    data = datasets.Shuttle()
    rows = [DemoRow(dict(features), int(label)) for features, label in itertools.islice(data, rows_max)]
    kinds: dict[str, FeatureKind] = dict.fromkeys(rows[0].features, "integer")
    about = "Shuttle (Statlog): 9 sensors, is it an anomaly?"
    return DemoData("shuttle", about, kinds, Target(kind="binary", labels=(0, 1), positive=1), rows)


def from_file(path: Path, label: str, task: str | None, rows_max: int | None) -> DemoData:
    """Rows of a CSV, JSON Lines or Parquet file; features and their kinds are inferred as by `millrace init`.

    Raises:
        ConfigError: the label column is not there, or says too little.
        MillraceError: the file cannot be read.
    """
    if task not in {None, "binary", "multiclass", "regression"}:
        raise ConfigError("--task", f"must be binary, multiclass or regression, got {task!r}")
    text = open_rows(path).form == "csv"
    found: Inference = infer(_good(path, rows_max), text=text, label=label, task=task)  # type: ignore[arg-type]
    if found.target is None:
        raise ConfigError("--label", f"must name a column of labels, got {label!r}")
    target = Target(kind=found.target.task, labels=found.target.labels, positive=found.target.positive)
    labels = LabelReader(target)
    rows = []
    for row in _good(path, rows_max):
        answer = labels.read(row.get(found.target.column))
        if answer is None:
            continue
        values = {name: feature_value(row.get(found.columns[name]), kind) for name, kind in found.features.items()}
        rows.append(DemoRow({name: value for name, value in values.items() if value is not None}, answer))
    if not rows:
        raise MillraceError(f"{path} must hold labelled rows, got none")
    return DemoData(path.name.split(".")[0], f"{path.name}: {target.kind}", dict(found.features), target, rows)


def _good(path: Path, rows_max: int | None) -> Iterator[dict[str, object]]:
    rows: Iterator[Row | BadRow] = itertools.islice(iter(open_rows(path)), rows_max)
    for row in rows:
        if isinstance(row, BadRow):
            raise MillraceError(f"{path}, line {row.number}: {row.problem}")
        yield row.values
