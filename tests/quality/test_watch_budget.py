"""The promise as the monitor keeps it: records of four partitions at unequal rates, through the real Watch stage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from streams.config import Config
from streams.messages import Example, Prediction, encode
from streams.stages.watch import Watch

RATES = np.array([8, 4, 2, 1]) / 15
"""Share of the events that each partition has."""
COLUMNS = 10
FEATURES = {f"f{number}": "numeric" for number in range(COLUMNS - 1)} | {"city": "categorical"}
CITIES = ("Bern", "Chur", "Thun", "Zug")
LATE = 40
"""Rows between an event and its label."""


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes


def settings(**drift):
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 4},
            "target": {"task": "binary", "labels": [0, 1], "positive": 1},
            "features": FEATURES,
            "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            "drift": {"reference": {"rows": 1_000}, "rebase_after_rows": 300, "quiet_rows": 150} | drift,
            "reports": {"on_incident": False},
        }
    )


def logs(rng, rows):
    """By partition and of examples: each partition has a level of its own, merged by record time."""
    predictions, examples, open_ = [[], [], [], []], [], []
    for number in range(rows):
        partition = int(rng.choice(4, p=RATES))
        log = predictions[partition]
        levels = rng.normal(size=COLUMNS - 1) + partition * (np.arange(COLUMNS - 1) % 3)
        features = {f"f{place}": float(level) for place, level in enumerate(levels)}
        features["city"] = CITIES[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))]
        fields = {"features": features, "prediction": 0, "probabilities": None, "model": "champion", "version": 1}
        said = Prediction(id=f"e{number}", candidates={}, source=len(log), event_ms=number, **fields)
        log.append(Row(len(log), number, b"k", encode(said)))
        open_.append((partition, said, int(rng.random() < 0.2)))
        if len(open_) > LATE:
            place, before, label = open_.pop(0)
            source = (place, before.source)
            example = Example(
                id=before.id,
                label=label,
                label_source=source,
                closed=0,
                label_ms=number,
                source=before.source,
                event_ms=before.event_ms,
                **(fields | {"features": {}}),
            )
            examples.append(Row(len(examples), number, b"k", encode(example)))
    return [*predictions, examples]


def told(config, made, step=400):
    """Alerts, and the windows' last word on the budget."""
    watch, alerts, metrics = Watch(config), [], []
    places = {("shop.predictions", partition): log for partition, log in enumerate(made[:4])}
    places["shop.examples", 0] = made[4]
    for side in watch.merge.inputs:
        log = places.get((side.topic, side.partition), [])
        side.feed(0, len(log), log)
        side.end = len(log)
    while (seen := watch.step(step)) is not None:
        alerts += seen.alerts
        metrics += seen.metrics
    return alerts, metrics


def ratio(seeds, rows, allowance):
    """Events in which an alarm could be raised, over alarms times the events that each may take."""
    counted = alarms = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        config = settings(false_alarms=f"1 per {allowance} events")
        alerts, _ = told(config, logs(rng, rows))
        started = sum(alert.phase == "started" for alert in alerts)
        deaf = sum(alert.events for alert in alerts if alert.phase == "recovered") + 300 * sum(
            alert.reason == "rebased" for alert in alerts
        )
        counted += rows - 1_000 - deaf
        alarms += started
    print(f"A {allowance}: {counted} events, {alarms} alarms in {len(seeds)} seeds")  # noqa: T201 - `-s` shows it
    return counted / max(1, alarms) / allowance


def test_a_small_stretch_of_four_partitions_keeps_the_budget():
    """A part of the next that every run can bear."""
    assert ratio(range(2), 6_000, 500) >= 0.6


@pytest.mark.quality
def test_four_partitions_at_unequal_rates_keep_the_budget():
    """8 : 4 : 2 : 1, each with its own levels, labels 40 rows late, 12 seeds of 12,000 events, A = 1,000: [0.8, 2]."""
    assert 0.8 <= ratio(range(12), 12_000, 1_000) <= 2


@pytest.mark.quality
def test_no_window_and_no_split_changes_what_is_told():
    """Windows of 50, 200, 1,000 and 5,000 rows, rows by one or by the thousand: the same alerts, to the byte."""
    made = logs(np.random.default_rng(5), 9_000)
    expected = None
    for window_rows in (50, 200, 1_000, 5_000):
        for step in (1, 77, 5_000):
            config = settings(
                false_alarms="1 per 500 events", window_rows=window_rows, slide_rows=min(window_rows, 200)
            )
            alerts = [encode(alert) for alert in told(config, made, step)[0]]
            assert len(alerts) > 10
            expected = expected or alerts
            assert alerts == expected, (window_rows, step)
