"""The monitor as `millrace monitor` runs it, which also measures itself; ends when it has watched so many records.

    python -m bench.monitor_process CONFIG RECORDS

Prints one JSON line: wall and CPU time of the whole process from the first chunk that came to the last record watched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import psutil

from streams.cli.logs import set_up_logs
from streams.config_file import load
from streams.kafka.monitor import Monitor
from streams.kafka.process import prepare, run_until_stopped

STALLED_S, PROBE_S = 300.0, 0.01


class MeasuredMonitor(Monitor):
    """Notes when the first rows came."""

    first = None

    def _feed(self, chunk):
        if self.first is None and chunk.rows:
            self.first = time.perf_counter(), time.process_time()
        super()._feed(chunk)

    @property
    def watched(self):
        ready = self.watch is not None and self.watch.ready
        return sum(self.watch.watch.merge.positions().values()) if ready else 0


async def measure(monitor, records, stop):
    running = asyncio.ensure_future(monitor.run(stop))
    deadline = time.monotonic() + STALLED_S
    while monitor.watched < records:
        await asyncio.sleep(PROBE_S)
        if running.done():
            running.result()
        assert time.monotonic() < deadline, f"watched {monitor.watched} of {records} in {STALLED_S:g} s"
    wall, cpu = time.perf_counter() - monitor.first[0], time.process_time() - monitor.first[1]
    found = {
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "windows": monitor.watch.watch.windows_total,
        "rss_mb": round(psutil.Process().memory_info().rss / 2**20, 1),
    }
    stop.set()
    await running
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("records", type=int)
    arguments = parser.parse_args()
    set_up_logs(level="warning")
    ground = prepare(load(arguments.config))
    found = {}

    async def run(stop):
        monitor = MeasuredMonitor(ground.config, ground.connection, ground.identity, ground.store)
        found.update(await measure(monitor, arguments.records, stop))

    run_until_stopped(run)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
