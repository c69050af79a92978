"""Is a reference one that the budget can be promised on? Column by column, with the answer in words.

Two things break the promise: values that depend on each other in time, and a reference that is not stable itself.
The first is taken out where that is possible (`whitening`) and enough independent rows remain. The second is tested
by the very lanes that will watch: pooled on the first half of the reference, they run over the second.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from drift.budget.bets import CATEGORY_ODDS, LOSS_ODDS, NEW_ODDS, RARE_ODDS
from drift.budget.encoding import MISSING, NEW, OTHER, ColumnCode
from drift.budget.panel import Panel, PanelColumn, ShareStream
from drift.budget.rank_pool import Binned
from drift.budget.share_pool import NO_MARK, Marks
from drift.budget.whitening import Whitener, whiten
from drift.evidence import ColumnKind

Floats = NDArray[np.float64]
T = TypeVar("T")
Pieces = Generator[None, None, T]
"""Work in pieces of a millisecond or two, so that nobody need wait for all of it; what it came to at the end."""

EFFECTIVE_ROWS_MIN = 200
"""Independent rows below which nothing is promised of a stream that depends on its past."""
PRESENT_ROWS_MIN = 20
"""Present values below which a numeric stream has no ranks to speak of."""
INSTABILITY_P = 0.05
"""Shared by all columns: chance that any of a stable reference is called unstable, at most."""
UNCHECKED_ROWS = 1000
"""With fewer rows the self-test misses a trend."""
_ODDS = {MISSING: RARE_ODDS, OTHER: RARE_ODDS, NEW: NEW_ODDS}
_PLAINLY = 1e60
_NAMED_MAX = 3

Promise = Literal["holds", "not_stable", "dependent", "partial", "collecting", "demoted"]
WORDS: Mapping[Promise, str] = {
    "holds": "budget holds",
    "not_stable": "observe only: reference not stable, budget not promised",
    "dependent": "not enough independent data",
    "partial": "observe only: the reference is shorter than the period, budget not promised",
    "collecting": "collecting a reference",
    "demoted": "observe only: keeps alarming, budget not promised",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is promised for one column, and why."""

    column: str
    promise: Promise
    rows: int = 0
    """Present values of the reference."""
    independent_share: float = 1.0
    """Effective over counted rows."""
    lags: int = 0
    """Order of the autoregression that is taken out."""
    seasonal: bool = False
    periods: float = 0.0
    """That the reference covers, of a declared one; a season is known only from the whole of it."""
    p_value: float = 1.0
    """Of the self-test."""

    @property
    def words(self) -> str:
        """For people."""
        text = WORDS[self.promise]
        if self.promise == "holds" and self.rows < UNCHECKED_ROWS:
            return f"{text}, stability unchecked"
        if self.promise == "dependent":
            return f"{text}: {self.rows} rows are worth {self.independent_share * self.rows:.0f}"
        if self.promise == "partial":
            return f"{text}: it covers {self.periods:.2g} of it"
        return text


def in_words(standings: Sequence[Standing]) -> str:
    """All of them at once: for how many the budget holds, and what keeps it from the others, three names of each.

    >>> in_words([Standing(column="a", promise="holds", rows=5000), Standing(column="b", promise="demoted")])
    'budget holds for 1 of 2; observe only: keeps alarming, budget not promised: b'
    """
    parts = []
    for promise, words in WORDS.items():
        names = [standing.column for standing in standings if standing.promise == promise]
        if promise == "holds":
            unchecked = any(standing.promise == promise and standing.rows < UNCHECKED_ROWS for standing in standings)
            words = f"{words}, stability unchecked" if unchecked else words  # noqa: PLW2901
            if names:
                parts.append(words if len(names) == len(standings) else f"{words} for {len(names)} of {len(standings)}")
        elif names:
            more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
            parts.append(f"{words}: {', '.join(names[:_NAMED_MAX])}{more}")
    return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A reference's column as streams, after the ladder."""

    code: ColumnCode
    levels: Floats | None
    """Of every row, NaN where missing; None without a numeric stream."""
    marks: Marks
    odds: tuple[tuple[float, ...], ...]
    """Of each row of marks."""
    aspects: tuple[str, ...]
    whitener: Whitener | None = None
    standing: Standing

    def column(self, *, weight: float, tolerance_sd: float = 0.0, rows: slice = slice(None)) -> PanelColumn:
        """As it enters a panel, with some of its rows as the reference."""
        marks = self.marks[:, rows]
        return PanelColumn(
            name=self.code.name,
            weight=weight,
            binned=None if self.levels is None else Binned.of(_present(self.levels[rows])),
            whitened=self.standing.lags > 0,
            tolerance_sd=tolerance_sd * math.sqrt(self.standing.independent_share),  # what residuals see of a shift
            shares=tuple(
                ShareStream(aspect=aspect, odds=odds, ones=int((row == 1).sum()), rows=int((row != NO_MARK).sum()))
                for aspect, odds, row in zip(self.aspects, self.odds, marks, strict=True)
            ),
        )


def column_sample(name: str, kind: ColumnKind, values: Sequence[object], basis: Floats | None) -> Sample:
    """One column of a reference, plain or encoded, missing as None or NaN."""
    if kind == "categorical":
        texts = [None if value is None else str(value) for value in values]
        code = ColumnCode.of(name, texts)
        marks = code.reference_marks(texts)
        odds = tuple(_ODDS.get(aspect, CATEGORY_ODDS) for aspect in code.aspects)
        present = int((marks[-1] == 0).sum())
        standing = Standing(column=name, promise="holds", rows=present)
        return Sample(code=code, levels=None, marks=marks, odds=odds, aspects=code.aspects, standing=standing)
    numbers = np.array(values, dtype=np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    code = ColumnCode(name=name, kind=kind)
    levels, whitener, standing = _numeric(name, numbers, basis)
    marks = np.isnan(numbers).astype(np.int8)[None, :]
    return Sample(
        code=code, levels=levels, marks=marks, odds=(RARE_ODDS,), aspects=code.aspects, whitener=whitener,
        standing=standing,
    )  # fmt: skip


def loss_sample(name: str, losses: Sequence[float], *, indicator: bool) -> Sample:
    """The losses of a reference: 0 and 1, or any finite numbers."""
    numbers = np.array(losses, dtype=np.float64)
    code = ColumnCode(name=name, kind="numeric")
    if indicator:
        standing = Standing(column=name, promise="holds", rows=numbers.size)
        marks = (numbers != 0).astype(np.int8)[None, :]
        return Sample(code=code, levels=None, marks=marks, odds=(LOSS_ODDS,), aspects=("error",), standing=standing)
    levels, whitener, standing = _numeric(name, numbers, None)
    marks = np.empty((0, numbers.size), dtype=np.int8)
    return Sample(code=code, levels=levels, marks=marks, odds=(), aspects=(), whitener=whitener, standing=standing)


def _numeric(name: str, numbers: Floats, basis: Floats | None) -> tuple[Floats, Whitener | None, Standing]:
    present = ~np.isnan(numbers)
    found = whiten(numbers[present], None if basis is None else basis[:, present])
    levels = np.full(numbers.size, np.nan)
    levels[present] = found.levels
    rows, share = int(present.sum()), found.autoregression.independent_share
    lags = len(found.autoregression.coefficients)
    enough = rows >= PRESENT_ROWS_MIN and (share == 1.0 or rows * share >= EFFECTIVE_ROWS_MIN)
    standing = Standing(
        column=name,
        promise="holds" if enough else "dependent",
        rows=rows,
        independent_share=share,
        lags=lags,
        seasonal=bool(found.whitener and found.whitener.season),
    )
    return levels, found.whitener, standing


def self_test(samples: Sequence[Sample], *, seed: int) -> Pieces[dict[str, float]]:
    """p-value of stability by column: h rows bring R to c with a chance of at most h / c while nothing changes.

    0/1 streams that are constant throughout, as most columns' missing values, would only dilute the evidence.
    """
    varying = [_without_constants(sample) for sample in samples]
    samples = [sample for sample in varying if sample.aspects or sample.levels is not None]
    if not samples:
        return {}
    rows = samples[0].marks.shape[1]
    half = rows // 2
    columns = []
    for sample in samples:
        columns.append(sample.column(weight=1.0, rows=slice(half)))
        yield
    # A seed of its own: the same draws will be used for the rows to come.
    panel = Panel.of(columns, rows=half, position=half, seed=-1 - seed)
    levels = np.array([sample.levels for sample in samples if sample.levels is not None]).reshape(-1, rows)
    marks = np.concatenate([sample.marks for sample in samples])
    highest = dict.fromkeys(panel.columns, 0.0)
    while panel.position < rows:
        start = panel.position
        stop = min(rows, start + panel.rows_ahead)
        judged = panel.run(levels[:, start:stop], marks[:, start:stop])
        for column, evidence in panel.mean_evidence_of(judged).items():
            highest[column] = max(highest[column], evidence)
        panel.take(judged, 0, stop - start)
        for column in [name for name, top in highest.items() if top > _PLAINLY]:
            panel.silence(column)  # or its evidence would overflow
        yield
    return {column: min(1.0, (rows - half) / max(top, 1e-300)) for column, top in highest.items()}


def _without_constants(sample: Sample) -> Sample:
    varying = [bool((row == 0).any() and (row == 1).any()) for row in sample.marks]
    return replace(
        sample,
        marks=sample.marks[varying],
        odds=tuple(compress(sample.odds, varying)),
        aspects=tuple(compress(sample.aspects, varying)),
    )


def _present(levels: Floats) -> Floats:
    return levels[~np.isnan(levels)]
