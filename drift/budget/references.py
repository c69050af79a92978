"""From rows to sections: what is collected, how each column qualified, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drift.budget.collection import Collection
from drift.budget.config import AlarmBudgetConfig
from drift.budget.joint import ROWS_MIN as JOINT_ROWS_MIN
from drift.budget.panel import PanelColumn
from drift.budget.qualification import (
    INSTABILITY_P,
    UNCHECKED_ROWS,
    Pieces,
    Sample,
    Standing,
    column_sample,
    loss_sample,
    self_test,
)
from drift.budget.section import LossSection, Section
from drift.budget.whitening import harmonics
from drift.columns import Column

LOSS = "(loss)"
"""Stands for the loss among the columns; no feature can have the name."""
LOSS_WEIGHT = 0.5
"""Share of the budget that is the loss's, where there is one. Columns share the rest equally."""


class References:
    """Collects until there is a reference, and says what is promised on it."""

    def __init__(self, config: AlarmBudgetConfig) -> None:
        self._config = config
        self._tests = len(config.columns) + (config.loss is not None)
        self.standings: dict[str, Standing] = {}
        self.refused: dict[str, Standing] = {}
        """Not to be promised on any reference that is collected without anybody's asking."""
        self.collection: Collection | None = None
        self.rows_due = 0
        """Rows at which the collection is a reference, or is tried again."""
        self.losses: list[float] | None = None
        self.losses_due = 0
        self._weight = self._joint_weight = 0.0
        self._work: Pieces[Section | None] | Pieces[LossSection | None] | None = None
        """Under way: a checkpoint does not hold it, it is begun anew."""

    def collect(self, rows: int, losses: int) -> None:
        """Drop what there is and collect that many rows of events, and losses of examples."""
        self._collect_columns(rows)
        self.collect_losses(losses)

    def collect_losses(self, losses: int) -> None:
        """The loss alone."""
        self._work = None
        if self._config.loss and LOSS not in self.refused:
            self.losses, self.losses_due = [], losses
            self.standings[LOSS] = Standing(column=LOSS, promise="collecting")

    def _collect_columns(self, rows: int) -> None:
        columns = {name: column.kind for name, column in self._config.columns.items() if name not in self.refused}
        everything = (1.0 - LOSS_WEIGHT) if self._config.loss else 1.0
        self._weight = everything / max(1, len(columns) + self._config.joint)
        self._joint_weight = self._weight if self._config.joint else 0.0
        self.collection = Collection(columns) if columns else None
        self._work = None
        self.rows_due = rows
        loss = {LOSS: self.standings[LOSS]} if LOSS in self.standings else {}
        self.standings = {name: Standing(column=name, promise="collecting") for name in columns} | loss
        self.standings.update(self.refused)

    def given(self, columns: Mapping[str, Column], phases: Sequence[float]) -> None:
        """A reference of somebody's choosing: no column is refused any more."""
        self.refused = {}
        self._collect_columns(self._config.reference_rows)
        assert self.collection is not None
        missing = [name for name in self.collection.names if name not in columns]
        if missing:
            raise ValueError(f"reference must be all of the columns, got none for {', '.join(missing)}")
        self.collection.add(columns, phases)
        self.rows_due = self.collection.rows

    def moved(self, columns: Mapping[str, Column], phases: Sequence[float]) -> None:
        """A later reference of the same stream: each column is asked anew, but for those that cry wolf."""
        self.refused = {name: found for name, found in self.refused.items() if found.promise == "demoted"}
        self._collect_columns(self._config.reference_rows)
        if self.collection is not None:
            self.collection.add(columns, phases)
            self.rows_due = self.collection.rows

    def refuse(self, column: str) -> None:
        """Only observe a column from now on."""
        self.refused[column] = replace(self.standings[column], promise="demoted")
        self.standings[column] = self.refused[column]
        if self.collection is not None and column in self.collection.names:
            others = [name for name in self.collection.names if name != column]
            if others:
                self.collection.narrow(others)
            else:
                self.collection = None

    @property
    def rows_left(self) -> tuple[float, float]:
        """Events and losses that are missing; infinite where none are collected."""
        return (
            math.inf if self.collection is None else self.rows_due - self.collection.rows,
            math.inf if self.losses is None else self.losses_due - len(self.losses),
        )

    def qualify(self, events: int, examples: int, watch: Callable[[Section], None]) -> bool:
        """Do a piece of what is due, if anything is, and `watch` what came of it; whether there was one.

        Args:
            events: Number of the next event.
            examples: Number of the next example.
            watch: Called with each section that is complete.
        """
        if self._work is None:
            if min(self.rows_left) > 0:
                return False
            self._work = self._section(events) if self.rows_left[0] <= 0 else self._loss_section(examples)
        try:
            next(self._work)
        except StopIteration as end:
            self._work = None
            if end.value is not None:
                watch(end.value)
        return True

    def _section(self, position: int) -> Pieces[Section | None]:
        """What qualifies of the collection, to watch from event number `position`; None for nothing.

        All that changes changes in the last piece, so that a checkpoint in between is one from before the first.
        """
        collection, config = self.collection, self._config
        assert collection is not None
        basis = harmonics(collection.phases) if config.period else None
        phases = collection.phases
        periods = max(phases) - min(phases) if phases else math.inf
        samples: list[Sample] = []
        for name, column in collection.columns().items():
            sample = column_sample(name, config.columns[name].kind, column.tolist(), basis)
            if periods < 1 and sample.code.numeric:  # waves fitted to a part of them would lead anywhere in the rest
                standing = replace(sample.standing, promise="partial", periods=periods)
                sample = replace(sample, standing=standing)
            samples.append(sample)
            yield
        standings = yield from self._judged(samples)
        passed = [sample for sample in samples if standings[sample.code.name].promise == "holds"]
        columns: list[PanelColumn] = []
        for sample in passed:
            tolerance_sd = config.columns[sample.code.name].tolerance_sd
            columns.append(sample.column(weight=self._weight, tolerance_sd=tolerance_sd))
            yield
        self._told(standings)
        waiting = [sample.code.name for sample in samples if sample.standing.promise in {"dependent", "partial"}]
        if waiting and collection.rows < config.waiting_rows_max:
            collection.narrow(waiting)
            self.rows_due = min(2 * collection.rows, config.waiting_rows_max)
        else:
            self.collection = None
        if not passed:
            return None
        joint_weight, self._joint_weight = self._joint_weight, 0.0  # the first section only: later ones are few columns
        return Section(
            passed,
            columns,
            clock="events",
            position=position,
            seed=config.seed,
            joint_weight=joint_weight if collection.rows >= JOINT_ROWS_MIN else 0.0,
        )

    def _loss_section(self, position: int) -> Pieces[LossSection | None]:
        """The same for the loss, from example number `position`."""
        losses, rows_max = self.losses, self._config.waiting_rows_max
        assert losses is not None
        sample = loss_sample(LOSS, losses, indicator=self._config.loss == "indicator")
        yield
        standings = yield from self._judged([sample])
        passed = standings[LOSS].promise == "holds"
        self._told(standings)
        if sample.standing.promise == "dependent" and len(losses) < rows_max:
            self.losses_due = min(2 * len(losses), rows_max)
        elif not passed and sample.standing.promise == "holds":  # not stable: a model that learns settles in time
            self.losses, self.losses_due = [], len(losses)
        else:
            self.losses = None
        if not passed:
            return None
        column = sample.column(weight=LOSS_WEIGHT)
        return LossSection([sample], [column], clock="examples", position=position, seed=self._config.seed)

    def _judged(self, samples: Sequence[Sample]) -> Pieces[dict[str, Standing]]:
        """Their standings after the self-test."""
        candidates = [sample for sample in samples if sample.standing.promise == "holds"]
        p_values = yield from self_test(candidates, seed=self._config.seed)
        found: dict[str, Standing] = {}
        for sample in samples:
            name, standing = sample.code.name, sample.standing
            p_value = p_values.get(name, 1.0)
            if p_value < INSTABILITY_P / self._tests:
                standing = replace(standing, promise="not_stable", p_value=p_value)
            elif standing.promise == "holds":
                standing = replace(standing, p_value=p_value)
            found[name] = standing
        return found

    def _told(self, standings: Mapping[str, Standing]) -> None:
        self.standings.update(standings)
        # Fewer are collected anew after each alarm, one may be unlucky; losses are tried again at once.
        self.refused |= {
            name: standing
            for name, standing in standings.items()
            if standing.promise == "not_stable" and standing.rows >= UNCHECKED_ROWS and name != LOSS
        }

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        return {
            "standings": [_plain(standing) for standing in self.standings.values()],
            "refused": [_plain(standing) for standing in self.refused.values()],
            "collection": self.collection.snapshot() if self.collection else None,
            "rows_due": self.rows_due,
            "losses": None if self.losses is None else np.array(self.losses, dtype="<f8").tobytes(),
            "losses_due": self.losses_due,
            "weight": self._weight,
            "joint_weight": self._joint_weight,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from `snapshot`, as if never stopped."""
        self._work = None
        self.standings = {each["column"]: Standing(**each) for each in snapshot["standings"]}
        self.refused = {each["column"]: Standing(**each) for each in snapshot["refused"]}
        collection, losses = snapshot["collection"], snapshot["losses"]
        self.collection = None if collection is None else Collection.restore(collection)
        self.losses = None if losses is None else np.frombuffer(losses, dtype="<f8").tolist()
        self.rows_due, self.losses_due = snapshot["rows_due"], snapshot["losses_due"]
        self._weight, self._joint_weight = snapshot["weight"], snapshot["joint_weight"]


def _plain(standing: Standing) -> dict[str, Any]:
    return {
        "column": standing.column,
        "promise": standing.promise,
        "rows": standing.rows,
        "independent_share": standing.independent_share,
        "lags": standing.lags,
        "seasonal": standing.seasonal,
        "periods": standing.periods,
        "p_value": standing.p_value,
    }
