"""What the budget tells: alarms, the columns that turn out to have changed with them, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from drift.evidence import Subject, Verdict

Clock = Literal["events", "examples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """One column that has changed."""

    subject: Subject
    aspect: str
    """`value`, `missing`, `category a`, `other`, `error`."""
    bet: str
    """The lane that saw it: `mean +0.5 sd`, `odds x1.5` …"""
    clock: Clock
    """What `since` counts."""
    since: int
    """Events, or examples, before the first one after the change: where the lane's CUSUM starts."""
    strength: float
    """Powers of ten in favour of a change at `since` over none."""
    standing: str
    """What is promised of the column, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The evidence has reached the budget."""

    number: int
    """Counts from 1, over the budget's whole life."""
    event: int
    """Events seen, the one that raised it included."""
    example: int
    """Examples seen."""
    blame: Blame
    """The one with most evidence at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Every column that has changed, some events after an alarm."""

    number: int
    """The alarm's."""
    event: int
    example: int
    blames: tuple[Blame, ...]
    """The alarm's own first, then by strength."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """With a reference that is held: a change is still there."""

    number: int
    """The alarm's whose episode it belongs to."""
    event: int
    example: int
    repeats: int
    """Of this episode."""
    blame: Blame
    """The column with most evidence this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """With a reference that is held: the end of an episode."""

    number: int
    """The alarm's whose episode it was."""
    event: int
    example: int
    reason: Literal["quiet", "rebased"]
    """`quiet`: nothing differs any more. `rebased`: it lasted, and a new reference is collected from the next row."""


Finding = Alarm | Listing | Repeat | Over
_KINDS: Mapping[str, type[Finding]] = {"alarm": Alarm, "listing": Listing, "repeat": Repeat, "over": Over}


def plain_finding(finding: Finding) -> dict[str, Any]:
    """A finding as plain types that msgpack takes."""
    name = next(name for name, kind in _KINDS.items() if isinstance(finding, kind))
    return {"finding": name, **asdict(finding)}


def finding_of(plain: Mapping[str, Any]) -> Finding:
    """What `plain_finding` was given."""
    fields = {name: value for name, value in plain.items() if name != "finding"}
    if "blame" in fields:
        fields["blame"] = _blame(fields["blame"])
    if "blames" in fields:
        fields["blames"] = tuple(_blame(blame) for blame in fields["blames"])
    return _KINDS[plain["finding"]](**fields)


def _blame(plain: Mapping[str, Any]) -> Blame:
    return Blame(**{**plain, "subject": Subject(**plain["subject"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The smallest change of one column that would have been seen by now."""

    verdict: Verdict
    """`stable` or `not_enough_data`; a change is an alarm's affair."""
    smallest: float
    """In standard deviations, or as a share for a column without numbers; infinite with nothing seen."""
    rows_needed: int
    """Of the reference, to see the shift that the settings name."""
    shift: float
    """That shift, in the same unit."""
    unit: Literal["sd", "share"]

    @property
    def words(self) -> str:
        """For people.

        >>> Sensitivity(verdict="stable", smallest=0.2061, rows_needed=282, shift=0.5, unit="sd").words
        'stable (no shift above 0.21 sd)'
        >>> Sensitivity(verdict="not_enough_data", smallest=1.2, rows_needed=282, shift=0.5, unit="sd").words
        'not_enough_data (needs 282 rows for 0.5 sd)'
        """
        change = "shift" if self.unit == "sd" else "share moved"
        unit = " sd" if self.unit == "sd" else ""
        if self.verdict == "stable":
            relation = "above" if self.unit == "sd" else "by more than"
            return f"stable (no {change} {relation} {math.ceil(self.smallest * 100 - 1e-9) / 100:g}{unit})"
        return f"not_enough_data (needs {self.rows_needed} rows for {self.shift:.3g}{unit})"


def smallest_shift(threshold: float, lane_weight: float, pool_rows: float, rows: float) -> float:
    """Shift in standard deviations that a lane is expected to see `rows` after it began, against a pool.

    >>> round(smallest_shift(1e5, 0.5 / 20 / 11, 1126, 1126), 3)
    0.25
    """
    if not (pool_rows > 0 and rows > 0 and lane_weight > 0):
        return math.inf
    return math.sqrt(2 * math.log(threshold / lane_weight) * (1 / pool_rows + 1 / rows))


def rows_needed(threshold: float, lane_weight: float, shift: float) -> float:
    """Rows of pool, and after a change, at which a shift in standard deviations is expected to be seen.

    >>> round(rows_needed(1e5, 0.5 / 20 / 11, 0.5), 1), round(rows_needed(1e5, 0.5 / 20 / 11, 0.25), 1)
    (281.6, 1126.4)
    """
    if not lane_weight > 0:
        return math.inf
    return 4 * math.log(threshold / lane_weight) / (shift * shift)
