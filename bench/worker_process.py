"""The worker as `millrace worker` runs it, which also measures itself; ends when it has learnt so many examples.

    python -m bench.worker_process CONFIG EXAMPLES [--profile FILE]

Prints one JSON line: wall and CPU time of the whole process (all threads) from the first chunk that came to the last
example learnt, the same from the first example learnt (when events without labels come first), its memory, and what
was counted.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import sys
import time
from pathlib import Path

import psutil

from streams.cli.logs import set_up_logs
from streams.config_file import load
from streams.kafka.process import prepare, run_until_stopped
from streams.kafka.worker import Worker

FORBIDDEN = ("evidently", "plotly")
STALLED_S = 600.0
PROBE_S = 0.01


def now():
    return time.perf_counter(), time.process_time(), time.thread_time()


class MeasuredWorker(Worker):
    """Notes when the first rows came."""

    first = None
    profile = None

    def _intake(self, chunk):
        if self.first is None and chunk.rows:
            self.first = now()
            if self.profile is not None:
                self.profile.enable()
        super()._intake(chunk)

    @property
    def learnt(self):
        return sum(shard.learner.ledger["learnt"] for shard in self.shards.values() if shard.ready)


async def measure(worker, examples, stop, profile):
    running = asyncio.ensure_future(worker.run(stop))
    deadline = time.monotonic() + STALLED_S
    gaps, lags, pauses, warm = [], [], [], None
    while (learnt := worker.learnt) < examples:
        if warm is None and learnt:
            warm = *now()[:2], learnt
        asked = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        gaps.append(time.perf_counter() - asked - PROBE_S)
        lags.append(max((shard.lag for shard in worker.shards.values() if shard.ready), default=0))
        pauses.append(max((owned.pause_s for owned in worker.owned), default=0))
        if running.done():
            running.result()
        assert time.monotonic() < deadline, f"learnt {worker.learnt} of {examples} in {STALLED_S} s"
    last = now()
    if profile is not None:
        profile.disable()
    wall, cpu, loop = (b - a for a, b in zip(worker.first, last, strict=True))
    memory = psutil.Process().memory_info().rss
    ledgers = [owned.task.ledger for owned in worker.tasks.values()]
    ledger = sum(ledgers, start=type(ledgers[0])())
    scores = next(iter(worker.shards.values())).learner.scores.report()
    joined = {}
    if warm is not None and examples > warm[2]:
        joined = {
            "joined_cpu_us": round((last[1] - warm[1]) / (examples - warm[2]) * 1e6, 2),
            "joined_wall_us": round((last[0] - warm[0]) / (examples - warm[2]) * 1e6, 2),
        }
    found = joined | {
        "events": examples,
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "loop_s": round(loop, 3),
        "cpu_us": round(cpu / examples * 1e6, 2),
        "events_per_s": round(examples / wall),
        "rss_mb": round(memory / 2**20, 1),
        "learn_lag_max": max(lags),
        "loop_gap_p99_ms": round(sorted(gaps)[int(len(gaps) * 0.99)] * 1e3, 1),
        "loop_gap_max_ms": round(max(gaps) * 1e3, 1),
        "cut_ms_max": round(max(pauses) * 1e3, 1),
        "cuts_share": round(sum(owned.pauses_s for owned in worker.owned) / wall, 4),
        "checkpoint_bytes": {owned.name: owned.durable.bytes_last for owned in worker.owned},
        "ledger": dict(ledger),
        "accuracy": {name: round(score["total"]["accuracy"], 4) for name, score in scores.items()},
        "gc": [each["collections"] for each in gc.get_stats()],
    }
    stop.set()
    await running
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("examples", type=int)
    parser.add_argument("--profile")
    arguments = parser.parse_args()
    set_up_logs(level="warning")
    ground = prepare(load(arguments.config))
    found = {}

    async def run(stop):
        worker = MeasuredWorker(ground.config, ground.connection, ground.identity, ground.store)
        if arguments.profile:
            worker.profile = cProfile.Profile(time.thread_time)
        found.update(await measure(worker, arguments.examples, stop, worker.profile))
        if arguments.profile:
            worker.profile.dump_stats(arguments.profile)

    run_until_stopped(run)
    loaded = sorted({module.split(".")[0] for module in sys.modules} & set(FORBIDDEN))
    assert not loaded, f"the worker has imported {', '.join(loaded)}"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
