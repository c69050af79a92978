"""Bare River: the unit that a machine's speed is read in."""

from __future__ import annotations

import random
import time

from bench.pipeline import FEATURES
from bench.rivals.job import model_of

ROWS = {"logistic_regression": 20_000, "hoeffding_tree": 10_000, "adaptive_random_forest": 1_000}


def bare_river(model="logistic_regression", names=FEATURES):
    """CPU µs of River's own predict and learn of one event."""
    source, rows = random.Random(1), ROWS[model]
    stream = [{name: source.gauss(0, 1) for name in names} for _ in range(rows)]
    made = model_of(model, names)
    start = time.process_time()
    for features in stream:
        made.predict_proba_one(features)
        made.learn_one(features, features["f0"] + features["f1"] > 0)
    return (time.process_time() - start) / rows * 1e6
