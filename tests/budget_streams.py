"""Streams to try the false-alarm budget on, and a budget that watches them. What is random is seeded."""

from __future__ import annotations

import numpy as np

from drift.budget import AlarmBudget, AlarmBudgetConfig, Allowance, WatchedColumn
from drift.evidence import Subject
from drift.reference import Reference

ERROR_RATE = 0.2
EIGHT = np.array([f"k{i}" for i in range(8)], dtype=object)
FIFTY = np.array([f"k{i}" for i in range(50)], dtype=object)
EIGHT_SHARES = np.arange(8, 0, -1) / 36
FIFTY_SHARES = (1 / np.arange(1, 51)) / (1 / np.arange(1, 51)).sum()
CATEGORICAL = "cd"
"""First letters of categorical columns."""


def mixed(rng, rows):
    """Twenty columns: 5 Gaussian, 4 Student t2, 4 Poisson, 4 with 8 categories, 3 with 50."""
    return {
        **{f"g{i}": rng.normal(size=rows) for i in range(5)},
        **{f"t{i}": rng.standard_t(2, size=rows) for i in range(4)},
        **{f"p{i}": rng.poisson(3, size=rows).astype(float) for i in range(4)},
        **{f"c{i}": rng.choice(EIGHT, size=rows, p=EIGHT_SHARES) for i in range(4)},
        **{f"d{i}": rng.choice(FIFTY, size=rows, p=FIFTY_SHARES) for i in range(3)},
    }


def gaussian(rng, rows, columns=20):
    """Independent standard normals."""
    return {f"g{i}": rng.normal(size=rows) for i in range(columns)}


def kind_of(name):
    return "categorical" if name[0] in CATEGORICAL else "numeric"


def budget_of(names, allowance="1 per 1000 events", **settings):
    """A budget over columns of these names, kinds by their first letters."""
    columns = {name: WatchedColumn(kind=kind_of(name), subject=Subject(kind="feature", name=name)) for name in names}
    return AlarmBudget(AlarmBudgetConfig(columns=columns, allowance=Allowance.parse(allowance), **settings))


def reference_of(columns, rows=slice(None)):
    return Reference.from_columns({name: kind_of(name) for name in columns}, {n: c[rows] for n, c in columns.items()})


def rows_of(columns, start=0):
    """Columns as events, from a row on."""
    lists = [column[start:].tolist() for column in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def errors(rng, rows, rate=ERROR_RATE):
    return (rng.random(rows) < rate).astype(float)


def watched(columns, losses, reference_rows, **settings):
    """A budget on the first rows as its reference, fed with the rest; and what it found."""
    budget = budget_of(columns, loss="indicator", **settings)
    budget.rebase(reference_of(columns, slice(reference_rows)), losses[:reference_rows])
    found = feed(budget, rows_of(columns, reference_rows), losses[reference_rows:].tolist())
    return budget, found


def feed(budget, rows, losses):
    """Each event and then its loss; what was found."""
    for row, loss in zip(rows, losses, strict=True):
        budget.event(row)
        budget.example(loss)
    return list(budget.evaluate())
