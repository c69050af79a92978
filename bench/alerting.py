"""From the example that gives a change away to the alert that people read.

    python -m bench.alerting [--rate 1000] [--seconds 60] [--flip 8000]

A worker and a monitor under live traffic whose features move by two deviations every `--flip` events, and back. Each
alert names its cut: the next offset of every input partition. The newest record below it is the one that brought the
alert about, and both times are the broker's own (LogAppendTime): from that record's to the alert's.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

import msgspec

from bench.pipeline import PARTITIONS, fresh, ground, pipeline
from bench.processes import Measured
from bench.results import machine, note
from bench.trickle import traffic
from streams.config_file import load
from streams.kafka.reading import bounds, read_through, reader
from streams.messages import Alert

DRIFT = {"reference": {"rows": 2_000}}


async def appended_ms(consumer, place, next_offset):
    """When the broker took the record before this offset; None if there is none."""
    topic, _, partition = place.rpartition("/")
    if not next_offset:
        return None
    async for rows in read_through(consumer, topic, int(partition), next_offset - 1, next_offset):
        return rows[0].timestamp
    return None


async def delays_ms(config):
    """(phase, ms) of every alert."""
    found = []
    async with reader({"bootstrap_servers": config.kafka.bootstrap}) as consumer:
        begin, end = await bounds(consumer, config.topic("alerts"), 0)
        alerts = [row async for rows in read_through(consumer, config.topic("alerts"), 0, begin, end) for row in rows]
        for row in alerts:
            alert = msgspec.json.decode(row.value, type=Alert)
            times = [await appended_ms(consumer, place, offset) for place, offset in alert.cut.offsets.items()]
            found.append((alert.phase, row.timestamp - max(time for time in times if time is not None)))
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.alerting", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--flip", type=int, default=8_000, help="events between two changes")
    arguments = parser.parse_args()
    with ground() as (folder, bootstrap):
        path = pipeline(folder, bootstrap, fresh("alerting"), drift=DRIFT, reports={"on_incident": False})
        config = load(path)
        with Measured("worker", path) as worker, Measured("monitor", path) as monitor:
            asyncio.run(worker.until("task_restored", PARTITIONS))
            asyncio.run(monitor.until("monitor_restored", 1))
            load_of = traffic(
                config,
                monitor.cpu_s,
                rates=[arguments.rate],
                seconds=arguments.seconds,
                flip_every=arguments.flip,
            )
        found = asyncio.run(delays_ms(config))
    delays = sorted(delay for _, delay in found)
    share = load_of[str(arguments.rate)]["share"]
    if delays:
        print(
            f"  example → alert      p50 {statistics.median(delays):4.0f} ms, at most {delays[-1]:.0f} ms of "
            f"{len(delays)} alerts at {arguments.rate:,} events/s; monitor {share:.1%} of one core"
        )
    else:
        print("  no alert: nothing to measure")
    note("alerting", {"machine": machine(), "rate": arguments.rate, "delays_ms": found, "monitor_share": share})


if __name__ == "__main__":
    main()
