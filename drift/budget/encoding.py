"""Events as the streams of a panel: levels to be ranked, and marks of 0 and 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.budget.share_pool import NO_MARK, Marks
from drift.budget.uniforms import stream_keys, uniforms
from drift.budget.whitening import Whitener
from drift.columns import encode
from drift.evidence import ColumnKind

Floats = NDArray[np.float64]
Row = Mapping[str, Any]

CATEGORIES_MAX = 12
"""Streams of their own for the most frequent categories; the rest, and every new one, is `other`."""
_CHOOSING = 0.5
"""Share of the rows of a reference, by lot, that choose which categories are the most frequent; only the others are
counted. Of 300 equally frequent ones those that come first among 1,000 rows come first by chance, by 2.7 times their
due, and the others then seem to have become more: it overdrew the budget by a fifth."""
RARE_MAX = 1_000
"""The rest is known by name up to so many: of a column with more, that something is new is no news."""
MISSING, NEW, OTHER = "missing", "new category", "other"
QUALITY_ASPECTS = frozenset({MISSING, NEW})
"""0/1 streams that say how good a column's data is, and not how its values are distributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCode:
    """How one column becomes streams."""

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    """Of a categorical column, in the order of their streams."""
    rare: tuple[str, ...] = ()
    """All others that the reference had; empty where these are too many to be told from new ones."""
    capped: bool = False
    """Whether there are others."""

    @classmethod
    def of(cls, name: str, values: Sequence[str | None]) -> ColumnCode:
        """A categorical column by its reference.

        >>> ColumnCode.of("city", ["Bern", None, "Chur", "Bern"]).aspects
        ('category Bern', 'category Chur', 'new category', 'missing')
        """
        known = {value for value in values if value is not None}
        choosing = list(compress(values, _choosing(name, len(values))))
        top = top_categories(values if len(known) <= CATEGORIES_MAX else choosing)
        rare = sorted(known.difference(top))
        told_apart = tuple(rare) if len(rare) <= RARE_MAX else ()
        return cls(name=name, kind="categorical", categories=top, rare=told_apart, capped=bool(rare))

    @property
    def numeric(self) -> bool:
        """Whether it has levels."""
        return self.kind != "categorical"

    @property
    def aspects(self) -> tuple[str, ...]:
        """Its 0/1 streams, in order."""
        if self.numeric:
            return (MISSING,)
        rest = (OTHER,) * self.capped + (NEW,) * (bool(self.rare) or not self.capped)
        return (*(f"category {name}" for name in self.categories), *rest, MISSING)

    def marks(self, values: Sequence[str | None]) -> Marks:
        """Of a categorical column, a row per aspect; a missing value says nothing about the categories."""
        top, missing, new = len(self.categories), -1, -2
        places: dict[str | None, int] = dict.fromkeys(self.rare, top)
        places |= {name: place for place, name in enumerate(self.categories)}
        places[None] = missing
        codes = np.array([places.get(value, new) for value in values], dtype=np.int64)
        marks: Marks = np.empty((len(self.aspects), codes.size), dtype=np.int8)
        marks[:top] = codes == np.arange(top)[:, None]
        found = {OTHER: (codes == top) | (codes == new), NEW: codes == new, MISSING: codes == missing}
        for place, aspect in enumerate(self.aspects[top:], top):
            marks[place] = found[aspect]
        marks[:-1, codes == missing] = NO_MARK
        return marks

    def reference_marks(self, values: Sequence[str | None]) -> Marks:
        """The same of the very rows that it was made from: new is a category that no other of them has.

        So many rows are new to all the others; so many of those to come are expected to be new to these (I. J. Good,
        Biometrika 40 (1953), 237-264). Counting none, a stream of rare categories would look like a change.
        """
        marks = self.marks(values)
        if self.capped:
            marks[: len(self.categories) + 1, _choosing(self.name, len(values))] = NO_MARK
        if NEW in self.aspects:
            counts = Counter(values)
            single = np.array([value is not None and counts[value] == 1 for value in values], dtype=bool)
            marks[self.aspects.index(NEW), single] = 1
        return marks


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as streams."""

    levels: Floats
    """Shape `(n_numeric, n_rows)`, NaN where missing."""
    marks: Marks
    """Shape `(n_share_streams, n_rows)`."""
    scores: Mapping[int, tuple[NDArray[np.bool_], Floats]]
    """Of each whitened stream, which rows are present and their scores."""


def _choosing(name: str, rows: int) -> NDArray[np.bool_]:
    """Which rows of a column's reference choose; never every second one, for partitions may take turns."""
    chosen: NDArray[np.bool_] = uniforms(stream_keys(0, [f"{name}/choosing"]), np.arange(rows))[0] < _CHOOSING
    return chosen


def top_categories(values: Sequence[str | None]) -> tuple[str, ...]:
    """The most frequent ones, at most 12; equally frequent ones in alphabetical order.

    >>> top_categories(["b", "a", None, "b"])
    ('b', 'a')
    """
    counts: dict[str, int] = {}
    for value in values:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:CATEGORIES_MAX])


class Encoder:
    """Columns of one panel; whiteners remember the past, all else is a table."""

    def __init__(self, codes: Sequence[ColumnCode], whiteners: Mapping[str, Whitener]) -> None:
        self.codes = list(codes)
        self._numeric = [code.name for code in codes if code.numeric]
        self._categorical = [code for code in codes if not code.numeric]
        self.whiteners = {place: whiteners[name] for place, name in enumerate(self._numeric) if name in whiteners}
        self.seasonal = any(whitener.season for whitener in self.whiteners.values())
        self._values = _getter(self._numeric)
        self._width = sum(len(code.aspects) for code in codes)

    def encode(self, rows: Sequence[Row], basis: Floats) -> Encoded:
        """Rows as streams; nothing is remembered. `basis` is `harmonics` of the rows, used where there is a season."""
        levels = self._levels(rows)
        finite = np.isfinite(levels)
        holes = not finite.all()
        if holes:
            levels[~finite] = np.nan
        if not self._categorical:
            marks: Marks = (~finite).view(np.int8)
        else:
            marks = np.empty((self._width, len(rows)), dtype=np.int8)
            place = numeric = 0
            for code in self.codes:
                count = len(code.aspects)
                if code.numeric:
                    marks[place] = ~finite[numeric]
                    numeric += 1
                else:
                    texts = encode("categorical", [row.get(code.name) for row in rows])
                    marks[place : place + count] = code.marks(texts.tolist())
                place += count
        scores = {}
        for stream, whitener in self.whiteners.items():
            present = finite[stream]
            found = whitener.scores(levels[stream, present], basis[:, present] if whitener.season else basis)
            levels[stream, present] = whitener.residuals(found)
            scores[stream] = present, found
        return Encoded(levels, marks, scores)

    def take(self, encoded: Encoded, start: int, stop: int, *, learn: bool) -> None:
        """Make rows `start` to `stop` of what was encoded the past of the whiteners; those before already are."""
        for stream, (present, scores) in encoded.scores.items():
            first = int(present[:start].sum())
            self.whiteners[stream].take(scores[first : first + int(present[start:stop].sum())], learn=learn)

    def refit(self) -> None:
        """Whiteners that have learnt enough more fit anew."""
        for whitener in self.whiteners.values():
            whitener.refit()

    def _levels(self, rows: Sequence[Row]) -> Floats:
        width = len(self._numeric)
        try:
            flat = np.fromiter(chain.from_iterable(map(self._values, rows)), np.float64, width * len(rows))
            return np.ascontiguousarray(flat.reshape(len(rows), width).T)
        except (KeyError, TypeError, ValueError, OverflowError):  # a value is absent, or no number
            columns = [encode("numeric", [row.get(name) for row in rows]) for name in self._numeric]
            return np.array(columns, dtype=np.float64).reshape(width, len(rows))

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        return {
            "codes": [
                [code.name, code.kind, list(code.categories), list(code.rare), code.capped] for code in self.codes
            ],
            "whiteners": {self._numeric[place]: each.snapshot() for place, each in self.whiteners.items()},
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Encoder:
        """The encoder that `snapshot` was taken of."""
        codes = [
            ColumnCode(name=name, kind=kind, categories=tuple(categories), rare=tuple(rare), capped=capped)
            for name, kind, categories, rare, capped in snapshot["codes"]
        ]
        return cls(codes, {name: Whitener.restore(each) for name, each in snapshot["whiteners"].items()})


def _getter(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    if len(names) > 1:
        found: Callable[[Row], tuple[Any, ...]] = itemgetter(*names)
        return found
    return lambda row: tuple(row[name] for name in names)
