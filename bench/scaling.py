"""Two workers beside one on the same cores, and a restart beside what waits for labels and what has come meanwhile.

    python -m bench.scaling [--events 100000] [--runs 3] [--restarts 0:1000 0:100000 100000:1000] [--only workers]

workers: one global model (one partition of `examples`), four partitions of events, a backlog. One worker learns, the
other predicts with what is published. Examples a second by the broker's own times, from when the last worker has its
state; broker and workers share the machine's cores, so two workers cannot be twice as fast on two.

restarts, WAITING:COME: so many predictions wait for a label when the worker is stopped (SIGTERM, so that no session
timeout is in it), so many events and labels come until it is started again. Times from that start: until the process
joins the group, until it has its state, until the first new prediction, until the last example.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from bench.pipeline import PARTITIONS, backlog, fresh, ground, pipeline
from bench.recovery import Worker, now_ms
from bench.results import machine, note
from streams.config_file import load
from streams.kafka.reading import bounds, read_through, reader

GIVE_UP_S = 900.0


class Log:
    """A topic from outside: how long it is, and when a record was appended."""

    def __init__(self, config, role, partitions):
        self.connection, self.topic, self.partitions = (
            {"bootstrap_servers": config.kafka.bootstrap},
            config.topic(role),
            partitions,
        )

    async def _ends(self):
        async with reader(self.connection) as consumer:
            return [(await bounds(consumer, self.topic, partition))[1] for partition in range(self.partitions)]

    def ends(self):
        return asyncio.run(self._ends())

    async def _appended_ms(self, partition, offset):
        async with reader(self.connection) as consumer:
            async for rows in read_through(consumer, self.topic, partition, offset, offset + 1):
                return rows[0].timestamp
        return None

    def appended_ms(self, partition, offset):
        return asyncio.run(self._appended_ms(partition, offset))

    def until(self, total, workers):
        deadline = time.monotonic() + GIVE_UP_S
        while (length := sum(self.ends())) < total:
            for worker in workers:
                assert worker.popen.poll() is None, worker.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{self.topic} holds {length} of {total}"
            time.sleep(0.1)


def one_or_two(folder, bootstrap, source, count, events):
    """Examples a second of so many workers, and their CPU per example."""
    path = pipeline(folder, bootstrap, fresh("workers"), inputs=source)
    examples = Log(load(path), "examples", 1)
    workers = [Worker(path) for _ in range(count)]
    for worker in workers:
        worker.wait_for("task_restored", PARTITIONS // count)
    (first,) = examples.ends()
    at_ms, cpu = now_ms(), sum(worker.cpu_s() for worker in workers)
    examples.until(events, workers)
    cpu = sum(worker.cpu_s() for worker in workers) - cpu
    took_ms = examples.appended_ms(0, events - 1) - at_ms
    for worker in workers:
        worker.stop()
    return (events - first) / took_ms * 1e3, cpu / (events - first) * 1e6


def workers(folder, bootstrap, arguments):
    source = fresh("source")
    asyncio.run(backlog(load(pipeline(folder, bootstrap, source)), arguments.events))
    taken = {1: [], 2: []}
    for _ in range(arguments.runs):
        for count, found in taken.items():
            found.append(one_or_two(folder, bootstrap, source, count, arguments.events))
    rows = []
    for count, found in taken.items():
        rate, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        rows.append({"workers": count, "examples_per_s": round(rate), "cpu_us": round(cpu, 1)})
        print(f"    {count} workers: {rate:8,.0f} examples/s, {cpu:.1f} us CPU each, both together", flush=True)
    ratio = statistics.median(two[0] / one[0] for one, two in zip(taken[1], taken[2], strict=True))
    print(f"    two are {ratio:.2f} times as fast as one", flush=True)
    return {"rows": rows, "ratio": round(ratio, 2)}


def restarts(folder, bootstrap, arguments):
    rows = []
    for pair in arguments.restarts:
        waiting, come = (int(part) for part in pair.split(":"))
        path = pipeline(folder, bootstrap, fresh("restart"))
        config = load(path)
        predictions, examples = Log(config, "predictions", PARTITIONS), Log(config, "examples", 1)
        asyncio.run(backlog(config, waiting, unlabelled=waiting))
        worker = Worker(path)
        worker.wait_for("task_restored", PARTITIONS)
        predictions.until(waiting, [worker])
        worker.stop()
        before = predictions.ends()
        asyncio.run(backlog(config, come, first=waiting))
        began_ms = now_ms()
        worker = Worker(path)
        joining_ms = worker.wait_for("joining")[0][0]
        restored_ms = worker.wait_for("task_restored", PARTITIONS)[-1][0]
        examples.until(come, [worker])
        firsts = [predictions.appended_ms(part, end) for part, end in enumerate(before)]
        last_ms = examples.appended_ms(0, come - 1)
        memory = worker.rss_mb()
        worker.stop()
        spent = {
            "joins": (joining_ms - began_ms) / 1e3,
            "has its state": (restored_ms - began_ms) / 1e3,
            "predicts": (min(firsts) - began_ms) / 1e3,
            "has caught up": (last_ms - began_ms) / 1e3,
        }
        rows.append({"waiting": waiting, "come": come, "rss_mb": memory, **spent})
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
        print(f"    {waiting:9,} wait, {come:7,} have come: {times}; {memory:.0f} MB", flush=True)
    return {"rows": rows}


PARTS = {"workers": workers, "restarts": restarts}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--restarts", nargs="+", default=["0:1000", "0:100000", "100000:1000"], metavar="WAITING:COME")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    for name, part in PARTS.items():
        if arguments.only in {None, name}:
            print(f"  {name}", flush=True)
            with ground() as (folder, bootstrap):
                note(f"scaling_{name}", {"machine": machine(), **part(folder, bootstrap, arguments)})


if __name__ == "__main__":
    main()
