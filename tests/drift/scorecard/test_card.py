"""The whole card: seeded, honest about itself, and harmless as a page."""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scorecard_stretches import budget_for, stretch_of

from drift.budget.joint import JOINT
from drift.scorecard import catalog, wording
from drift.scorecard.budgeted import Budgeted
from drift.scorecard.card import Scorecard, ScorecardConfig, run
from drift.scorecard.contenders import AlwaysFires, NeverFires, Raised
from drift.scorecard.injections import Injection, Scenario
from drift.scorecard.judging import Detections, FalseAlarms, poisson_interval
from drift.scorecard.notes import notes
from drift.scorecard.page import page
from drift.scorecard.stretch import Stretch
from drift.scorecard.trials import as_it_came, changed, drawn

SMALL = ScorecardConfig(
    seed=4, events_per_alarm=1000, reference_rows=400, stable_events=2000, repeats=2, lead_rows=100, horizon_rows=800
)


FEW = tuple(
    Scenario(name=kind, kind=kind, size=size)
    for kind, size in (("shift", 1.0), ("shift", 0.001), ("swap", 0.5), ("correlation", 0.8))
)


@functools.cache
def plain_card():
    return judged()


def judged(config=SMALL, stretch=None):
    stretch = stretch or stretch_of()
    budget = budget_for(stretch)
    entrants = [Budgeted(catalog.BUDGET, "", budget), AlwaysFires(config.seed), NeverFires()]
    scores, tried, left_out = run(stretch, entrants, config, lambda: 0.0, lambda _share, _what: None, FEW)
    card = Scorecard(
        config=config,
        rows=stretch.rows,
        columns=stretch.kinds,
        losses=stretch.losses is not None,
        own_reference_rows=400,
        standings=entrants[0].standings(stretch.take(slice(400))),
        scores=scores,
        tried=tried,
        left_out=left_out,
    )
    return replace(card, notes=tuple(notes(card)))


def test_the_controls_bound_everybody():
    """Who always fires has no miss and every false alarm; who never fires has every miss and none."""
    card = plain_card()
    budget, always, never = card.scores

    assert (always.drawn.rate, always.overall.misses, always.overall.median) == (100_000, 0, 1)
    assert (never.drawn.rate, never.overall.misses) == (0, never.overall.trials)
    assert never.overall.trials == always.overall.trials == budget.overall.trials == 2 * len(card.tried)
    assert 0 < budget.overall.misses < budget.overall.trials
    assert budget.detections["shift: mean +1 sd"].blame == 1
    assert all(delay < 200 for delay in budget.detections["shift: mean +1 sd"].delays)
    assert always.overall.blame < 0.5


def test_trials_are_counted_where_they_happened():
    """As many as each contender was judged in; the bar goes forward to its end."""
    shares = []
    stretch = stretch_of()
    budget = Budgeted(catalog.BUDGET, "", budget_for(stretch))
    few = replace(SMALL, repeats=3, horizon_rows=200, stable_events=1000)

    scores, tried, left_out = run(
        stretch, [NeverFires(), budget], few, lambda: 0.0, lambda share, _what: shares.append(share), FEW
    )

    assert [each.repeats for each in tried] == [score.trials for score in scores[0].detections.values()] == [3] * 4
    assert left_out == []
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_same_seed_gives_the_same_card_and_another_gives_another():
    """Costs aside, which the clock here says are none."""
    assert judged().tree() == plain_card().tree()
    assert plain_card().tree()["contenders"] != judged(replace(SMALL, seed=5)).tree()["contenders"]


def test_a_tree_is_json():
    """Infinite delays are null, never Infinity."""
    assert "Infinity" not in json.dumps(plain_card().tree(), allow_nan=False)


def test_what_it_cannot_tell_is_said():
    """Too few events for the budget, no losses, rows fewer than two references, few trials, kinds left out."""
    stretch = stretch_of(rows=700)
    bare = Stretch(kinds={"g0": "numeric"}, columns={"g0": stretch.columns["g0"]})
    columns = {"g0": budget_for(stretch).columns["g0"]}
    budget = Budgeted(catalog.BUDGET, "", replace(budget_for(stretch), columns=columns, loss=None))
    scores, tried, left_out = run(bare, [budget], SMALL, lambda: 0.0, lambda _share, _what: None)
    card = Scorecard(
        config=SMALL, rows=700, columns=bare.kinds, losses=False, own_reference_rows=233, standings=(), scores=scores,
        tried=tried, left_out=left_out,
    )  # fmt: skip

    said = " ".join(notes(card))

    for words in (
        "Too few events to verify the configured budget: 1 per 1,000 is 2 in 2,000",
        "--events 5,000",
        "no losses",
        "700 rows are few for references of 400",
        "tried 2 times only",
        "category birth",
        "label swap",
    ):
        assert words in said


def test_a_stretch_that_changes_is_said_not_to_be_stable():
    """Half-way every row is shifted: the budget alarms in the rows' own order, and the card says so."""
    stretch = stretch_of()
    column = stretch.columns["g0"].copy()
    column[1500:] += 2
    column[2000:] -= 4
    column[2500:] += 6
    moved = replace(stretch, columns={**stretch.columns, "g0": column})

    said = " ".join(judged(replace(SMALL, events_per_alarm=100_000), moved).notes)

    assert "The stretch is not stable" in said
    assert "The stretch is not stable" not in " ".join(plain_card().notes)


def test_standings_that_promise_nothing_are_named():
    """A random walk as a reference: the budget observes it only, and the card says whose figures that concerns."""
    stretch = stretch_of()
    walk = np.cumsum(np.random.default_rng(0).normal(size=3000))

    said = " ".join(judged(stretch=replace(stretch, columns={**stretch.columns, "g1": walk})).notes)

    assert re.search(
        r"Of 1 of \d columns the budget says '(observe only|not enough independent data)[^']*'.*: g1", said
    )


def test_drawn_rows_are_rows_of_the_stretch_whole():
    """What goes together stays together."""
    stretch = stretch_of()
    known = set(zip(*(column.tolist() for column in stretch.columns.values()), strict=True))

    rows = drawn(stretch, 100, 400, np.random.default_rng(1)).rows

    assert set(zip(*(column.tolist() for column in rows.columns.values()), strict=True)) <= known


def test_drawn_rows_are_stable_whatever_the_order_was():
    """Of a trend, reference and rows show the same: every row is as likely at every place."""
    stretch = stretch_of()
    trend = replace(stretch, columns={**stretch.columns, "g0": np.arange(3000.0)})

    stream = drawn(trend, 1000, 1000, np.random.default_rng(1))

    before, after = stream.reference.columns["g0"].mean(), stream.rows.columns["g0"].mean()
    assert abs(before - after) < 4 * 3000 / 12**0.5 * (2 / 1000) ** 0.5
    assert abs(np.corrcoef(stream.rows.columns["g0"], np.arange(1000))[0, 1]) < 0.15


def test_as_it_came_is_the_stretch_in_two():
    """No row is lost, none comes twice."""
    stretch = stretch_of()
    stream = as_it_came(stretch, 700)

    both = np.concatenate([stream.reference.columns["g0"], stream.rows.columns["g0"]])

    assert (both == stretch.columns["g0"]).all()
    assert stream.reference.rows == 700


def trial(at=100):
    return changed(drawn(stretch_of(), 300, 500, np.random.default_rng(1)), Injection.parse("shift:g0:1"), at, 1)


def test_a_delay_runs_from_the_change_to_the_first_alarm_after_it():
    """Alarms before do not count; the row of the change itself is the first that can show it."""
    found = Detections()

    found.add(trial(), [Raised(40, "g0"), Raised(100, "g0"), Raised(101, "g0")])
    found.add(trial(), [Raised(180, "g1")])
    found.add(trial(), [Raised(100, "g0")])

    assert found.delays == [1, 80, math.inf]
    assert (found.trials, found.misses, found.median, found.blame) == (3, 1, 80, 0.5)


def test_the_joint_lane_blames_rightly_only_when_columns_changed_together():
    """For a shift of one column it is as wrong as another column would be."""
    found = Detections()

    found.add(trial(), [Raised(150, JOINT)])

    assert found.blame == 0


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_the_interval_is_the_exact_one(count):
    """Poisson: the chance of so many or more at the lower end, of so few or fewer at the upper, is 5 % each."""
    low, high = poisson_interval(count)

    assert stats.poisson.cdf(count, high) == pytest.approx(0.05)
    assert count == 0 or stats.poisson.sf(count - 1, low) == pytest.approx(0.05)


def test_rates_are_for_100_000_events():
    """Over all streams together."""
    alarms = FalseAlarms()
    alarms.add([Raised(1, "")] * 2, 30_000)
    alarms.add([], 20_000)

    assert (alarms.rate, alarms.alarms, alarms.events) == (4, 2, 50_000)


def test_a_page_runs_nothing_whatever_columns_are_called():
    """Names and titles are escaped, and there is no script."""
    hostile = '<script>alert(1)</script>"onload=x'
    stretch = stretch_of()
    named = replace(
        stretch,
        kinds={hostile: "numeric", **stretch.kinds},
        columns={hostile: np.cumsum(np.ones(3000)), **stretch.columns},
    )

    text = page(judged(stretch=named), hostile, hostile)

    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "default-src 'none'" in text
    assert text.count("<tr") > 15


def test_figures_read_as_people_write_them():
    """A miss of all is said in a word, one of some beside the median."""
    card = plain_card()
    cells = {row[0]: row[1:] for row in wording.changes(card)}

    assert all(row[2] == "missed" and row[1] == "1" for row in cells.values())
    assert wording.summary(card)[2][4:7] == ("> 800", f"{len(card.tried) * 2} of {len(card.tried) * 2}", "-")
