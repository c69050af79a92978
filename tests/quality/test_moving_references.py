"""A budget whose reference moves keeps its promise between the moves, and so altogether, over stated seeds.

A ratio is events in which an alarm could be raised, over alarms times A: 1 is exactly on budget, less is over it.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from budget_streams import budget_of, errors, feed, gaussian, mixed, reference_of, rows_of

from drift.budget import Alarm

quality = pytest.mark.quality
LISTING = 120


def moving(columns, losses, reference_rows, window_rows, *, every, **settings):
    """What a budget finds whose reference is the rows before the window, and moves every so many events."""
    budget = budget_of(columns, loss="indicator", after_alarm="reset", **settings)
    budget.rebase(reference_of(columns, slice(reference_rows)), losses[:reference_rows])
    rows, ahead, found = rows_of(columns, reference_rows), losses[reference_rows:].tolist(), []
    for start in range(0, len(rows), every):
        found += feed(budget, rows[start : start + every], ahead[start : start + every])
        end = reference_rows + start + every - window_rows
        budget.move(reference_of(columns, slice(end - reference_rows, end)))
    return [each for each in found if isinstance(each, Alarm)]


def ratio(allowance, reference_rows, events, seeds, *, window_rows=1_000, streams=mixed):
    """Events over alarms times A, over all seeds; events after an alarm in which none can be raised do not count."""
    counted = alarms = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        columns, losses = streams(rng, reference_rows + events), errors(rng, reference_rows + events)
        raised = moving(
            columns, losses, reference_rows, window_rows, every=reference_rows, allowance=f"1 per {allowance} events"
        )
        counted += events - sum(min(LISTING, events - alarm.event) for alarm in raised)
        alarms += len(raised)
    print(f"A {allowance}, reference {reference_rows}: {counted} events, {alarms} alarms")  # noqa: T201 - `-s` shows it
    return counted / max(1, alarms) / allowance


def test_a_small_stretch_of_moves_keeps_the_budget():
    """A part of the next that every run can bear: A = 500, 24 moves."""
    assert ratio(500, 500, 6_000, range(2), window_rows=200) >= 0.6


@quality
@pytest.mark.parametrize(("allowance", "reference_rows"), [(1_000, 1_000), (1_000, 5_000), (10_000, 1_000)])
def test_the_budget_is_kept_between_moves(allowance, reference_rows):
    """20 mixed columns and a loss, 10 seeds of 40,000 events, moved every reference: at least 0.8.

    Evidence that starts over makes fewer alarms, never more, so there is no upper bound.
    """
    assert ratio(allowance, reference_rows, 40_000, range(10)) >= 0.8


@quality
def test_a_change_is_seen_though_the_reference_moves_meanwhile():
    """Half a standard deviation, at any time between two moves, A = 100,000, 20 seeds: a median of 250 events at most.

    A change that begins right before a move has to be seen anew from it.
    """
    delays = []
    for seed in range(20):
        rng, rows = np.random.default_rng(3_000 + seed), 2_000
        at = 2 * rows + int(rng.integers(rows))
        columns, losses = gaussian(rng, 5 * rows), errors(rng, 5 * rows)
        columns["g3"][at:] += 0.5
        alarms = moving(columns, losses, rows, 1_000, every=rows, allowance="1 per 100000 events")
        found = next(alarm for alarm in alarms if rows + alarm.event > at)
        assert found.blame.subject.name == "g3", seed
        delays.append(rows + found.event - at)
    print("median", statistics.median(delays), "worst", max(delays))  # noqa: T201 - `-s` shows it
    assert statistics.median(delays) <= 250
