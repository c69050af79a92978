"""How long the monitor's stage holds its event loop: the longest step and the longest cut, by what goes on.

    python -m bench.watch_stalls [--events 12000] [--categorical 4] [--numeric 16] [--reference 5000] [--runs 3]

No Kafka: rows lie in memory and come into sight a few at a time, each prediction followed by its example, in the steps
that the monitor takes; a cut each second of a stream of 1,000 events a second. Told is CPU time, the worst of a phase,
the median over runs: while the reference is collected, from its last row to the first window, from there on, and the
steps that raise alerts, of a feature that moves in the last tenth.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import NamedTuple

import numpy as np

from streams.config import Config
from streams.kafka.member import GARBAGE
from streams.kafka.pace import Pace
from streams.messages import Example, Output, Prediction, encode
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, pack_watch
from streams.state.outbox import Outbox

ROWS_AT_ONCE, ROWS_A_CUT = 20, 1_000
PHASES = "collecting", "reference", "watching", "alerts"


class Row(NamedTuple):
    """As aiokafka's own record."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def config_of(numeric, categorical, reference_rows):
    features = {f"n{i:02d}": "numeric" for i in range(numeric)} | {
        f"c{i:02d}": "categorical" for i in range(categorical)
    }
    return Config.model_validate(
        {
            "name": "bench",
            "topics": {"partitions": 1},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": features,
            "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            "drift": {"reference": {"rows": reference_rows}},
        }
    )


def logs_of(config, events):
    rng = np.random.default_rng(0)
    moved = events - events // 10
    numbers, texts = rng.normal(size=(events, 99)), rng.integers(0, 40, size=(events, 99))
    numbers[moved:, 0] += 1
    kinds = list(config.features.items())
    baselines = {"no_change": Output("no"), "prior": Output("no", {"no": 0.6, "yes": 0.4})}
    predictions, examples = [], []
    for number in range(events):
        features = {
            name: float(numbers[number, at]) if kind == "numeric" else f"value {texts[number, at]}"
            for at, (name, kind) in enumerate(kinds)
        }
        share = float(rng.random())
        said = {
            "id": f"e{number}", "features": features, "prediction": "yes" if share > 0.5 else "no",
            "probabilities": {"no": 1 - share, "yes": share}, "model": "champion", "version": number,
            "candidates": baselines, "source": number, "event_ms": 1_000 + number,
        }  # fmt: skip
        predictions.append(Row(number, 1_000 + number, b"k", encode(Prediction(**said))))
        label = {"label": "yes" if rng.random() < share else "no", "label_source": (0, number), "closed": number}
        examples.append(Row(number, 1_000 + number, b"k", encode(Example(**said, **label, label_ms=1_000 + number))))
    return predictions, examples, []


def one_run(config, logs):
    """Longest step and longest cut by phase, CPU ms."""
    watch, pace, found = Watch(config), Pace(), {phase: [0.0, 0.0] for phase in PHASES}

    for stop in range(ROWS_AT_ONCE, len(logs[0]) + 1, ROWS_AT_ONCE):
        for side, log in zip(watch.merge.inputs, logs, strict=True):
            side.end = min(stop, len(log))
            side.feed(side.read, side.end, log[side.read : side.end])
        while True:
            shown, began = watch.windows_total > 0, time.thread_time()
            seen = watch.step(pace.rows)
            for reference in seen.references if seen is not None else ():
                reference.to_bytes()  # what the shell does, before it hands them to a thread
            for metrics in seen.metrics if seen is not None else ():
                encode(metrics)
            spent = time.thread_time() - began
            if seen is None:
                break
            if seen.rows:
                pace.took(seen.rows, spent)
            phase = "alerts" if seen.alerts else PHASES[(watch.reference is not None) + shown]
            found[phase][0] = max(found[phase][0], spent * 1e3)
        if stop % ROWS_A_CUT == 0:
            began = time.thread_time()
            pack_watch(WatchState(watch, Outbox(), {}), 1)
            found[phase][1] = max(found[phase][1], (time.thread_time() - began) * 1e3)
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.watch_stalls", description=__doc__)
    parser.add_argument("--events", type=int, default=12_000)
    parser.add_argument("--numeric", type=int, default=16)
    parser.add_argument("--categorical", type=int, default=4)
    parser.add_argument("--reference", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    config = config_of(arguments.numeric, arguments.categorical, arguments.reference)
    logs = logs_of(config, arguments.events)
    one_run(config, logs)  # imports and caches
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    runs = [one_run(config, logs) for _ in range(arguments.runs)]
    print(f"{arguments.numeric} numeric and {arguments.categorical} categorical features, {arguments.runs} runs")
    for phase in PHASES:
        step, cut = (statistics.median(run[phase][side] for run in runs) for side in (0, 1))
        print(f"  {phase:12} longest step {step:6.1f} ms, longest cut {cut:6.1f} ms of CPU")


if __name__ == "__main__":
    main()
