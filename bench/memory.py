"""What memory grows with: ids that met their label, predictions that wait for it, and the processes as a whole.

    python -m bench.memory [--events 100000] [--only fills|processes]

Fills put rows into one store, each in a process of its own, and say what that process grew by. Then a worker, and after
it a monitor on what the worker has written, go through the same backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import subprocess
import sys
import tempfile
import time
import uuid
from random import Random

import msgspec
import psutil

from bench.pipeline import FEATURES, PARTITIONS, backlog, fresh, ground, pipeline
from bench.processes import Measured, until_read
from streams.config_file import load
from streams.messages import Output, Prediction, encode
from streams.state.done import DoneIds
from streams.state.pending import Pending, PendingStore

CUT_ROWS, MEMORY_ROWS = 1_000, 200_000
FILLS = {
    "done": ("ids that met their label", (1_000, 10_000, 100_000, 1_000_000, 3_600_000)),
    "pending": ("predictions that wait, in memory", (1_000, 10_000, 100_000, 1_000_000)),
    "pending_file": ("predictions that wait, 200,000 of them in memory", (1_000_000,)),
}
CLOCK = time.thread_time  # others share this machine's cores


def identities(seed=1):
    """UUIDs as text, the same in every run: the longest ids that are common."""
    source = Random(seed)
    while True:
        yield str(uuid.UUID(int=source.getrandbits(128)))


def fill_done(rows, _):
    """Cuts as often as a worker at 1,000 events/s makes them; one may hold the loop for 10 ms."""
    done, ids, cuts, disk = DoneIds(), identities(), [], {}
    for number in range(rows):
        done.add(next(ids), number & 1, number)
        if number % CUT_ROWS == CUT_ROWS - 1:
            start = CLOCK()
            data = done.cut()
            cuts.append(CLOCK() - start)
            path = str(number)
            disk[path] = len(data)
            done.stored(path, "")
            del data
    kept = sum(disk[bucket.path] for bucket in done.buckets())
    more = (
        f"a cut takes {max(cuts) * 1e3:.1f} ms at most; {kept / rows:.0f} bytes an id in {len(done.buckets())} buckets"
    )
    return done, more


def fill_pending(rows, folder):
    source, ids = Random(2), identities()
    store = PendingStore(MEMORY_ROWS, folder)
    said = {name: Output(1, {"0": 0.25, "1": 0.75}) for name in ("no_change", "prior")}
    slowest = 0.0
    for number in range(rows):
        identity = next(ids)
        features = {name: source.gauss(0, 1) for name in FEATURES}
        probability = source.random()
        probabilities = {"0": 1 - probability, "1": probability}
        value = encode(
            Prediction(
                identity, features, 1, probabilities, "champion", number, said, number, 1_700_000_000_000 + number
            )
        )
        start = CLOCK()
        store.put(identity, Pending(identity.encode(), value, 1_700_000_000_000 + number, number, number))
        slowest = max(slowest, CLOCK() - start)
    start = CLOCK()
    spoken = len(msgspec.msgpack.encode(store.sources().to_list()))
    took = CLOCK() - start
    return store, (
        f"a record is {len(value)} bytes; a put takes {slowest * 1e3:.1f} ms at most, "
        f"a cut's list of them {took * 1e3:.1f} ms ({spoken:,} bytes)"
    )


def fill(kind, rows):
    """In this process: one line about a store of so many rows."""
    filling = {"done": fill_done, "pending": fill_pending, "pending_file": fill_pending}[kind]
    ready, _ = filling(CUT_ROWS, None)  # what is imported and made once; kept, or its memory would be used again
    gc.collect()
    gc.freeze()  # as the worker does; a collection of what was imported is no part of a cut
    process = psutil.Process()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        before = process.memory_info().rss
        store, more = filling(rows, folder if kind == "pending_file" else None)
        gc.collect()
        grown = process.memory_info().rss - before
        print(f"    {rows:9,}  {grown / 2**20:7.1f} MB, {grown / rows:6.0f} bytes each; {more}")
        del store, ready


def fills():
    for kind, (about, counts) in FILLS.items():
        print(f"  {about}")
        for rows in counts:
            subprocess.run([sys.executable, "-m", "bench.memory", "--fill", kind, str(rows)], check=True)


def processes(events):
    with ground() as (folder, bootstrap):
        path = pipeline(folder, bootstrap, fresh("memory"), reports={"on_incident": False})
        config = load(path)
        with Measured("worker", path) as worker:
            asyncio.run(worker.until("task_restored", PARTITIONS))
            empty = worker.rss_mb()
            asyncio.run(backlog(config, events))
            highest = until_read(config, "worker", {config.topic("examples"): events}, worker)
            print(
                f"  worker   {worker.rss_mb():4.0f} MB after {events:,} events, "
                f"at most {highest:.0f}, {empty:.0f} before the first"
            )
        with Measured("monitor", path) as monitor:
            start = monitor.cpu_s()
            wanted = {config.topic("predictions"): events, config.topic("examples"): events}
            highest = until_read(config, "monitor", wanted, monitor)
            cost = (monitor.cpu_s() - start) / events * 1e6
            print(
                f"  monitor  {monitor.rss_mb():4.0f} MB after their predictions and examples, at most {highest:.0f}; "
                f"{cost:.0f} us CPU per event, its start included"
            )


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--only", choices=("fills", "processes"))
    parser.add_argument("--fill", nargs=2, metavar=("KIND", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill:
        fill(arguments.fill[0], int(arguments.fill[1]))
        return
    sys.stdout.reconfigure(line_buffering=True)
    if arguments.only != "processes":
        fills()
    if arguments.only != "fills":
        processes(arguments.events)


if __name__ == "__main__":
    main()
