"""Columns that were qualified together: their encoder and their panel, moving in step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from drift.budget.bank import BLOCK
from drift.budget.encoding import Encoded, Encoder, Row
from drift.budget.findings import Clock, Sensitivity, rows_needed, smallest_shift
from drift.budget.panel import Panel, PanelColumn, PanelRun
from drift.budget.qualification import Sample
from drift.budget.rank_pool import Floats
from drift.evidence import Verdict


@dataclass(frozen=True, slots=True)
class SectionRun:
    """Rows that were judged and are not yet the past."""

    encoded: Encoded
    judged: PanelRun


class Section:
    """Built from the samples of a reference, each with its column; the next row is number `position` of its clock."""

    def __init__(
        self,
        samples: Sequence[Sample],
        columns: Sequence[PanelColumn],
        *,
        clock: Clock,
        position: int,
        seed: int,
        joint_weight: float = 0.0,
    ) -> None:
        self.clock: Clock = clock
        rows = samples[0].marks.shape[1]
        levels = [sample.levels for sample in samples if sample.levels is not None]
        self.panel = Panel.of(
            columns,
            rows=rows,
            position=position,
            seed=seed,
            joint_weight=joint_weight,
            joint_levels=np.array(levels) if joint_weight and len(levels) > 1 else None,
        )
        whiteners = {sample.code.name: sample.whitener for sample in samples if sample.whitener}
        self.encoder = Encoder([sample.code for sample in samples], whiteners)
        self.independent = {sample.code.name: sample.standing.independent_share for sample in samples}
        self.reset_at = position
        """Position since which the evidence counts."""

    def encode(self, rows: Sequence[Row], basis: Floats) -> Encoded:
        """Events as streams."""
        return self.encoder.encode(rows, basis)

    def judge(self, encoded: Encoded) -> SectionRun:
        """Judge rows without making them the past; at most `panel.rows_ahead`, at least one."""
        return SectionRun(encoded, self.panel.run(encoded.levels, encoded.marks))

    def take(self, run: SectionRun, start: int, stop: int) -> None:
        """Make rows `start` to `stop` of a run the past, as `Bank.take`."""
        if start == stop:
            return
        self.encoder.take(run.encoded, start, stop, learn=self.panel.growth.growing)
        self.panel.take(run.judged, start, stop)
        if self.panel.position % BLOCK == 0:
            self.encoder.refit()

    def reset(self) -> None:
        """Forget all evidence."""
        self.panel.reset()
        self.reset_at = self.panel.position

    def sensitivity(self, threshold: float, shift_sd: float) -> dict[str, Sensitivity]:
        """By column, for the rows since the evidence was last reset."""
        since = self.panel.position - self.reset_at
        found = {}
        numeric = set(self.panel.numeric)
        for column, pool in self.panel.pool_sizes().items():
            weight = self.panel.lane_weight(column)
            if not weight:
                continue
            share, power = self.independent[column], 1.1 if self.independent[column] < 1 else 1.0
            budget = weight * (threshold / weight) ** (1 - power)  # a weaker bet needs `power` times the evidence
            needed = rows_needed(threshold, budget, shift_sd) / share
            unit = 1.0 if column in numeric else self.panel.share_spread(column)
            verdict: Verdict = "stable" if pool >= needed and since else "not_enough_data"
            found[column] = Sensitivity(
                verdict=verdict,
                smallest=unit * smallest_shift(threshold, budget, pool * share, since * share),
                rows_needed=math.ceil(needed) if math.isfinite(needed) else 0,
                shift=unit * shift_sd,
                unit="sd" if column in numeric else "share",
            )
        return found

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        return {
            "clock": self.clock,
            "encoder": self.encoder.snapshot(),
            "panel": self.panel.snapshot(),
            "independent": dict(self.independent),
            "reset_at": self.reset_at,
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Self:
        """The section that `snapshot` was taken of."""
        section = cls.__new__(cls)
        section.clock = snapshot["clock"]
        section.encoder = Encoder.restore(snapshot["encoder"])
        section.panel = Panel.restore(snapshot["panel"])
        section.independent = dict(snapshot["independent"])
        section.reset_at = snapshot["reset_at"]
        return section


class LossSection(Section):
    """The loss: a number per example instead of a row of columns."""

    def encode_losses(self, losses: Sequence[float]) -> Encoded:
        """Losses as the one stream of the panel; one that is not a number says nothing."""
        numbers = np.array(losses, dtype=np.float64)
        finite = np.isfinite(numbers)
        if not self.panel.numeric:
            marks = np.where(finite, numbers != 0, 2).astype(np.int8)[None, :]
            return Encoded(np.empty((0, numbers.size)), marks, {})
        levels = np.where(finite, numbers, np.nan)[None, :]
        scores = {}
        for stream, whitener in self.encoder.whiteners.items():
            found = whitener.scores(levels[stream, finite], np.empty((0, 0)))
            levels[stream, finite] = whitener.residuals(found)
            scores[stream] = finite, found
        return Encoded(levels, np.empty((0, numbers.size), dtype=np.int8), scores)
