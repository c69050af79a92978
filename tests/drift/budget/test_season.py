"""A declared season and a reference that is shorter: what is not known is not promised."""

import numpy as np
from budget_streams import budget_of, reference_of, rows_of

from drift.budget import Alarm, Period

PERIOD, REFERENCE = 2_000, 400
ROWS = 9_000


def seasonal(seed):
    """One column that goes up and down by two within 2,000 rows, and one of categories."""
    rng = np.random.default_rng(seed)
    wave = 2 * np.sin(2 * np.pi * np.arange(ROWS) / PERIOD)
    return {"g0": wave + rng.normal(size=ROWS), "c0": rng.choice(np.array(["a", "b", "c"], dtype=object), size=ROWS)}


def fed(columns, asked, **settings):
    """The budget on the first rows as its reference, what it found, and the standings after so many events."""
    budget = budget_of(columns, "1 per 100000 events", period=Period(rows=PERIOD), after_alarm="reset", **settings)
    budget.rebase(reference_of(columns, slice(REFERENCE)))
    words, found = {}, []
    for number, row in enumerate(rows_of(columns, REFERENCE)):
        if number in asked:
            found += budget.evaluate()
            words[number] = {each.column: each.words for each in budget.standings()}
        budget.event(row)
    return [each for each in (*found, *budget.evaluate()) if isinstance(each, Alarm)], words


def test_until_a_reference_covers_the_period_its_numbers_are_observed_only():
    """Rows are collected until they do; what is no number is watched meanwhile."""
    alarms, words = fed(seasonal(1), (100, 8_000))

    assert words[100]["g0"] == (
        "observe only: the reference is shorter than the period, budget not promised: it covers 0.2 of it"
    )
    assert words[100]["c0"] == "budget holds, stability unchecked"
    assert words[8_000]["g0"].startswith("budget holds")
    assert [alarm for alarm in alarms if alarm.blame.subject.name == "g0"] == []


def test_a_period_that_no_reference_covers_is_said_and_raises_nothing():
    """Waves that are fitted to a part of them would lead anywhere in the rest."""
    for seed in range(3):
        alarms, words = fed(seasonal(seed), (8_000,), waiting_rows_max=1_500)

        assert words[8_000]["g0"].endswith("it covers 0.75 of it")
        assert [alarm for alarm in alarms if alarm.blame.subject.name == "g0"] == [], seed


def test_a_change_of_a_category_is_seen_while_a_season_is_collected():
    """The budget of the others is not held up."""
    columns = seasonal(2)
    columns["c0"][REFERENCE + 300 : REFERENCE + 1_200] = "a"
    alarms, _ = fed(columns, ())

    assert alarms[0].blame.subject.name == "c0"
    assert 300 < alarms[0].event < 400
