"""Features in, prediction out, label joined, example, learnt: events per second and CPU per event of one worker.

    python -m bench.end_to_end [--events 100000] [--runs 3]

The worker runs alone, 4 partitions, on a backlog in which each block of 400 events is followed by its labels.
Scores of champion, challengers and both baselines are kept, checkpoints written. CPU is of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys

from bench.pipeline import LOGISTIC, WITH_TREE, backlog, fresh, ground, pipeline
from bench.unit import bare_river
from streams.config_file import load

CASES = {"scaled logistic": LOGISTIC, "with a Hoeffding tree": WITH_TREE}


def run_worker(path, events, profile=None):
    """One worker on the whole backlog, in a process of its own."""
    command = [sys.executable, "-m", "bench.worker_process", str(path), str(events)]
    command += ["--profile", profile] if profile else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["ledger"]["joined"] == events, found
    return found


def tell(name, found, unit_us):
    def median(key):
        return statistics.median(each[key] for each in found)

    cpu = median("cpu_us")
    spread = f"{min(each['cpu_us'] for each in found):.1f}-{max(each['cpu_us'] for each in found):.1f}"
    print(
        f"  {name:24}{1e6 / cpu:10,.0f} events/s of one core {cpu:8.1f} us CPU ({spread}), "
        f"{cpu / unit_us:.1f} x bare River"
    )
    print(
        f"  {'':24}{median('events_per_s'):10,.0f} events/s of wall time; model behind by at most "
        f"{max(each['learn_lag_max'] for each in found):,} examples; loop held {median('loop_gap_p99_ms')} ms (p99), "
        f"{max(each['rss_mb'] for each in found):.0f} MB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--profile", metavar="FILE", help="one run under cProfile, on the loop's thread")
    arguments = parser.parse_args()
    cases = {name: each for name, each in CASES.items() if arguments.case in (None, name)}
    with ground() as (folder, bootstrap):
        source = fresh("source")
        config = load(pipeline(folder, bootstrap, source))
        asyncio.run(backlog(config, arguments.events))
        units, taken = [], {name: [] for name in cases}
        for run in range(arguments.runs):
            units.append(bare_river())
            for name, candidates in cases.items():
                path = pipeline(folder, bootstrap, fresh("run"), candidates=candidates, inputs=source)
                taken[name].append(run_worker(path, arguments.events, arguments.profile))
                print(f"  run {run + 1}: {name}: {json.dumps(taken[name][-1])}", file=sys.stderr, flush=True)
        unit_us = statistics.median(units)
        print(
            f"{arguments.events:,} events and labels, {arguments.runs} runs, medians; bare River {unit_us:.1f} us CPU"
        )
        for name, found in taken.items():
            tell(name, found, unit_us)


if __name__ == "__main__":
    main()
