"""What rate and memory do over time, with what waits for its label, with candidates, and with features.

    python -m bench.growth [--minutes 1 3] [--rate 1000] [--pending 1000 10000 100000] [--only time pending ...]

`--minutes 1 10 60 --pending 1000 10000 100000 1000000` is the whole of it, and takes an hour and a half.

time: one worker and one monitor under steady traffic, looked at after so many minutes.
pending: so many predictions wait for a label when events and labels begin to come: what those cost.
candidates, features: a backlog, with 1 to 8 scaled logistic regressions, and with 10 to 1,000 features.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import threading
import time

from bench.end_to_end import run_worker
from bench.pipeline import LOGISTIC, PARTITIONS, backlog, fresh, ground, names_of, pipeline
from bench.processes import Measured
from bench.results import machine, note
from bench.rivals.python import RIVALS_PYTHON, ROOT, missing
from bench.trickle import job_of
from streams.config_file import load

JOINED = 20_000
CANDIDATES, WIDTHS = (1, 2, 4, 8), (10, 30, 100, 300, 1_000)
LOOK_S = 20.0


def over_time(folder, bootstrap, arguments):
    """Resident memory and share of a core of both processes, in the last seconds before each mark."""
    if why := missing(["hand_written_msgspec"]):
        print(f"    not measured: {why['hand_written_msgspec']}")
        return []
    path = pipeline(folder, bootstrap, fresh("time"), reports={"on_incident": False})
    config = load(path)
    rows, started = [], time.monotonic()
    with Measured("worker", path) as worker, Measured("monitor", path) as monitor:
        asyncio.run(worker.until("task_restored", PARTITIONS))
        job = job_of(config, rates=[arguments.rate], seconds=max(arguments.minutes) * 60, watch=False)
        command = [str(RIVALS_PYTHON), "-m", "bench.traffic", json.dumps(job)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        reading = threading.Thread(target=client.stdout.read)  # or the pipe would fill
        reading.start()
        started = time.monotonic()
        for minutes in arguments.minutes:
            time.sleep(max(0.0, started + minutes * 60 - LOOK_S - time.monotonic()))
            before, at = [each.cpu_s() for each in (worker, monitor)], time.monotonic()
            time.sleep(min(LOOK_S, minutes * 60))
            share = [
                (each.cpu_s() - cpu) / (time.monotonic() - at)
                for each, cpu in zip((worker, monitor), before, strict=True)
            ]
            rows.append(
                {
                    "minutes": minutes,
                    "worker_mb": round(worker.rss_mb()),
                    "monitor_mb": round(monitor.rss_mb()),
                    "worker_share": round(share[0], 3),
                    "monitor_share": round(share[1], 3),
                }
            )
            print(
                f"    after {minutes:g} min at {arguments.rate:,}/s: worker {rows[-1]['worker_mb']} MB, "
                f"{share[0]:.1%} of a core; monitor {rows[-1]['monitor_mb']} MB, {share[1]:.1%}",
                flush=True,
            )
        client.kill()
        client.wait()
        reading.join()
    return rows


def with_pending(folder, bootstrap, arguments):
    """CPU and wall of an event that is joined, while so many others wait."""
    rows = []
    for pending in arguments.pending:
        path = pipeline(folder, bootstrap, fresh("pending"))
        asyncio.run(backlog(load(path), pending + JOINED, unlabelled=pending))
        found = run_worker(path, JOINED)
        rows.append({"pending": pending, "cpu_us": found["joined_cpu_us"], "rss_mb": found["rss_mb"]})
        rows[-1] |= {"wall_us": found["joined_wall_us"], "cut_ms_max": found["cut_ms_max"]}
        print(
            f"    {pending:9,} wait: {found['joined_cpu_us']:7.1f} us CPU a joined event, {found['rss_mb']:5.0f} MB, "
            f"cuts of at most {found['cut_ms_max']:.1f} ms",
            flush=True,
        )
    return rows


def with_candidates(folder, bootstrap, _):
    source, rows = fresh("source"), []
    asyncio.run(backlog(load(pipeline(folder, bootstrap, source)), JOINED))
    for count in CANDIDATES:
        candidates = LOGISTIC | {f"other{place}": LOGISTIC["champion"] for place in range(1, count)}
        found = run_worker(pipeline(folder, bootstrap, fresh("run"), candidates=candidates, inputs=source), JOINED)
        rows.append({"candidates": count, "cpu_us": found["cpu_us"], "rss_mb": found["rss_mb"]})
        print(f"    {count} candidates: {found['cpu_us']:7.1f} us CPU an event, {found['rss_mb']:.0f} MB", flush=True)
    return rows


def with_features(folder, bootstrap, _):
    rows = []
    for width in WIDTHS:
        events = max(2_000, min(JOINED, 1_000_000 // width))
        path = pipeline(folder, bootstrap, fresh("width"), names=names_of(width))
        asyncio.run(backlog(load(path), events))
        found = run_worker(path, events)
        rows.append({"features": width, "cpu_us": found["cpu_us"], "rss_mb": found["rss_mb"]})
        print(f"    {width:5,} features: {found['cpu_us']:8.1f} us CPU an event, {found['rss_mb']:.0f} MB", flush=True)
    return rows


PARTS = {"pending": with_pending, "candidates": with_candidates, "features": with_features, "time": over_time}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3])
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--pending", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    found = {}
    for name in arguments.only:
        print(f"  {name}", flush=True)
        with ground() as (folder, bootstrap):
            found[name] = PARTS[name](folder, bootstrap, arguments)
            note(f"growth_{name}", {"machine": machine(), "rate": arguments.rate, "rows": found[name]})


if __name__ == "__main__":
    main()
