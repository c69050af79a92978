"""A stable stretch to try scorecards on, and the budget that watches it."""

from __future__ import annotations

import numpy as np
from budget_streams import kind_of

from drift.budget import AlarmBudgetConfig, Allowance, WatchedColumn
from drift.evidence import Subject
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import swapped_indicator


def stretch_of(rows=3000, seed=5):
    """Two normals, three categories, errors of 20 %."""
    rng = np.random.default_rng(seed)
    columns = {
        "g0": rng.normal(size=rows),
        "g1": rng.normal(size=rows),
        "c0": rng.choice(np.array(["x", "y", "z"], dtype=object), rows, p=[0.5, 0.3, 0.2]),
    }
    losses = (rng.random(rows) < 0.2).astype(float)
    return Stretch(
        kinds={name: kind_of(name) for name in columns},
        columns=columns,
        losses=losses,
        swapped_losses=swapped_indicator(losses, 2, rng),
    )


def budget_for(stretch, allowance="1 per 1000 events"):
    """Everything in it."""
    columns = {
        name: WatchedColumn(kind=kind, subject=Subject(kind="feature", name=name))
        for name, kind in stretch.kinds.items()
    }
    return AlarmBudgetConfig(
        columns=columns, allowance=Allowance.parse(allowance), loss="indicator", after_alarm="hold"
    )
