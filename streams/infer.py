"""What a file's columns are: features with their kinds, the target, the id and the time.

Only `millrace init` guesses, and it writes its guesses down where a person reads them; nothing else here infers.
One pass, in memory that depends on the number of columns alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from learners.features import FeatureKind
from learners.target import Label, TargetKind
from streams.errors import MillraceError
from streams.values import MISSING_NUMBERS, parse_time, shown, typed

CLASSES_MAX = 50
"""More distinct labels than this are a number to predict, or not a label at all."""
_DISTINCT_MAX = 1_000
_ROWS_TO_JUDGE = 50
"""Fewer rows than this say nothing about how many distinct values a column has."""
_ID_NAME = re.compile(r"(^|[_. -])(id|uuid|guid|key|hash)$|^(id|uuid|guid)[_. -]|[a-z]Id$|ID$", re.ASCII)
_TIME_NAME = re.compile(r"(^|[_. -])(time|timestamp|ts|date|datetime|day|at)$", re.IGNORECASE | re.ASCII)
_LABEL_NAMES = ("label", "target", "class", "y", "outcome")
_TRUTHY = frozenset(
    {"1", "1.0", "true", "yes", "y", "t", "positive", "pos", "+", "up", "fraud", "spam", "churn", "bad", "ja", "oui"}
)
_FALSY = frozenset(
    {
        "0",
        "0.0",
        "-1",
        "-1.0",
        "false",
        "no",
        "n",
        "f",
        "negative",
        "neg",
        "-",
        "down",
        "nein",
        "nee",
        "non",
        "ham",
        "ok",
        "good",
        "normal",
    }
)
_EPOCHS = ((946_684_800, 4_102_444_800), (946_684_800_000, 4_102_444_800_000))
"""Years 2000 to 2100, in seconds and in milliseconds."""


class InferError(MillraceError):
    """The rows do not say enough; the message says what to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGuess:
    """What is predicted, and from which column."""

    column: str
    task: TargetKind
    labels: tuple[Label, ...] = ()
    """Sorted; empty for regression."""
    positive: Label | None = None
    note: str = ""
    """What a person may want to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """All guesses from one pass over the rows."""

    rows: int
    features: Mapping[str, FeatureKind]
    """By feature name, see `feature_name`."""
    columns: Mapping[str, str]
    """The column of each feature: differs where the column's name is none for a feature."""
    left_out: Mapping[str, str]
    """Column → why it is no feature."""
    target: TargetGuess | None
    id: str | None
    time: str | None


def feature_name(column: str) -> str:
    """The column's name as a feature: what is not a letter, digit or one of `_ . : -` becomes `_`, at most 64.

    >>> feature_name("hours per week"), feature_name("</script>")
    ('hours_per_week', '_script_')
    """
    return re.sub(r"[^A-Za-z0-9_.:-]+", "_", column.strip())[:64] or "_"


@dataclass(slots=True)
class _Column:
    """What one pass keeps of a column."""

    present: int = 0
    missing: int = 0
    words: int = 0
    """Cells such as `NA`: missing in a column of numbers, a category elsewhere."""
    kinds: dict[str, int] = field(default_factory=dict)
    values: dict[Label, int] = field(default_factory=dict)
    """Distinct cells as they are and their counts, up to `_DISTINCT_MAX` of them."""
    overflow: bool = False
    times: int = 0
    rises: int = 0
    last: float | None = None
    text_example: str = ""

    def add(self, raw: object, *, text: bool) -> None:
        if raw is None or raw == "" or raw != raw:  # noqa: PLR0124 - NaN
            self.missing += 1
            return
        value = typed(raw) if text and isinstance(raw, str) else raw
        if text and isinstance(raw, str) and raw.strip().lower() in MISSING_NUMBERS:
            self.words += 1
            self._count(raw)
            return
        self.present += 1
        kind = _kind(value)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "text" and not self.text_example:
            self.text_example = str(value)
        if kind in {"text", "time"} and self.times == self.present - 1 and _is_time(value):
            self.times += 1
        if kind in {"integer", "float"} and not isinstance(value, bool):
            number = float(value)  # type: ignore[arg-type]
            self.rises += self.last is not None and number == self.last + 1
            self.last = number
        if kind not in {"object", "time"}:
            self._count(raw)  # type: ignore[arg-type]  # a CSV's text: what it means depends on the whole column

    def _count(self, value: Label) -> None:
        if value in self.values or len(self.values) < _DISTINCT_MAX:
            self.values[value] = self.values.get(value, 0) + 1
        else:
            self.overflow = True

    @property
    def distinct(self) -> int:
        """At most `_DISTINCT_MAX + 1`."""
        return len(self.values) + self.overflow

    @property
    def kind(self) -> str:
        """`integer`, `float`, `bool`, `text`, `time`, `object` or `nothing`."""
        seen = set(self.kinds)
        if not seen:
            return "text" if self.words else "nothing"
        if "object" in seen:
            return "object"
        if self.times == self.present:
            return "time"
        if seen <= {"integer", "float"}:
            return "integer" if seen == {"integer"} else "float"
        return "bool" if seen == {"bool"} and not self.words else "text"


def infer(
    rows: Iterable[Mapping[str, object]],
    *,
    text: bool,
    label: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    task: TargetKind | None = None,
) -> Inference:
    """Guess what the columns are; raises InferError where a person has to say.

    `text` says that every value is a text that may mean a number, as in a CSV; without it a JSON text stays one.

    >>> rows = [{"amount": f"{n}.5", "country": "NL", "fraud": str(n % 3 // 2)} for n in range(60)]
    >>> guess = infer(rows, text=True, label="fraud")
    >>> dict(guess.features), guess.target.task, guess.target.labels, guess.target.positive
    ({'amount': 'numeric', 'country': 'categorical'}, 'binary', (0, 1), 1)
    """
    columns: dict[str, _Column] = {}
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - counted
        for name, value in row.items():
            columns.setdefault(name, _Column()).add(value, text=text)
    if count == 0:
        raise InferError("there must be at least one row to infer the features from, got none")
    for role, named in (("label", label), ("id", id_column), ("time", time_column)):
        if named is not None and named not in columns:
            raise InferError(f"--{role} must be one of the columns {', '.join(columns)}; got {named!r}")
    label = label or next((name for name in columns if name.lower() in _LABEL_NAMES), None)
    id_column = id_column or next((name for name in columns if name != label and _is_id(name, columns[name])), None)
    time_column = time_column or next(
        (n for n in columns if n not in {label, id_column} and _is_clock(n, columns[n])), None
    )
    target = None if label is None else _target(label, columns[label], task)

    features: dict[str, FeatureKind] = {}
    origin: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name, column in columns.items():
        why = {label: "the label", id_column: "the id", time_column: "the time"}.get(name) or _unfit(name, column)
        clash = origin.get(feature_name(name))
        if why is None and clash is not None:
            why = f"as a feature it would be called {feature_name(name)}, as {clash!r} is"
        if why is not None:
            left_out[name] = why
            continue
        features[feature_name(name)] = _feature_kind(column)
        origin[feature_name(name)] = name
    if not features:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise InferError(f"there must be at least one column to learn from; left out: {reasons}")
    return Inference(
        rows=count, features=features, columns=origin, left_out=left_out, target=target, id=id_column, time=time_column
    )


def _feature_kind(column: _Column) -> FeatureKind:
    if column.kind == "integer":
        return "integer"
    return "numeric" if column.kind == "float" else "categorical"


def _unfit(name: str, column: _Column) -> str | None:  # noqa: PLR0911 - a list of reasons
    """Why the column is no feature; None when it is one."""
    if column.kind == "nothing":
        return "always empty"
    if column.kind == "object":
        return "holds objects or lists, not single values"
    if column.kind == "time" or _is_clock(name, column):
        return "a time: derive what matters from it (hour, weekday) before sending"
    if _is_id(name, column):
        return "an identifier by its name" if column.kind != "integer" or not _counts_up(column) else "a running number"
    if column.kind == "integer" and _counts_up(column):
        return "a running number"
    if column.kind == "text" and re.fullmatch(r"[+-]?\d+,\d+", column.text_example):
        return f"numbers with a decimal comma, such as {column.text_example}: write them with a point"
    if column.kind == "text" and column.present + column.words >= _ROWS_TO_JUDGE:
        cells = column.present + column.words
        if column.overflow or 2 * column.distinct > cells:
            many = f"more than {_DISTINCT_MAX:,}" if column.overflow else f"{column.distinct:,}"
            hint = _nearly_numbers(column)
            return f"text with {many} distinct values in {cells:,} rows{hint}"
    return None


def _nearly_numbers(column: _Column) -> str:
    numbers = column.kinds.get("integer", 0) + column.kinds.get("float", 0)
    if 10 * numbers < 9 * column.present:
        return ""
    return f", nearly all of them numbers: {shown(column.text_example)} is none (--missing {column.text_example!r}?)"


def _counts_up(column: _Column) -> bool:
    return column.present >= _ROWS_TO_JUDGE and column.rises == column.present - 1


def _is_id(name: str, column: _Column) -> bool:
    return bool(_ID_NAME.search(name)) and column.kind in {"integer", "text", "nothing"}


def _is_clock(name: str, column: _Column) -> bool:
    if column.kind == "time":
        return True
    if column.kind not in {"integer", "float"} or not _TIME_NAME.search(name):
        return False
    return any(all(low <= float(value) <= high for value in _meant(column)) for low, high in _EPOCHS)


def _is_time(value: object) -> bool:
    if isinstance(value, str) and (len(value) < len("2026-01-01") or not value[:4].isdigit()):
        return False
    try:
        return parse_time(value) is not None
    except ValueError:
        return False


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (dict, list, tuple, bytes)):
        return "object"
    return "time" if hasattr(value, "isoformat") else "float"


def _target(name: str, column: _Column, task: TargetKind | None) -> TargetGuess:
    counts = _meant(column)
    what = f"the label column {name!r} must"
    if not counts:
        raise InferError(f"{what} hold values, got none")
    if column.kind in {"object", "time"}:
        raise InferError(f"{what} hold single values, got {column.kind}s")
    numbers = column.kind in {"integer", "float"}
    task = task or _task(counts, column)
    if task == "regression":
        if not numbers:
            raise InferError(f"{what} hold numbers for regression, got {shown(column.text_example or 'true or false')}")
        return TargetGuess(column=name, task=task)
    many = f"more than {_DISTINCT_MAX:,}" if column.overflow else len(counts)
    if len(counts) > CLASSES_MAX or column.overflow:
        raise InferError(f"{what} have at most {CLASSES_MAX} distinct values, got {many}")
    if len(counts) < 2 or (task == "binary" and len(counts) > 2):  # noqa: PLR2004
        raise InferError(f"{what} have {'two' if task == 'binary' else 'at least two'} distinct values, got {many}")
    if task == "binary":
        return TargetGuess(column=name, task=task, labels=tuple(counts), positive=_positive(counts))
    note = 'numbers as classes: if they are amounts, task = "regression"' if numbers else ""
    return TargetGuess(column=name, task=task, labels=tuple(counts), note=note)


def _task(counts: Mapping[Label, int], column: _Column) -> TargetKind:
    if len(counts) <= 2 and not column.overflow:  # noqa: PLR2004
        return "binary"
    if column.kind not in {"integer", "float"}:
        return "multiclass"
    fractions = any(isinstance(value, float) for value in counts)
    return "regression" if fractions or len(counts) > CLASSES_MAX else "multiclass"


def _meant(column: _Column) -> dict[Label, int]:
    """Distinct labels and their counts, sorted; the cells of a text column stay the texts they are."""
    numbers = column.kind in {"integer", "float"}
    counts: dict[Label, int] = {}
    for cell, times in column.values.items():
        value = typed(cell) if isinstance(cell, str) and column.kind != "text" else cell
        if not (numbers and isinstance(value, str)):  # a word such as NA
            counts[value] = counts.get(value, 0) + times
    if numbers and all(float(value) == int(value) for value in counts):
        counts = {int(value): times for value, times in counts.items()}
    return dict(sorted(counts.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _positive(labels: Mapping[Label, int]) -> Label:
    """The one that says yes where the other says no, else the rarer; of two as rare the last."""
    first, second = labels
    words = {label: str(label).strip().lower() for label in labels}
    for yes, no in ((first, second), (second, first)):
        if words[yes] in _TRUTHY and words[no] in _FALSY:
            return yes
    return first if labels[first] < labels[second] else second
