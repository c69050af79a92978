"""Sliding windows against a reference as contenders: Evidently's statistics, bit for bit, by its thresholds or by ours.

A calibrated threshold is the height that a stable column passes in as few windows as the budget allows it: references
and windows are drawn from the stretch again and again, and the tail of what they give is carried on as exponential in
the statistic's own scale. It is the best case for windows: they are calibrated on the very rows they are judged on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from drift.columns import Column
from drift.evidence import ColumnKind
from drift.reference import sample_of
from drift.scorecard.contenders import Columnwise
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import LOSS
from drift.statistics import STATISTICS, Sample, Statistic, pair_of

EVIDENTLY = "evidently"
"""Stands for the statistic that Evidently takes by itself."""
_FEW_VALUES = 5
_SMALL_REFERENCE = 1000
_TAIL = 0.1
"""Share of the draws that the tail is fitted to."""
_SQUARED = frozenset({"jensenshannon", "wasserstein", "ks_distance"})
"""Their squares have an exponential tail, as chi-square; of the others the values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """How windows move."""

    window_rows: int
    slide_rows: int


class Windows(Columnwise):
    """One statistic on every column; an alarm is a column that is flagged and was not at the last slide."""

    def __init__(self, statistic: str, settings: WindowSettings, thresholds: Mapping[str, float] | None = None) -> None:
        chosen = "Evidently's choice of statistic" if statistic == EVIDENTLY else f"{statistic}"
        how = "calibrated to the budget" if thresholds is not None else "default threshold"
        super().__init__(
            f"{statistic} windows{', calibrated' if thresholds is not None else ''}",
            f"{chosen}, {how}; windows of {settings.window_rows:,}, every {settings.slide_rows:,}",
        )
        self._statistic, self._settings, self._thresholds = statistic, settings, thresholds
        self._before: dict[str, tuple[Column, Sample]] = {}

    def watches(self, _kind: ColumnKind | None) -> bool:
        """Everything."""
        return True

    def judge(self, name: str, kind: ColumnKind | None, reference: Column, rows: Column) -> Iterator[tuple[int, float]]:
        """The first window ends `window_rows` after the reference."""
        kind, settings = kind or "numeric", self._settings
        before, flagged = self._reference(name, kind, reference), False
        for stop in range(settings.window_rows, rows.size + 1, settings.slide_rows):
            after = sample_of(kind, rows[stop - settings.window_rows : stop])
            if not (before.size and after.size):
                continue
            statistic = chosen(self._statistic, kind, before, after)
            value = statistic.compute(pair_of(before, after))
            if self._thresholds is None:
                over = statistic.drifted(value, statistic.threshold)
                strength = height(statistic, value) / max(height(statistic, statistic.threshold), 1e-300)
            else:
                limit = self._thresholds.get(name, math.inf)
                over, strength = height(statistic, value) > limit, height(statistic, value) / max(limit, 1e-300)
            if over and not flagged:
                yield stop, strength
            flagged = over

    def _reference(self, name: str, kind: ColumnKind, column: Column) -> Sample:
        known = self._before.get(name)
        if known is None or known[0] is not column:
            known = self._before[name] = column, sample_of(kind, column)
        return known[1]


def chosen(statistic: str, kind: ColumnKind, before: Sample, after: Sample) -> Statistic:
    """The statistic by name; for `evidently` the one it takes for such a column (0.7, `_get_default_stattest`)."""
    if statistic != EVIDENTLY:
        fits = kind in STATISTICS[statistic].kinds
        return STATISTICS[statistic if fits else "jensenshannon"]
    distinct = before.distinct if before.distinct > _FEW_VALUES else len(before.keys | after.keys)
    small = before.rows <= _SMALL_REFERENCE
    if kind != "categorical" and distinct > _FEW_VALUES:
        return STATISTICS["ks" if small else "wasserstein"]
    if small:
        return STATISTICS["chisquare" if distinct > 2 else "z"]  # noqa: PLR2004 - Evidently's
    return STATISTICS["jensenshannon"]


def height(statistic: Statistic, value: float) -> float:
    """The larger the more drift: a distance, or of a p-value the powers of ten; -inf for none.

    >>> height(STATISTICS["psi"], 0.25), height(STATISTICS["ks"], 0.001)
    (0.25, 3.0)
    """
    if math.isnan(value):
        return -math.inf
    return value if statistic.measures == "distance" else -math.log10(max(value, 1e-300))


def calibrated(
    statistic: str, settings: WindowSettings, stretch: Stretch, reference_rows: int, events: float,
    draws: int, rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Heights by column that keep about one alarm in `events` for all columns together."""
    columns = {**stretch.columns} if stretch.losses is None else {**stretch.columns, LOSS: stretch.losses}
    share = min(_TAIL, settings.slide_rows / (events * len(columns)))
    found = {}
    for name, column in columns.items():
        kind = stretch.kinds.get(name, "numeric")
        heights = []
        for _ in range(draws):
            before = sample_of(kind, column[rng.integers(0, column.size, size=reference_rows)])
            after = sample_of(kind, column[rng.integers(0, column.size, size=settings.window_rows)])
            if before.size and after.size:
                taken = chosen(statistic, kind, before, after)
                heights.append(height(taken, taken.compute(pair_of(before, after))))
                squared = taken.name in _SQUARED
        found[name] = _tail(np.array(heights), share, squared=squared) if heights else math.inf
    return found


def _tail(heights: np.ndarray[tuple[int], np.dtype[np.float64]], share: float, *, squared: bool) -> float:
    heights = heights[np.isfinite(heights)]
    if not heights.size:
        return math.inf
    scaled = heights**2 if squared else heights
    start = float(np.quantile(scaled, 1 - _TAIL))
    beyond = scaled[scaled > start] - start
    limit = start + (float(beyond.mean()) if beyond.size else 0.0) * math.log(_TAIL / share)
    return math.sqrt(limit) if squared else limit
