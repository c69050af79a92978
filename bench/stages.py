"""The stages without Kafka: CPU per event of task and learner, fed from memory, in the steps that the worker takes.

python -m bench.stages [--events 20000] [--repeats 7] [--profile task|learn]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import statistics
import time
from typing import NamedTuple

from bench.pipeline import FEATURES, LOGISTIC, WITH_TREE, Stream
from learners.scores import PrequentialScores
from streams.config import Config
from streams.stages.candidates import build_candidates
from streams.stages.decoding import Decoding
from streams.stages.learn import Learner
from streams.stages.task import Task, TaskConfig
from streams.state.done import DoneIds
from streams.state.pending import PendingStore

BLOCK, STEP = 100, 200
SETTINGS = TaskConfig(
    wait_ms=86_400_000, early_ms=300_000, grace_ms=5_000, dedupe_horizon_ms=3_600_000, features_topic="f",
    labels_topic="l",
)  # fmt: skip


class Row(NamedTuple):
    """As aiokafka's own record."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def config_of(candidates, kernels):
    return Config.model_validate(
        {
            "name": "bench",
            "target": {"task": "binary", "labels": [0, 1], "positive": 1},
            "features": dict.fromkeys(FEATURES, "numeric"),
            "models": {"candidates": candidates, "kernels": kernels},
        }
    )


def rows_of(events):
    """Events and labels, each block of events before its labels."""
    stream = Stream()
    pairs = [stream.pair(number) for number in range(events)]
    sides = ([], [])
    for offset, (key, *values) in enumerate(pairs):
        for side, value in enumerate(values):
            sides[side].append(Row(offset, 1_000 + 10 * (offset // BLOCK) + 5 * side, key, value))
    return sides


def one_run(candidates, sides, profiles=(None, None), *, kernels=True):
    """CPU µs per event of (task, learner)."""
    config = config_of(candidates, kernels)
    built = build_candidates(config)
    learner = Learner(0, "examples", built, PrequentialScores(built.target, built.names))
    task = Task(0, SETTINGS, Decoding(config), PendingStore(200_000, None), DoneIds())
    events = len(sides[0])
    for side, rows in zip((task.events, task.labels), sides, strict=True):
        side.feed(0, events, rows)
        side.end = events
    clock = time.thread_time
    spent, examples, acknowledged = [0.0, 0.0], 0, 0
    while True:
        gc.collect(0)
        before = clock()
        if profiles[0]:
            profiles[0].enable()
        out = task.step(STEP, learner)
        if out is not None:
            task.acknowledged(out.sources, acknowledged)
        if profiles[0]:
            profiles[0].disable()
        spent[0] += clock() - before
        if out is None:
            break
        acknowledged += len(out.sources)
        rows = [Row(examples + i, 0, key, value) for i, (key, value) in enumerate(out.examples)]
        examples += len(rows)
        before = clock()
        if profiles[1]:
            profiles[1].enable()
        learner.learn(rows)
        if profiles[1]:
            profiles[1].disable()
        spent[1] += clock() - before
    assert learner.ledger["learnt"] == events
    return [seconds / events * 1e6 for seconds in spent]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--profile", choices=("task", "learn"))
    arguments = parser.parse_args()
    sides = rows_of(arguments.events)
    gc.collect()
    gc.freeze()
    gc.disable()
    if arguments.profile:
        profile = cProfile.Profile(time.thread_time)
        one_run(LOGISTIC, sides, (profile, None) if arguments.profile == "task" else (None, profile))
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    cases = {
        "scaled logistic": (LOGISTIC, True),
        "without the kernel": (LOGISTIC, False),
        "with a Hoeffding tree": (WITH_TREE, True),
    }
    found = {name: [] for name in cases}
    for _ in range(arguments.repeats):
        for name, (candidates, kernels) in cases.items():
            found[name].append(one_run(candidates, sides, kernels=kernels))
    for name, runs in found.items():
        task, learn = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"  {name:24} task {task:6.2f} us, learner {learn:6.2f} us, both {task + learn:6.2f} us CPU per event")


if __name__ == "__main__":
    main()
