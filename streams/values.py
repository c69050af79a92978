"""Cells of people's files as the values that go on the wire: features by their declared kind, labels, times.

The worker itself never converts; whatever guessing there is happens here, before anything is sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Real

from learners.features import CATEGORY_CHARS_MAX, FeatureKind
from learners.target import MAGNITUDE_MAX, Label, LabelError, Target

MISSING_NUMBERS = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""Texts that mean "no value" where a number is due, in lower case; a category may well be called so."""

_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1
_SHOWN = 40
_LABELS_SHOWN = 10


def typed(text: str) -> bool | int | float | str:
    """What a CSV cell means: true/false, a whole number, a number, or text. `007` is text, an identifier.

    >>> [typed(cell) for cell in ("true", "-3", "2.50", "1e3", "007", "nan", "yes")]
    [True, -3, 2.5, 1000.0, '007', 'nan', 'yes']
    """
    stripped = text.strip()
    if stripped.lower() in {"true", "false"}:
        return stripped.lower() == "true"
    if _INTEGER.fullmatch(stripped):
        return int(stripped)
    if re.fullmatch(r"[+-]?0\d+", stripped) or "_" in stripped:  # float() takes 0_1
        return text
    try:
        number = float(stripped)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def feature_value(raw: object, kind: FeatureKind, missing: Collection[str] = ()) -> float | int | str | None:
    """The value to send, None for a missing one; raises ValueError `must be a number, got …`.

    `missing` are further texts that mean "no value", compared as they are.

    >>> feature_value(" 12.50 ", "numeric"), feature_value("3.0", "integer"), feature_value("", "categorical")
    (12.5, 3, None)
    """
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, str) and (raw == "" or raw in missing):
        return None
    return _category(raw) if kind == "categorical" else _number(raw, kind)


def _category(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (str, int, float, Decimal)):
        text = str(raw)
    elif isinstance(raw, (datetime, date)):
        text = raw.isoformat()
    else:
        raise ValueError(f"must be a text, got {shown(raw)}")  # noqa: TRY004 - one error for every unfit value
    if len(text) > CATEGORY_CHARS_MAX:
        raise ValueError(f"must be at most {CATEGORY_CHARS_MAX} characters, got {len(text)}")
    return text


def _number(raw: object, kind: FeatureKind) -> float | int | None:
    expected = "a whole number" if kind == "integer" else "a number"
    if isinstance(raw, str) and raw.strip().lower() in MISSING_NUMBERS:
        return None
    try:
        number = _plain(raw)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"must be {expected}, got {shown(raw)}") from None
    if not -MAGNITUDE_MAX <= number <= MAGNITUDE_MAX:  # also refuses NaN
        raise ValueError(f"must be a finite number within {MAGNITUDE_MAX:g}, got {shown(raw)}")
    if kind == "numeric":
        return float(number)
    if number != int(number) or not _INTEGER_MIN <= number <= _INTEGER_MAX:
        raise ValueError(f"must be {expected}, got {shown(raw)}")
    return int(number)


def _plain(raw: object) -> float | int:
    if isinstance(raw, str):
        return int(raw) if _INTEGER.fullmatch(raw.strip()) else float(raw)
    if isinstance(raw, int):
        return int(raw)
    if isinstance(raw, (Real, Decimal)):
        return float(raw)
    raise TypeError


class LabelReader:
    """Reads cells as labels of a target; for regression any finite number is one.

    >>> reader = LabelReader(Target(kind="binary", labels=(0, 1), positive=1))
    >>> reader.read("1"), reader.read("1.0"), reader.read("")
    (1, 1, None)
    >>> reader.read("2")
    Traceback (most recent call last):
    ...
    ValueError: must be one of 0, 1, got '2'
    """

    def __init__(self, target: Target, missing: Collection[str] = ()) -> None:
        self._target = target
        self._missing = frozenset({"", *missing})
        shown_labels = ", ".join(map(repr, target.labels[:_LABELS_SHOWN]))
        more = ", …" if len(target.labels) > _LABELS_SHOWN else ""
        self._expected = f"one of {shown_labels}{more}" if target.labels else "a finite number"

    def read(self, raw: object) -> Label | None:
        """The label, None where the cell is empty; raises ValueError for anything that is not declared."""
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return None
        if isinstance(raw, str) and raw in self._missing:
            return None
        for meant in (raw, raw.strip(), typed(raw)) if isinstance(raw, str) else (raw,):
            try:
                return self._target.parse(meant)
            except LabelError:
                continue
        raise ValueError(f"must be {self._expected}, got {shown(raw)}")


_SECONDS_MAX = 100_000_000_000
"""Greater epoch times are milliseconds: as seconds this is the year 5138."""


def parse_time(raw: object) -> datetime | None:
    """A time with its zone, None for an empty cell; raises ValueError.

    Reads RFC 3339 and ISO 8601 (without a zone: UTC) and seconds or milliseconds since the epoch.

    >>> parse_time("2026-01-31 12:00:00").isoformat(), parse_time("1769860800").isoformat()
    ('2026-01-31T12:00:00+00:00', '2026-01-31T12:00:00+00:00')
    """
    if isinstance(raw, str):
        text = raw.strip()
        if not text:
            return None
        number = typed(text)
        if isinstance(number, str):
            return _zoned(_iso(text, raw))
        raw = number
    if raw is None:
        return None
    if isinstance(raw, datetime):
        return _zoned(raw)
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        try:
            return datetime.fromtimestamp(raw / 1000 if abs(raw) > _SECONDS_MAX else raw, tz=UTC)
        except (ValueError, OverflowError, OSError):
            pass
    raise ValueError(f"must be a time such as 2026-01-31T12:00:00Z or seconds since 1970, got {shown(raw)}")


def _iso(text: str, raw: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        problem = f"must be a time such as 2026-01-31T12:00:00Z or seconds since 1970, got {shown(raw)}"
        raise ValueError(problem) from None


def _zoned(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def shown(value: object) -> str:
    """A value for a message, cut to 40 characters.

    >>> shown("x" * 50)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'"
    """
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return repr(cut) if isinstance(value, str) else cut
