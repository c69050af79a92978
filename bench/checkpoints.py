"""What checkpoints cost a worker: CPU with one each second beside none, and how long a cut holds the loop.

    python -m bench.checkpoints [--runs 5] [--only forest]

The same backlog with and without in turns, each turn in the other order; a linear model, and a forest, whose snapshots
are taken by a thread. What they cost is the median over the turns: on a busy machine two runs of one kind differ by
more than that.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys

from bench.end_to_end import run_worker
from bench.pipeline import LOGISTIC, backlog, fresh, ground, pipeline
from bench.results import machine
from streams.config_file import load

CASES = {
    "scaled logistic": (LOGISTIC, 60_000),
    "random forest of 10": ({"champion": {"model": "adaptive_random_forest"}}, 6_000),
}
NEVER = {"state": {"checkpoint_every": "1h"}, "publish_every": "1h"}
EACH_SECOND = {"state": {"checkpoint_every": "1s"}, "publish_every": "2s"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="the case with this word in its name")
    arguments = parser.parse_args()
    for name, (candidates, events) in CASES.items():
        if arguments.only not in name:
            continue
        with ground() as (folder, bootstrap):
            source = fresh("source")
            asyncio.run(backlog(load(pipeline(folder, bootstrap, source)), events))
            taken = {"never": [], "each second": []}
            for run in range(arguments.runs):
                turn = [*zip(taken, (NEVER, EACH_SECOND), strict=True)]
                for words, settings in turn if run % 2 else reversed(turn):
                    tables = {"state": settings["state"]}
                    tables["models"] = {"candidates": candidates, "publish_every": settings["publish_every"]}
                    path = pipeline(folder, bootstrap, fresh("run"), inputs=source, **tables)
                    taken[words].append(run_worker(path, events))
                    print(f"  {name}, {words}: {taken[words][-1]}", file=sys.stderr, flush=True)
            cpu = {words: [each["cpu_us"] for each in found] for words, found in taken.items()}
            costs = [often / never - 1 for never, often in zip(*cpu.values(), strict=True)]
            print(
                f"  {name:22} {statistics.median(cpu['each second']):8.1f} us CPU an event, without checkpoints "
                f"{statistics.median(cpu['never']):8.1f}: {statistics.median(costs):+.1%} in the median of "
                f"{arguments.runs} turns ({min(costs):+.1%} to {max(costs):+.1%}), load {machine()['load']}"
            )
            often = taken["each second"]
            print(
                f"  {'':22} cuts held the loop {max(each['cuts_share'] for each in often):.1%} of the time, at most "
                f"{max(each['cut_ms_max'] for each in often):.1f} ms; a shard's checkpoint has "
                f"{often[-1]['checkpoint_bytes']['shard-0']:,} bytes",
                flush=True,
            )


if __name__ == "__main__":
    main()
