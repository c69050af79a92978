"""Streams to judge contenders on, made from a stable stretch: as it came, drawn anew, and drawn with a known change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drift.columns import Column
from drift.scorecard.injections import Injection, strength
from drift.scorecard.stretch import Floats, Stretch

LOSS = "(loss)"
"""Stands for the loss among the columns; no feature can have the name."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A reference and what follows it."""

    reference: Stretch
    rows: Stretch
    change_at: int | None = None
    """Rows before the change."""
    changed: frozenset[str] = frozenset()
    """The columns that change."""

    def columns(self, stretch: Stretch) -> Mapping[str, Column]:
        """Of the reference or of the rows, with the loss beside them."""
        if stretch.losses is None:
            return stretch.columns
        return {**stretch.columns, LOSS: stretch.losses}


def as_it_came(stretch: Stretch, reference_rows: int) -> Stream:
    """The rows in their own order; what is taken to be stable may turn out not to be."""
    return Stream(reference=stretch.take(slice(reference_rows)), rows=stretch.take(slice(reference_rows, None)))


def drawn(stretch: Stretch, reference_rows: int, rows: int, rng: np.random.Generator) -> Stream:
    """Rows drawn from the stretch, whole and with replacement: stable by construction, and without a memory."""
    places = rng.integers(0, stretch.rows, size=reference_rows + rows)
    return Stream(reference=stretch.take(places[:reference_rows]), rows=stretch.take(places[reference_rows:]))


def changed(stream: Stream, injection: Injection, change_at: int, seed: int) -> Stream:
    """The same stream, and from that row on the change; columns that do not change are the same objects."""
    positions = np.arange(stream.rows.rows)
    strengths, draws = strength(injection.profile, positions - change_at), injection.draws(seed, positions)
    if not injection.columns:
        losses, swapped = stream.rows.losses, stream.rows.swapped_losses
        if losses is None or swapped is None:
            raise ValueError("labels can only be swapped where there are losses")
        rows = replace(stream.rows, losses=np.where(injection.swaps(strengths, draws), swapped, losses))
        return Stream(reference=stream.reference, rows=rows, change_at=change_at, changed=frozenset({LOSS}))
    effect = injection.prepare(stream.reference.columns)
    found = effect(stream.rows.columns, strengths, draws)
    rows = replace(stream.rows, columns={**stream.rows.columns, **found})
    return Stream(reference=stream.reference, rows=rows, change_at=change_at, changed=frozenset(injection.columns))


def swapped_indicator(losses: Floats, labels: int, rng: np.random.Generator) -> Floats:
    """0/1 losses with another of so many labels instead: what was right is wrong, what was wrong may become right.

    >>> swapped_indicator(np.array([0.0, 1.0, np.nan]), 2, np.random.default_rng(0)).tolist()
    [1.0, 0.0, nan]
    """
    right = rng.random(losses.size) < 1 / max(1, labels - 1)
    return np.where(np.isnan(losses), np.nan, np.where(losses == 0, 1.0, np.where(right, 0.0, 1.0)))
