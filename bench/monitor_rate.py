"""How many events a second one monitor keeps up with: a backlog of predictions and examples, nothing else running.

    python -m bench.monitor_rate [--widths 20 100] [--events 30000] [--runs 5]

The records are a worker's: numeric features that do not drift, one prediction and one example for each event, each
block of 400 predictions followed by its examples; scores of the model and both baselines in every window.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys

import aiokafka

from bench.pipeline import BLOCK, PARTITIONS, Stream, fresh, ground, names_of, pipeline
from bench.results import machine, note
from streams.config_file import load
from streams.kafka.partitioning import partition_of
from streams.messages import Output, Prediction, encode


def records(stream, number, offsets):
    """(partition, key, prediction, example) of one event; `offsets` counts the partitions' events."""
    key, event, label = stream.pair(number)
    partition = partition_of(key, PARTITIONS)
    source = offsets[partition]
    offsets[partition] += 1
    p = stream.source.random()
    said = Output(int(p > 0.5), {"0": 1 - p, "1": p})
    features, answer = json.loads(event)["features"], json.loads(label)["label"]
    others = {"no_change": Output(0, {"0": 1.0, "1": 0.0}), "prior": Output(1, {"0": 0.5, "1": 0.5})}
    event_ms = 1_700_000_000_000 + number
    record = encode(
        Prediction(str(number), features, *said_of(said), "champion", max(0, number - BLOCK), others, source, event_ms)
    )
    tail = b',"label":%d,"label_source":[%d,%d],"closed":%d,"label_ms":%d}'
    return partition, key, record, record[:-1] + tail % (answer, partition, source, source, event_ms + 500)


def said_of(output):
    return output.prediction, output.probabilities


async def backlog(config, events):
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, acks="all", max_batch_size=1 << 20, max_request_size=8 << 20
    )
    await producer.start()
    stream, offsets = Stream(names=tuple(config.features)), [0] * PARTITIONS
    for start in range(0, events, BLOCK):
        rows = [records(stream, number, offsets) for number in range(start, min(events, start + BLOCK))]
        for topic, place in ((config.topic("predictions"), 2), (config.topic("examples"), 3)):
            sent = [
                await producer.send(topic, row[place], key=row[1], partition=row[0] if place == 2 else 0)
                for row in rows
            ]
            await asyncio.gather(*sent)
    await producer.stop()


def run_monitor(path, records_total):
    command = [sys.executable, "-m", "bench.monitor_process", str(path), str(records_total)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def one_width(folder, bootstrap, width, events, runs):
    found = []
    for _ in range(runs):  # a monitor's history is its own: each run has records of its own
        path = pipeline(folder, bootstrap, fresh("monitor"), names=names_of(width), reports={"on_incident": False})
        asyncio.run(backlog(load(path), events))
        found.append(run_monitor(path, 2 * events))
        print(f"    {width} features: {found[-1]}", file=sys.stderr, flush=True)
    cpu = statistics.median(each["cpu_s"] for each in found) / events * 1e6
    wall = statistics.median(each["wall_s"] for each in found) / events * 1e6
    rss = max(each["rss_mb"] for each in found)
    print(
        f"  {width:4} features  {1e6 / wall:8,.0f} events/s, {cpu:7.1f} us CPU an event, windows each 200 events; "
        f"{rss:.0f} MB",
        flush=True,
    )
    return {"features": width, "events": events, "cpu_us": cpu, "wall_us": wall, "rss_mb": rss}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.monitor_rate", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with ground() as (folder, bootstrap):
        rows = [one_width(folder, bootstrap, width, arguments.events, arguments.runs) for width in arguments.widths]
    note("monitor_rate", {"machine": machine(), "runs": arguments.runs, "rows": rows})


if __name__ == "__main__":
    main()
