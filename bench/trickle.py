"""A worker with little to do: its share of a core when idle and at steady rates, and how soon it answers and learns.

    python -m bench.trickle [--rates 100 1000] [--seconds 20]

Each label is sent 100 ms behind its event. Both times are seen from outside, by a client of its own process, so two
trips through the broker and the client's own work are in them:

- event → prediction: from just before the event is handed to the producer until its prediction has been read.
- label → learnt: from just before the label is handed over until a prediction has been read that was made by a model
  which had learnt it. Between two events nothing can show it, so at 100 events/s it says up to 10 ms more than it is.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import aiokafka
import msgspec

from bench.pipeline import PARTITIONS, Stream, fresh, ground, pipeline
from bench.processes import Measured
from streams.config_file import load

IDLE_S, WARM_S, LABEL_LAG_S, TICK_S = 10.0, 3.0, 0.1, 0.001


class Versioned(msgspec.Struct):
    version: int


class Seen:
    """What a consumer of predictions and examples has read, and when."""

    def __init__(self, config):
        self.predictions, self.examples = config.topic("predictions"), config.topic("examples")
        self.predicted_at, self.offsets, self.learnt = {}, {}, []
        """By id: when its prediction was read; the offset of its example. (when, version) as the version rises."""
        self.decode = msgspec.json.Decoder(Versioned).decode

    def take(self, rows, now):
        for row in rows:
            if row.topic == self.examples:
                self.offsets[row.key] = row.offset
                continue
            self.predicted_at.setdefault(row.key, now)
            version = self.decode(row.value).version
            if not self.learnt or version > self.learnt[-1][1]:
                self.learnt.append((now, version))

    def learnt_at(self):
        """By id: when a prediction was read whose version is past its example."""
        found, rising = {}, iter(self.learnt)
        at, version = next(rising)
        for key, offset in sorted(self.offsets.items(), key=lambda each: each[1]):
            while version <= offset:
                step = next(rising, None)
                if step is None:
                    return found  # the last labels of the run: no event came after them
                at, version = step
            found[key] = at
        return found


async def send(producer, config, rate, seconds, sent, first=0):
    """Events at the rate, numbered from `first`, each label behind its event; notes when each was sent."""
    events_at, labels_at = sent
    stream, waiting = Stream(), []
    start, number, labelled, total = time.perf_counter(), 0, 0, int(rate * seconds)
    while labelled < total:
        now = time.perf_counter() - start
        while number < min(total, int(now * rate) + 1):
            key, event, label = stream.pair(first + number)
            waiting.append((key, label))
            events_at[key] = time.perf_counter()
            await producer.send(config.topic("features"), event, key=key)
            number += 1
        while labelled < min(number, (now - LABEL_LAG_S) * rate):
            key, label = waiting[labelled]
            labels_at[key] = time.perf_counter()
            await producer.send(config.topic("labels"), label, key=key)
            labelled += 1
        await asyncio.sleep(TICK_S)
    await producer.flush()


async def read(consumer, seen):
    while True:
        for rows in (await consumer.getmany(timeout_ms=1_000)).values():
            seen.take(rows, time.perf_counter())


async def measure(worker, config, rates, seconds):
    await worker.until("task_restored", PARTITIONS)
    await asyncio.sleep(WARM_S)
    before = worker.cpu_s()
    await asyncio.sleep(IDLE_S)
    print(f"  idle                {(worker.cpu_s() - before) / IDLE_S:6.1%} of one core", flush=True)
    bootstrap = config.kafka.bootstrap
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=5, auto_offset_reset="earliest")
    consumer.assign(
        [aiokafka.TopicPartition(config.topic("predictions"), part) for part in range(PARTITIONS)]
        + [aiokafka.TopicPartition(config.topic("examples"), 0)]
    )
    await producer.start()
    await consumer.start()
    seen = Seen(config)
    reading = asyncio.create_task(read(consumer, seen))
    for turn, rate in enumerate(rates, 1):
        await send(producer, config, rate, WARM_S, ({}, {}), first=(2 * turn + 1) * 10**9)  # warms both sides up
        await asyncio.sleep(1)
        events_at, labels_at = sent = {}, {}
        before, start = worker.cpu_s(), time.perf_counter()
        await send(producer, config, rate, seconds, sent, first=2 * turn * 10**9)
        share = (worker.cpu_s() - before) / (time.perf_counter() - start)
        await asyncio.sleep(2)
        missing = len(events_at.keys() - seen.predicted_at.keys())
        assert not missing, f"{missing} of {len(events_at)} events have no prediction"
        learnt_at = seen.learnt_at()
        assert sum(key in learnt_at for key in labels_at) > 0.9 * len(labels_at)
        print(f"  {rate:6,} events/s     {share:6.1%} of one core, {share / rate * 1e6:.0f} us CPU per event")
        tell("event → prediction", [seen.predicted_at[key] - at for key, at in events_at.items()])
        tell("label → learnt", [learnt_at[key] - at for key, at in labels_at.items() if key in learnt_at])
    reading.cancel()
    await consumer.stop()
    await producer.stop()


def tell(name, latencies_s):
    places = statistics.quantiles(latencies_s, n=1_000)
    p50, p99, p999 = (places[place] * 1e3 for place in (499, 989, 998))
    most = max(latencies_s) * 1e3
    print(
        f"    {name:20} p50 {p50:4.0f} ms, p99 {p99:4.0f} ms, p99.9 {p999:4.0f} ms, at most {most:.0f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.trickle", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with ground() as (folder, bootstrap):
        path = pipeline(folder, bootstrap, fresh("trickle"))
        with Measured("worker", path) as worker:
            asyncio.run(measure(worker, load(path), arguments.rates, arguments.seconds))


if __name__ == "__main__":
    main()
