"""CPU per event of learning: candidates and scores beside bare River, in one run.

.venv/bin/python bench/learners_cost.py [--rows 20000] [--repeats 7]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from river import linear_model, preprocessing

from learners.candidates import Candidates, CandidateSpec
from learners.features import FeatureGuard
from learners.scores import PrequentialScores
from learners.target import Target

TARGET = Target(kind="binary", labels=(0, 1), positive=1)
KINDS = {f"f{place}": "numeric" for place in range(8)}


def cpu_us(run, rows):
    start = time.process_time_ns()
    run()
    return (time.process_time_ns() - start) / 1000 / rows


def bare(stream):
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    for features, label in stream:
        model.predict_proba_one(features)
        model.learn_one(features, label == 1)


def candidates_of(model):
    return Candidates({"main": CandidateSpec(model=model)}, "main", TARGET, KINDS)


def whole(stream):
    candidates = candidates_of("logistic_regression")
    scores = PrequentialScores(TARGET, candidates.names)
    for features, label in stream:
        scores.update(label, candidates.predict(features))
        candidates.learn(features, label)


def without_scores(stream):
    candidates = candidates_of("logistic_regression")
    for features, label in stream:
        candidates.predict(features)
        candidates.learn(features, label)


def guard(stream):
    check = FeatureGuard(KINDS).check
    for features, _ in stream:
        check(features)


def snapshot(rows):
    candidates = candidates_of("logistic_regression")
    for features, label in rows[:500]:
        candidates.learn(features, label)
    return cpu_us(candidates.snapshot, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    source = random.Random(1)
    stream = []
    for _ in range(arguments.rows):
        features = {name: source.gauss(0, 1) for name in KINDS}
        stream.append((features, int(features["f0"] + source.gauss(0, 1) > 0)))
    contenders = {
        "bare River, predict + learn": bare,
        "candidates, predict + learn": without_scores,
        "candidates and scores": whole,
        "feature guard": guard,
    }
    taken = {name: [] for name in contenders}
    for _ in range(arguments.repeats):  # interleaved: what else the machine does hits all alike
        for name, contender in contenders.items():
            taken[name].append(cpu_us(lambda contender=contender: contender(stream), arguments.rows))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:32} {median:7.2f} us/event")
    overhead = medians["candidates and scores"] - medians["bare River, predict + learn"]
    print(f"{'overhead':32} {overhead:7.2f} us/event")
    print(f"{'one snapshot':32} {statistics.median(snapshot(stream) for _ in range(9)):7.0f} us")


if __name__ == "__main__":
    main()
