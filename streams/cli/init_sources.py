"""What `millrace init` can begin from: nothing, a file's rows, or the records of a topic."""

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from streams.cli.terminal import warn
from streams.config import CandidateConfig, Config, KafkaConfig, ModelsConfig, TargetConfig
from streams.errors import MillraceError
from streams.infer import Inference, InferError, TargetGuess, infer
from streams.record_shape import Sample, flat, native_events, native_labels, short_names
from streams.rows import BadRow, open_rows
from streams.template import Beginning

Given = Mapping[str, Any]
"""`label`, `id_column`, `time_column` and `task`, each None unless a person said it."""
_CHANGE = "CHANGE THIS: no label is known yet, so the target below is only an example"


def blank(name: str, bootstrap: str) -> Beginning:
    """An example to be changed."""
    return Beginning(
        name=name,
        features={"amount": "numeric", "hour": "integer", "country": "categorical"},
        task="binary",
        labels=(0, 1),
        positive=1,
        bootstrap=bootstrap,
        notes={
            "features": ("CHANGE THIS: these three features are only examples",),
            "target": ("CHANGE THIS: this target is only an example",),
        },
    )


def from_file(source: str, form: str | None, rows_max: int, missing: list[str], given: Given) -> Inference:
    """Guesses from a file's first rows; rows that cannot be read are told and left out."""
    if form not in {None, "csv", "jsonl", "parquet"}:
        raise MillraceError(f"--format must be csv, jsonl or parquet, got {form!r}")
    rows = open_rows(source, form)  # type: ignore[arg-type]
    bad: list[BadRow] = []

    def readable() -> Iterator[dict[str, object]]:
        for row in itertools.islice(rows, rows_max):
            if isinstance(row, BadRow):
                bad.append(row)
            elif missing:
                yield {column: None if cell in missing else cell for column, cell in row.values.items()}
            else:
                yield row.values

    try:
        guess = infer(readable(), text=rows.form == "csv", **given)
    except InferError as error:
        reason = f"; the first bad row, {bad[0].number}, {bad[0].problem}" if bad else ""
        raise MillraceError(f"{rows.name}: {error}{reason}") from error
    if guess.target is None:
        names = ", ".join(guess.columns.values())
        raise MillraceError(f"--label must name the column to predict, one of {names}")
    if bad:
        warn(f"{len(bad):,} rows cannot be read, the first at {bad[0].number}: {bad[0].problem}")
    return guess


def file_beginning(guess: Inference, name: str, bootstrap: str, source: str) -> Beginning:
    """The settings that follow from a file."""
    assert guess.target is not None
    return _beginning(
        guess,
        guess.target,
        name,
        bootstrap,
        f"{guess.rows:,} rows of {'standard input' if source == '-' else Path(source).name}",
    )


def from_topic(
    topic: str, labels_topic: str | None, *, name: str, bootstrap: str, root: Path, given: Given
) -> Beginning:
    """The settings that follow from the records of topics that are there already."""
    from streams.kafka.sampling import sample_topic

    kafka = _placeholder(name, bootstrap, root)
    events = _some(sample_topic(kafka, topic), topic)
    native = native_events(events.documents)
    rows = [dict(document["features"]) if native else dict(flat(document)) for document in events.documents]
    given_here = {**given, "label": None if labels_topic else given["label"]}
    if native:
        given_here |= {"id_column": None, "time_column": None}
    try:
        guess = infer(rows, text=False, **given_here)
    except InferError as error:
        raise MillraceError(f"topic {topic}: {error}") from error
    mapping: dict[str, Any] = {}
    notes: list[str] = []
    paths = guess.columns
    if not native:
        if guess.id is None:
            raise MillraceError(f"--id must name the field that identifies an event, one of {', '.join(rows[0])}")
        paths = short_names(guess.columns.values())
        time, remark = _time_path(guess.time, rows)
        notes += remark
        mapping["features"] = {"id": guess.id, "time": time, "features": dict(paths)}
    kinds = {feature: guess.features[_feature_of(guess, path)] for feature, path in paths.items()}
    target = guess.target
    topics: dict[str, Any] = {"partitions": events.partitions}
    if topic != f"{name}.features":
        topics["features"] = topic
    if labels_topic is not None:
        target, mapping_labels = _labels(_some(sample_topic(kafka, labels_topic), labels_topic), labels_topic, given)
        mapping |= mapping_labels
        if labels_topic != f"{name}.labels":
            topics["labels"] = labels_topic
    beginning = _beginning(guess, target, name, bootstrap, f"{guess.rows:,} records of the topic {topic}")
    remarks = {**beginning.notes, "": (*beginning.notes[""], *notes)}
    return Beginning(
        name=name,
        features=kinds,
        task=beginning.task,
        labels=beginning.labels,
        positive=beginning.positive,
        bootstrap=bootstrap,
        topics=topics,
        mapping=mapping,
        notes=remarks,
    )


def _labels(sample: Sample, topic: str, given: Given) -> tuple[TargetGuess, dict[str, Any]]:
    """Target and mapping from a topic of labels."""
    native = native_labels(sample.documents)
    rows = [dict(flat(document)) for document in sample.documents]
    label = "label" if native else given["label"]
    # One more column, so that a record of nothing but id and label has a feature to find.
    padded = [{**row, "\x00": 0.5} for row in rows]
    try:
        guess = infer(padded, text=False, label=label, task=given["task"])
    except InferError as error:
        raise MillraceError(f"topic {topic}: {error}") from error
    if guess.target is None:
        raise MillraceError(f"--label must name the field of {topic} that holds the label, one of {', '.join(rows[0])}")
    if native:
        return guess.target, {}
    if guess.id is None:
        raise MillraceError(f"{topic} must have a field that identifies the event, got {', '.join(rows[0])}")
    time, _ = _time_path(guess.time, rows)
    return guess.target, {"labels": {"id": guess.id, "time": time, "label": guess.target.column}}


def _beginning(guess: Inference, target: TargetGuess | None, name: str, bootstrap: str, origin: str) -> Beginning:
    notes = [f"left out, {column!r}: {why}" for column, why in guess.left_out.items() if why != "the label"]
    renamed = [f"{name} is the column {column!r}" for name, column in guess.columns.items() if name != column]
    about = (
        (_CHANGE,)
        if target is None
        else (f"The label is {target.column!r}.",) + ((target.note,) if target.note else ())
    )
    return Beginning(
        name=name,
        features=guess.features,
        task=target.task if target else "binary",
        labels=target.labels if target else (0, 1),
        positive=target.positive if target else 1,
        bootstrap=bootstrap,
        notes={"": (f"Inferred from {origin}.",), "features": (*renamed, *notes), "target": about},
    )


def _time_path(path: str | None, rows: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """Where the time is; an empty path, which finds nothing, where it is not the RFC 3339 text that a worker reads."""
    if path is None:
        named = any("time" in row for row in rows)
        return (
            ("", ["the field time is not a time with a zone (RFC 3339), so it is not read"]) if named else ("time", [])
        )
    for row in rows:
        value = row.get(path)
        if value is not None and not (isinstance(value, str) and _has_zone(value)):
            return "", [f"the field {path} is not a time with a zone (RFC 3339), so it is not read"]
    return path, []


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _feature_of(guess: Inference, path: str) -> str:
    return next(feature for feature, column in guess.columns.items() if column == path)


def _some(sample: Sample, topic: str) -> Sample:
    if not sample.documents:
        why = f"{sample.unreadable:,} that are no JSON objects" if sample.unreadable else "none"
        raise MillraceError(f"topic {topic} must hold JSON records to infer from, got {why}")
    if sample.unreadable:
        warn(f"{sample.unreadable:,} records of {topic} are no JSON objects")
    return sample


def _placeholder(name: str, bootstrap: str, root: Path) -> Config:
    """Enough of a configuration to reach Kafka with."""
    return Config(
        name=name,
        kafka=KafkaConfig(bootstrap=bootstrap),
        target=TargetConfig(task="regression"),
        features={"any": "numeric"},
        models=ModelsConfig(candidates={"champion": CandidateConfig(model="linear_regression")}),
        root=root,
    )
