"""A worker with little to do: its share of a core when idle and at steady rates, and how soon it answers and learns.

    python -m bench.trickle [--rates 100 1000 5000] [--seconds 20] [--width 8] [--only millrace]

Each label is sent 100 ms behind its event; what the two times are is said in bench/traffic.py, which sends and reads.
The hand-written loop goes through the same: its times are what broker, client and machine leave.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time

import psutil

from bench.pipeline import PARTITIONS, fresh, ground, names_of, pipeline
from bench.processes import Measured
from bench.results import machine, note
from bench.rivals.python import RIVALS_PYTHON, ROOT, missing
from streams.config_file import load

WHO = ("millrace", "by hand")
IDLE_S, WARM_S = 10.0, 3.0
TIMES = {"event_to_prediction": "event → prediction", "label_to_learnt": "label → learnt"}


def job_of(config, **more):
    """What traffic and rivals are told of a pipeline."""
    topics = {role: config.topic(role) for role in ("features", "labels", "predictions", "examples")}
    names = list(config.features)
    return {"bootstrap": config.kafka.bootstrap, "partitions": PARTITIONS, "names": names, **topics, **more}


def traffic(config, cpu_s, **more):
    """Runs the traffic; answers rate → what it found, with the share of a core that was used meanwhile."""
    command = [str(RIVALS_PYTHON), "-m", "bench.traffic", json.dumps(job_of(config, **more))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as client:
        shares, at = {}, (0.0, 0.0)
        for line in client.stdout:
            word, _, rate = line.partition(" ")
            if word == "begin":
                at = time.perf_counter(), cpu_s()
            elif word == "end":
                shares[rate.strip()] = (cpu_s() - at[1]) / (time.perf_counter() - at[0])
            else:
                found = json.loads(line)
    assert client.returncode == 0, "the traffic failed"
    return {rate: {**each, "share": shares[rate]} for rate, each in found.items()}


@contextlib.contextmanager
def by_hand(config):
    """The hand-written loop for ever, and its CPU time so far."""
    job = job_of(config, events=10**12, model="logistic_regression", group=config.name)
    rival = subprocess.Popen([str(RIVALS_PYTHON), "-m", "bench.rivals.hand_written_msgspec", json.dumps(job)], cwd=ROOT)
    try:
        yield lambda: sum(psutil.Process(rival.pid).cpu_times()[:2])
    finally:
        rival.kill()
        rival.wait()


@contextlib.contextmanager
def ours(path):
    with Measured("worker", path) as worker:
        asyncio.run(worker.until("task_restored", PARTITIONS))
        yield worker.cpu_s


def measure(config, cpu_s, rates, seconds):
    time.sleep(WARM_S)
    before = cpu_s()
    time.sleep(IDLE_S)
    rows = {"idle": {"share": (cpu_s() - before) / IDLE_S}}
    print(f"    idle                {rows['idle']['share']:6.1%} of one core", flush=True)
    for rate, found in traffic(config, cpu_s, rates=rates, seconds=seconds).items():
        assert not found["unpredicted"], f"{found['unpredicted']} of {found['sent']} events have no prediction"
        if found["unlearnt"]:
            print(f"    {found['unlearnt']:,} labels were not seen to be learnt")
        sent = found["sent"] / found["took_s"]
        rows[rate] = {"share": found["share"], "sent_per_s": round(sent)}
        print(
            f"    {sent:6,.0f} events/s     {found['share']:6.1%} of one core, "
            f"{found['share'] / sent * 1e6:.0f} us CPU per event"
        )
        for key, name in TIMES.items():
            rows[rate][key] = spread(found[key])
            p50, p99, p999, most = rows[rate][key].values()
            print(
                f"      {name:20} p50 {p50:4.0f} ms, p99 {p99:4.0f} ms, p99.9 {p999:4.0f} ms, at most {most:.0f}",
                flush=True,
            )
    return rows


def spread(latencies_s):
    places = statistics.quantiles(latencies_s, n=1_000)
    found = {name: places[place] * 1e3 for name, place in (("p50", 499), ("p99", 989), ("p999", 998))}
    return {name: round(each, 1) for name, each in (found | {"max": max(latencies_s) * 1e3}).items()}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.trickle", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000, 5_000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--width", type=int, default=8, help="features")
    parser.add_argument("--only", choices=WHO, help="the worker, or the hand-written loop")
    arguments = parser.parse_args()
    if why := missing(["hand_written_msgspec"]):
        sys.exit(f"  not measured: {why['hand_written_msgspec']}")
    found = {}
    with ground() as (folder, bootstrap):
        for name in [name for name in WHO if arguments.only in {None, name}]:
            path = pipeline(folder, bootstrap, fresh("trickle"), names=names_of(arguments.width))
            print(f"  {name}", flush=True)
            config = load(path)
            with ours(path) if name == "millrace" else by_hand(config) as cpu_s:
                found[name] = measure(config, cpu_s, arguments.rates, arguments.seconds)
    note("trickle", {"machine": machine(), "seconds": arguments.seconds, "found": found})


if __name__ == "__main__":
    main()
