"""Changes put into a stream at known points, so that an alarm can be held against the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from learners.features import FeatureKind
from learners.target import Label, Target

ChangeKind = Literal["covariate", "concept"]
COVARIATE_FEATURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens from event number `at` on (counting from 0)."""

    kind: ChangeKind
    at: int
    what: str
    """In words, for people."""


@dataclass(frozen=True, slots=True)
class DemoRow:
    """One event and its label."""

    features: dict[str, float | int | str]
    label: Label


class Changes:
    """A covariate change at `covariate_at` and a concept change at `concept_at`; None leaves one out.

    Covariate: the first three numeric features rise by one standard deviation of the rows before; without numeric
    ones, the two commonest categories of the first feature swap. Concept: where the first feature is above its median
    (or is its commonest category), the label becomes the next one, for regression two standard deviations more: the
    old relation no longer holds there, and can be learnt anew.
    """

    def __init__(
        self,
        sample: Iterable[DemoRow],
        kinds: Mapping[str, FeatureKind],
        target: Target,
        *,
        covariate_at: int | None,
        concept_at: int | None,
    ) -> None:
        rows = list(sample)
        self.target, self.kinds = target, kinds
        self.covariate_at, self.concept_at = covariate_at, concept_at
        numeric = [name for name, kind in kinds.items() if kind != "categorical"]
        self.shifts = {name: _deviation(rows, name) for name in numeric[:COVARIATE_FEATURES]}
        self.shifts = {name: shift for name, shift in self.shifts.items() if shift > 0}
        first = next(iter(kinds))
        common = _commonest(rows, first) if kinds[first] == "categorical" else []
        self.swap = {} if self.shifts or len(common) < 2 else {common[0]: common[1], common[1]: common[0]}  # noqa: PLR2004
        self.pivot = first
        self.above: float | None = _median(rows, first) if kinds[first] != "categorical" else None
        self.common = common[0] if common else ""
        labels = [row.label for row in rows]
        self.label_shift = 2 * _spread([float(label) for label in labels]) if target.kind == "regression" else 0.0

    @property
    def told(self) -> tuple[Change, ...]:
        """The changes in words, in order."""
        found = []
        if self.covariate_at is not None:
            what = (
                f"{', '.join(self.shifts)} rise by one standard deviation"
                if self.shifts
                else f"the two commonest values of {self.pivot} swap"
            )
            found.append(Change(kind="covariate", at=self.covariate_at, what=what))
        if self.concept_at is not None:
            where = f"{self.pivot} is above {self.above:g}" if self.above is not None else f"{self.pivot} is common"
            what = f"where {where}, labels " + (
                f"rise by {self.label_shift:g}" if self.target.kind == "regression" else "become the next class"
            )
            found.append(Change(kind="concept", at=self.concept_at, what=what))
        return tuple(sorted(found, key=lambda change: change.at))

    def apply(self, rows: Iterable[DemoRow]) -> Iterator[DemoRow]:
        """The rows with the changes in them."""
        for number, row in enumerate(rows):
            features, label = row.features, row.label
            if self.concept_at is not None and number >= self.concept_at and self._turned(features):
                label = self._next(label)
            if self.covariate_at is not None and number >= self.covariate_at:
                features = self._shifted(features)
            yield DemoRow(features, label)

    def _turned(self, features: Mapping[str, float | int | str]) -> bool:
        value = features.get(self.pivot)
        return value == self.common if self.above is None else isinstance(value, int | float) and value > self.above

    def _next(self, label: Label) -> Label:
        if self.target.kind == "regression":
            return float(label) + self.label_shift
        labels = self.target.labels
        return labels[(labels.index(label) + 1) % len(labels)]

    def _shifted(self, features: Mapping[str, float | int | str]) -> dict[str, float | int | str]:
        changed = dict(features)
        for name, shift in self.shifts.items():
            value = changed.get(name)
            if isinstance(value, int | float):
                moved = value + shift
                changed[name] = round(moved) if self.kinds[name] == "integer" else moved
        if self.swap and str(changed.get(self.pivot)) in self.swap:
            changed[self.pivot] = self.swap[str(changed[self.pivot])]
        return changed


def _numbers(rows: Iterable[DemoRow], name: str) -> list[float]:
    return [float(row.features[name]) for row in rows if name in row.features]


def _spread(values: list[float]) -> float:
    if not values:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _deviation(rows: Iterable[DemoRow], name: str) -> float:
    return _spread(_numbers(rows, name))


def _median(rows: Iterable[DemoRow], name: str) -> float:
    values = sorted(_numbers(rows, name))
    return values[len(values) // 2] if values else 0.0


def _commonest(rows: Iterable[DemoRow], name: str) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        if name in row.features:
            value = str(row.features[name])
            counts[value] = counts.get(value, 0) + 1
    return sorted(counts, key=lambda value: (-counts[value], value))
