"""The gate every event passes: feature values of the configured kinds, or a refusal that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias, cast

from learners.target import MAGNITUDE_MAX, kind_of

FeatureKind: TypeAlias = Literal["numeric", "integer", "categorical"]
FeatureValue: TypeAlias = float | int | str

CATEGORY_CHARS_MAX = 256
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class FeatureError(ValueError):
    """A feature's value is not of its kind. The text never holds the value itself."""


class Checked(NamedTuple):
    """One event's features as models take them."""

    values: dict[str, FeatureValue]
    """Configured features that are present; floats for numeric, ints for integer, strings for categorical."""
    missing: int
    """Configured features that are absent or null."""
    unknown: int
    """Features that are not configured, left out of `values`."""


class FeatureGuard:
    """Check one event's features against the configured kinds; the worker infers nothing.

    >>> guard = FeatureGuard({"amount": "numeric", "country": "categorical"})
    >>> guard.check({"amount": 3, "country": None, "colour": "red"})
    Checked(values={'amount': 3.0}, missing=1, unknown=1)
    >>> guard.check({"amount": "3"})
    Traceback (most recent call last):
    learners.features.FeatureError: $.features.amount must be a number, got a string
    """

    __slots__ = ("_count", "_floats", "_kinds", "_unknown")

    def __init__(self, kinds: Mapping[str, FeatureKind], unknown: Literal["ignore", "refuse"] = "ignore") -> None:
        if not kinds:
            raise ValueError("features must be at least one, got none")
        for name, kind in kinds.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"features must be named by 1 to 64 of A-Z a-z 0-9 _ . : -, got {name!r}")
            if kind not in ("numeric", "integer", "categorical"):
                raise ValueError(f"features.{name} must be numeric, integer or categorical, got {kind!r}")
        if unknown not in ("ignore", "refuse"):
            raise ValueError(f"features.unknown must be ignore or refuse, got {unknown!r}")
        self._kinds = dict(kinds)
        self._count = len(kinds)
        self._floats = frozenset(name for name, kind in kinds.items() if kind == "numeric")
        self._unknown = unknown

    def check(self, features: Mapping[str, object]) -> Checked:
        """The values a model may see. FeatureError on the first that cannot be one.

        A row that is clean already (every feature configured, present, numeric and a float) comes back as the
        very mapping given, so do not change it afterwards.
        """
        if len(features) == self._count:
            floats = self._floats
            for name, value in features.items():
                # The chained comparison also refuses NaN and the infinities.
                if type(value) is not float or not -MAGNITUDE_MAX <= value <= MAGNITUDE_MAX or name not in floats:
                    break
            else:
                return Checked(cast("dict[str, FeatureValue]", features), 0, 0)
        return self._check_each(features)

    def _check_each(self, features: Mapping[str, object]) -> Checked:
        values: dict[str, FeatureValue] = {}
        unknown = 0
        for name, value in features.items():
            kind = self._kinds.get(name)
            if kind is None:
                unknown += 1
            elif value is not None:
                values[name] = _CHECKS[kind](name, value)
        if unknown and self._unknown == "refuse":
            raise FeatureError(f"$.features must be only the {self._count} configured ones, got {unknown} unknown")
        return Checked(values, self._count - len(values), unknown)


def _numeric(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FeatureError(f"$.features.{name} must be a number, got {kind_of(value)}")
    if not -MAGNITUDE_MAX <= value <= MAGNITUDE_MAX:
        raise FeatureError(f"$.features.{name} must be a number within {MAGNITUDE_MAX:g}, got one outside")
    return float(value)


def _integer(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FeatureError(f"$.features.{name} must be an integer, got {kind_of(value)}")
    if not -MAGNITUDE_MAX <= value <= MAGNITUDE_MAX:
        raise FeatureError(f"$.features.{name} must be an integer within {MAGNITUDE_MAX:g}, got one outside")
    if isinstance(value, float) and not value.is_integer():
        raise FeatureError(f"$.features.{name} must be an integer, got a fraction")
    return int(value)


def _categorical(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not -MAGNITUDE_MAX <= value <= MAGNITUDE_MAX:  # str() of a very long integer raises
            raise FeatureError(f"$.features.{name} must be an integer within {MAGNITUDE_MAX:g}, got one outside")
        return str(value)
    if not isinstance(value, str):
        raise FeatureError(f"$.features.{name} must be a string, a boolean or an integer, got {kind_of(value)}")
    if len(value) > CATEGORY_CHARS_MAX:
        raise FeatureError(
            f"$.features.{name} must be at most {CATEGORY_CHARS_MAX} characters, got {len(value)} characters"
        )
    return value


_CHECKS: dict[FeatureKind, Callable[[str, object], FeatureValue]] = {
    "numeric": _numeric,
    "integer": _integer,
    "categorical": _categorical,
}
