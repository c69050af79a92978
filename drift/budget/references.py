"""From rows to sections: what is collected, how each column qualified, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drift.budget.collection import Collection
from drift.budget.config import AlarmBudgetConfig
from drift.budget.joint import ROWS_MIN as JOINT_ROWS_MIN
from drift.budget.qualification import (
    INSTABILITY_P,
    UNCHECKED_ROWS,
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

    def collect(self, rows: int, losses: int) -> None:
        """Drop what there is and collect that many rows of events, and losses of examples."""
        self._collect_columns(rows)
        self.collect_losses(losses)

    def collect_losses(self, losses: int) -> None:
        """The loss alone."""
        if self._config.loss and LOSS not in self.refused:
            self.losses, self.losses_due = [], losses
            self.standings[LOSS] = Standing(column=LOSS, promise="collecting")

    def _collect_columns(self, rows: int) -> None:
        columns = {name: column.kind for name, column in self._config.columns.items() if name not in self.refused}
        everything = (1.0 - LOSS_WEIGHT) if self._config.loss else 1.0
        self._weight = everything / max(1, len(columns) + self._config.joint)
        self._joint_weight = self._weight if self._config.joint else 0.0
        self.collection = Collection(columns) if columns else None
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

    def section(self, position: int) -> Section | None:
        """What qualified of a collection that is due, to watch from event number `position`; None for nothing."""
        if self.collection is None or self.collection.rows < self.rows_due:
            return None
        collection, config = self.collection, self._config
        basis = harmonics(collection.phases) if config.period else None
        samples = [
            column_sample(name, config.columns[name].kind, column.tolist(), basis)
            for name, column in collection.columns().items()
        ]
        passed = self._qualified(samples)
        waiting = [sample.code.name for sample in samples if sample.standing.promise == "dependent"]
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
            {sample.code.name: self._weight for sample in passed},
            {name: column.tolerance_sd for name, column in config.columns.items()},
            clock="events",
            position=position,
            seed=config.seed,
            joint_weight=joint_weight if collection.rows >= JOINT_ROWS_MIN else 0.0,
        )

    def loss_section(self, position: int) -> LossSection | None:
        """The same for the loss, from example number `position`."""
        if self.losses is None or len(self.losses) < self.losses_due:
            return None
        sample = loss_sample(LOSS, self.losses, indicator=self._config.loss == "indicator")
        passed = self._qualified([sample])
        if sample.standing.promise == "dependent" and len(self.losses) < self._config.waiting_rows_max:
            self.losses_due = min(2 * len(self.losses), self._config.waiting_rows_max)
        elif not passed and sample.standing.promise == "holds":  # not stable: a model that learns settles in time
            self.losses, self.losses_due = [], len(self.losses)
        else:
            self.losses = None
        if not passed:
            return None
        weights = {LOSS: LOSS_WEIGHT}
        return LossSection(passed, weights, {}, clock="examples", position=position, seed=self._config.seed)

    def _qualified(self, samples: Sequence[Sample]) -> list[Sample]:
        candidates = [sample for sample in samples if sample.standing.promise == "holds"]
        p_values = self_test(candidates, seed=self._config.seed)
        passed = []
        for sample in samples:
            name, standing = sample.code.name, sample.standing
            p_value = p_values.get(name, 1.0)
            if p_value < INSTABILITY_P / self._tests:
                standing = replace(standing, promise="not_stable", p_value=p_value)
                # Fewer are collected anew after each alarm, one may be unlucky; losses are tried again at once.
                if standing.rows >= UNCHECKED_ROWS and name != LOSS:
                    self.refused[name] = standing
            elif standing.promise == "holds":
                standing = replace(standing, p_value=p_value)
                passed.append(sample)
            self.standings[name] = standing
        return passed

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
        "p_value": standing.p_value,
    }
