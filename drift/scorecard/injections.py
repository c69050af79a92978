"""Known changes as people name them, and those that a scorecard tries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drift.budget.uniforms import stream_keys, uniforms
from drift.evidence import ColumnKind
from drift.scorecard.changes import CHANGES, NUMBERS, Columns, Draws, Effect, finite, loosest_pair, shares
from drift.scorecard.stretch import Floats, Stretch

Profile = Literal["sudden", "gradual", "recurring"]
RAMP_ROWS, SEASON_ROWS = 2000, 500
"""A gradual change is whole after so many rows; a recurring one comes for so many and goes for as many."""
LABEL = "label"
"""Stands for the labels where a feature is named."""


def strength(profile: Profile, ages: NDArray[np.int64]) -> Floats:
    """How much of a change there is, rows after it began; none before.

    >>> strength("gradual", np.array([-1, 0, 999, 5000])).tolist()
    [0.0, 0.0005, 0.5, 1.0]
    """
    begun = ages >= 0
    if profile == "gradual":
        return np.where(begun, np.minimum((ages + 1) / RAMP_ROWS, 1.0), 0.0)
    there = begun & (ages // SEASON_ROWS % 2 == 0) if profile == "recurring" else begun
    return there.astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One change to certain columns."""

    kind: str
    columns: tuple[str, ...]
    """Empty for labels."""
    size: float
    profile: Profile = "sudden"

    def __post_init__(self) -> None:
        change = CHANGES.get(self.kind)
        if change is None:
            raise ValueError(f"kind must be one of {', '.join(CHANGES)}, got {self.kind!r}")
        if not change.size_min < self.size <= change.size_max:
            bounds = f"more than {change.size_min:g} and at most {change.size_max:g}"
            raise ValueError(f"the size of {self.kind} must be {bounds}, got {self.size:g}")
        if change.kinds and (len(self.columns) < change.columns or (change.columns > 1 and len(self.columns) > 2)):  # noqa: PLR2004
            raise ValueError(f"{self.kind} must name {change.columns} columns, got {len(self.columns)}")

    @classmethod
    def parse(cls, text: str) -> Injection:
        """Read `KIND:FEATURE:SIZE` or `KIND:FEATURE:SIZE:PROFILE`; several features by `+`.

        >>> Injection.parse("shift:amount:0.5"), Injection.parse("swap:label:0.1").columns
        (Injection(kind='shift', columns=('amount',), size=0.5, profile='sudden'), ())

        Raises:
            ValueError: It is not of that form.
        """
        kind, separator, rest = text.partition(":")
        profile: Profile = "sudden"
        for name in get_args(Profile):
            if rest.endswith(f":{name}"):
                profile, rest = name, rest.removesuffix(f":{name}")
        feature, _, size = rest.rpartition(":")
        try:
            number = float(size)
        except ValueError:
            number = float("nan")
        if not (separator and feature and number == number):  # noqa: PLR0124 - NaN
            raise ValueError(f"must be KIND:FEATURE:SIZE such as shift:amount:0.5, got {text!r}")
        if kind == "swap" and feature != LABEL:
            raise ValueError(f"must swap the {LABEL}, such as swap:{LABEL}:0.1, got {text!r}")
        columns = () if kind == "swap" else tuple(feature.split("+"))
        return cls(kind=kind, columns=columns, size=number, profile=profile)

    @property
    def about(self) -> str:
        """For people."""
        return CHANGES[self.kind].about.format(size=self.size)

    def __str__(self) -> str:
        """What `parse` reads."""
        tail = "" if self.profile == "sudden" else f":{self.profile}"
        return f"{self.kind}:{'+'.join(self.columns) or LABEL}:{self.size:g}{tail}"

    def check(self, kinds: Iterable[tuple[str, ColumnKind]]) -> None:
        """Raise ValueError unless it can happen to columns of these names and kinds."""
        known, fit = dict(kinds), CHANGES[self.kind].kinds
        for name in self.columns:
            if name not in known:
                raise ValueError(f"{self.kind} must name one of {', '.join(known)}, got {name!r}")
            if known[name] not in fit:
                raise ValueError(f"{self.kind} must name a column that is {' or '.join(sorted(fit))}, got {name}")

    def prepare(self, stable: Columns) -> Effect:
        """The effect, learnt from stable columns. Raises ValueError where it cannot happen."""
        return CHANGES[self.kind].prepare(stable, self.columns, self.size)

    def draws(self, seed: int, positions: NDArray[np.int64]) -> Draws:
        """Numbers that depend on seed, purpose and position alone."""

        def drawn(purpose: str) -> Floats:
            numbers: Floats = uniforms(stream_keys(seed, [f"{self.kind}/{purpose}"]), positions)[0]
            return numbers

        return drawn

    def swaps(self, strength: Floats, draws: Draws) -> NDArray[np.bool_]:
        """Of a label swap: which rows get another label."""
        swapped: NDArray[np.bool_] = draws("swap") < self.size * strength
        return swapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One line of a scorecard's list of changes."""

    name: str
    kind: str
    size: float
    profile: Profile = "sudden"
    many: bool = False
    """A quarter of the columns that it can happen to, at least two."""

    @property
    def about(self) -> str:
        """For people."""
        return CHANGES[self.kind].about.format(size=self.size)

    def injection(self, stretch: Stretch, rng: np.random.Generator) -> Injection | None:
        """It, on columns drawn among those that it can happen to; None if there are none."""
        fit = candidates(stretch, self.kind, self.size)
        if self.kind == "swap":
            columns: Sequence[str] = ()
            if stretch.losses is None:
                return None
        elif self.kind == "correlation":
            if len(fit) < 2:  # noqa: PLR2004
                return None
            some = rng.permutation(len(fit))[: max(2, min(4, len(fit)))]
            columns = loosest_pair(stretch.columns, [fit[place] for place in sorted(some)])
        else:
            count = max(2, len(fit) // 4) if self.many else 1
            if len(fit) < count:
                return None
            columns = [fit[place] for place in sorted(rng.permutation(len(fit))[:count])]
        return Injection(kind=self.kind, columns=tuple(columns), size=self.size, profile=self.profile)


_DEATH_FACTOR = 3.0


def candidates(stretch: Stretch, kind: str, size: float) -> list[str]:
    """Columns to which a change of this size can happen."""
    fit = [name for name, each in stretch.kinds.items() if each in CHANGES[kind].kinds]
    if kind == "missing":
        return fit
    if kind in {"birth", "death"}:
        known = {name: shares(stretch.columns[name]) for name in fit}
        fit = [name for name in fit if len(known[name]) > 1]
        if kind == "birth":
            return fit
        near = {name: min(abs(np.log(share / size)) for share in known[name].values()) for name in fit}
        return [name for name in fit if near[name] <= np.log(_DEATH_FACTOR)]
    numbers = {name: finite(stretch.columns[name]) for name in fit if stretch.kinds[name] in NUMBERS}
    return [name for name in fit if numbers[name].size and (numbers[name] != numbers[name][0]).any()]


SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario(name="sudden, one feature", kind="shift", size=size) for size in (0.25, 0.5, 1.0)),
    *(Scenario(name="gradual, one feature", kind="shift", size=size, profile="gradual") for size in (0.5, 1.0)),
    *(Scenario(name="recurring, one feature", kind="shift", size=size, profile="recurring") for size in (0.5, 1.0)),
    *(Scenario(name="sudden, several features", kind="shift", size=size, many=True) for size in (0.25, 0.5)),
    *(Scenario(name="spread", kind="scale", size=size) for size in (1.5, 2.0)),
    *(Scenario(name="label swap", kind="swap", size=size) for size in (0.05, 0.1, 0.2)),
    *(Scenario(name="category birth", kind="birth", size=size) for size in (0.02, 0.05, 0.1)),
    *(Scenario(name="category death", kind="death", size=size) for size in (0.05, 0.2)),
    *(Scenario(name="missing values", kind="missing", size=size) for size in (0.02, 0.05, 0.2)),
    *(Scenario(name="correlation", kind="correlation", size=size) for size in (0.5, 0.8)),
)
"""What is tried: each at several sizes."""
