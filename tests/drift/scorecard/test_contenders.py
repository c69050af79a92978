"""Whoever is judged: alarms in order, of columns that are there, the same whether a stream was met before or not."""

from __future__ import annotations

import importlib
import itertools
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scorecard_stretches import budget_for, stretch_of

from drift.reference import sample_of
from drift.scorecard import catalog
from drift.scorecard.budgeted import Budgeted
from drift.scorecard.contenders import Columnwise
from drift.scorecard.injections import Injection
from drift.scorecard.trials import LOSS, changed, drawn
from drift.scorecard.windows import EVIDENTLY, Windows, WindowSettings, calibrated, chosen

WINDOWS = WindowSettings(window_rows=200, slide_rows=50)
REFERENCE = 600


def all_contenders(stretch):
    return catalog.contenders(
        stretch, budget_for(stretch), WINDOWS, events_per_alarm=1000, reference_rows=REFERENCE, seed=1, draws=20
    )


NAMES = [each.name for each in all_contenders(stretch_of())]


def contender(name, stretch):
    return next(each for each in all_contenders(stretch) if each.name == name)


def streams(stretch):
    base = drawn(stretch, REFERENCE, 1500, np.random.default_rng(9))
    return base, [changed(base, Injection.parse(text), 500, 4) for text in ("shift:g0:1", "swap:label:0.5")]


@pytest.mark.parametrize("name", NAMES)
def test_alarms_come_in_order_and_blame_what_is_there(name):
    """Rows count from 1 and never repeat; a blamed column is a column, the loss, or how columns go together."""
    stretch = stretch_of()
    base, altered = streams(stretch)
    judge = contender(name, stretch)
    judge.meet(base)

    for stream in (base, *altered):
        raised = judge.watch(stream)
        assert all(1 <= alarm.row <= 1500 for alarm in raised)
        assert all(before.row < after.row for before, after in itertools.pairwise(raised))
        assert {alarm.column for alarm in raised} <= {*stretch.kinds, LOSS, "(joint)"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "always fires"])
def test_what_was_met_before_changes_nothing(name):
    """Working ahead is for speed alone: a contender that has met nothing raises the same alarms."""
    stretch = stretch_of()
    base, altered = streams(stretch)
    met, fresh = contender(name, stretch), contender(name, stretch)
    met.meet(base)

    for stream in (*altered, base):
        assert met.watch(stream) == fresh.watch(stream)


@pytest.mark.parametrize("name", NAMES)
def test_who_does_not_watch_the_loss_is_not_judged_on_it(name):
    """What `watches` says, `watch` does: no alarm about a kind of column that it does not look at."""
    stretch = stretch_of()
    judge = contender(name, stretch)
    _, (_, swapped) = streams(stretch)

    if not judge.watches(None):
        assert all(alarm.column != LOSS for alarm in judge.watch(swapped))
    if not judge.watches("categorical"):
        assert all(alarm.column != "c0" for alarm in judge.watch(swapped))


def test_the_strongest_of_several_columns_at_a_row_is_blamed():
    """One alarm, whoever else was flagged."""

    class Both(Columnwise):
        def watches(self, _kind):
            return True

        def judge(self, name, _kind, _reference, _rows):
            yield 7, {"g0": 1.0, "g1": 3.0}.get(name, 0.5)

    base, _ = streams(stretch_of())

    assert Both("both", "").watch(base) == [(7, "g1")]


def test_a_large_shift_is_seen_by_the_budget_in_the_right_column():
    """One standard deviation, within 200 events, no alarm before."""
    stretch = stretch_of()
    _, (shifted, _) = streams(stretch)

    raised = Budgeted("budget", "", budget_for(stretch)).watch(shifted)

    assert raised[0].column == "g0"
    assert 500 < raised[0].row < 700


def test_an_alarm_before_the_change_does_not_end_the_trial():
    """Only what comes after it may: here a column has moved long before another is changed."""
    stretch = stretch_of()
    base = drawn(stretch, REFERENCE, 1500, np.random.default_rng(9))
    early = base.rows.columns["g1"].copy()
    early[50:] += 3
    moved = replace(base, rows=replace(base.rows, columns={**base.rows.columns, "g1": early}))

    raised = Budgeted("budget", "", replace(budget_for(stretch, "1 per 100000 events"), after_alarm="rebase")).watch(
        changed(moved, Injection.parse("shift:g0:2"), 900, 4)
    )

    assert [alarm.column for alarm in raised] == ["g1", "g0"]
    assert raised[0].row < 100
    assert 900 < raised[1].row < 1000


def test_a_flag_that_stays_is_one_alarm():
    """Windows that go on being flagged tell nothing new."""
    before, after = np.zeros(600), np.concatenate([np.zeros(400), np.ones(1100)])
    judge = Windows("psi", WINDOWS)

    raised = list(judge.judge("k", "numeric", before + np.arange(600) % 7, after * 9 + np.arange(1500) % 7))

    assert len(raised) == 1


def evidently(module):
    """Its import warns about its own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


@pytest.mark.parametrize("rows", [800, 1400])
def test_evidently_s_own_choice_is_taken(rows):
    """The statistic by column, kind and size of the reference is the one the installed Evidently takes."""
    registry = evidently("evidently.legacy.calculations.stattests.registry")
    types = evidently("evidently.legacy.core").ColumnType
    rng = np.random.default_rng(3)
    columns = {
        "numeric": [rng.normal(size=rows), rng.integers(0, 5, rows).astype(float), rng.integers(0, 2, rows) * 1.0,
                    rng.integers(0, 6, rows).astype(float)],
        "integer": [rng.poisson(40, rows), rng.integers(0, 3, rows)],
        "categorical": [rng.choice(np.array(list("abcdefgh"), dtype=object), rows),
                        rng.choice(np.array(list("ab"), dtype=object), rows)],
    }  # fmt: skip
    theirs = {"numeric": types.Numerical, "integer": types.Numerical, "categorical": types.Categorical}
    for kind, several in columns.items():
        for column in several:
            now = column[:200]
            expected = registry._get_default_stattest(pd.Series(column), pd.Series(now), theirs[kind]).name
            assert chosen(EVIDENTLY, kind, sample_of(kind, column), sample_of(kind, now)).name == expected


def test_a_calibrated_threshold_is_passed_as_seldom_as_it_says():
    """On other draws of the same stretch a column passes it in 0.1 to 3 times the share that the budget leaves it."""
    stretch, rng = stretch_of(), np.random.default_rng(8)
    heights = calibrated("jensenshannon", WINDOWS, stretch, REFERENCE, 1250, 200, rng)  # share 1 %
    flags = looks = 0
    for run in range(60):
        stable = drawn(stretch, REFERENCE, 2000, np.random.default_rng([8, run]))
        judge = Windows("jensenshannon", WindowSettings(window_rows=200, slide_rows=200), heights)
        for name, kind in stretch.kinds.items():
            flags += len(list(judge.judge(name, kind, stable.reference.columns[name], stable.rows.columns[name])))
            looks += 10

    assert 0.001 <= flags / looks <= 0.03
