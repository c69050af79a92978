"""How often the detectors are wrong and how late they are, over stated seeds."""

from __future__ import annotations

import random
import statistics

import pytest

from drift.detectors import CATALOG, build_detector

SEEDS = range(6)
NUMBERS = sorted(name for name, spec in CATALOG.items() if "number" in spec.watches)
FALSE_ALARMS_MAX = {"adwin": 1, "page_hinkley": 1, "ddm": 4, "hddm_a": 1, "hddm_w": 4}
"""In 60,000 rows of a steady error of 0.2; at most 2 when measured."""
DELAY_ROWS_MAX = {"adwin": 400, "page_hinkley": 400, "ddm": 700, "hddm_a": 400, "hddm_w": 500}
"""Worst of six seeds from error 0.2 to 0.35; the median is 150 to 280."""


def errors(seed, *parts):
    """Rows of 0 and 1; each part is (rows, error rate)."""
    rng = random.Random(seed)
    return [float(rng.random() < rate) for rows, rate in parts for _ in range(rows)]


def fired(name, watch, values):
    detector = build_detector(name, watch=watch)
    return [row for row, value in enumerate(values) if detector.update(value)]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_false_alarms_on_a_steady_error_are_few(name):
    """60,000 steady rows over six seeds raise at most a handful."""
    alarms = sum(len(fired(name, "error", errors(seed, (10_000, 0.2)))) for seed in SEEDS)

    assert alarms <= FALSE_ALARMS_MAX[name]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_a_rise_of_the_error_is_seen_on_every_seed(name):
    """From 0.20 to 0.35 after 2,000 rows: never missed, and within the bound."""
    delays = []
    for seed in SEEDS:
        rows = fired(name, "error", errors(100 + seed, (2_000, 0.2), (1_500, 0.35)))
        delays.append(next(row for row in rows if row >= 2_000) - 2_000)

    assert max(delays) <= DELAY_ROWS_MAX[name]
    assert statistics.median(delays) <= 300


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_a_fall_of_the_error_is_never_an_alarm(name):
    """From 0.35 to none at all after 2,000 rows: nothing is said on any seed."""
    for seed in SEEDS:
        rows = fired(name, "error", errors(100 + seed, (2_000, 0.35), (200, 0.0)))

        assert [row for row in rows if 2_000 <= row < 2_200] == [], seed


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_any_shape_are_quiet_while_they_stand_still(name):
    """100,000 rows each of normal, skewed and heavy-tailed numbers, in a unit far from 1."""
    rng = random.Random(7)
    shapes = {
        "normal": lambda: rng.gauss(5_000, 300),
        "exponential": lambda: 1e-4 * rng.expovariate(1),
        "pareto": lambda: rng.paretovariate(2.5),
    }

    alarms = {shape: len(fired(name, "number", [draw() for _ in range(100_000)])) for shape, draw in shapes.items()}

    assert max(alarms.values()) <= 6, alarms


@pytest.mark.parametrize("name", NUMBERS)
def test_a_shift_of_half_a_deviation_is_seen(name):
    """Within 400 rows on every seed."""
    for seed in SEEDS:
        rng = random.Random(seed)
        values = [rng.gauss(5_000, 300) for _ in range(2_000)] + [rng.gauss(5_150, 300) for _ in range(1_000)]

        assert 2_000 <= fired(name, "number", values)[0] <= 2_400, seed
