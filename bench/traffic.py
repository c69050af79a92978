"""The other side of a pipeline: sends events and labels at steady rates, reads what comes of them, notes when.

    PYTHON -m bench.traffic JOB, by an interpreter that has confluent-kafka (see bench/rivals); JOB is JSON

Both times are seen from outside, so two trips through the broker and this client's own work are in them:

- event → prediction: from just before the event is handed to the producer until its prediction has been read.
- label → learnt: from just before the label is handed over until a prediction has been read that was made by a model
  which had learnt it. Between two events nothing can show it, so at 100 events/s it says up to 10 ms more than it is.

It says `begin RATE` and `end RATE` as the measured stretch of a rate begins and ends, and one line of JSON at its end.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import deque

import msgspec
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

WARM_S, TICK_S, SETTLE_S = 3.0, 0.001, 2.0
AFTER_S = 1.0
"""Events go on for so long, or nothing would show that the last labels were learnt; they are not counted."""


class Job(msgspec.Struct, kw_only=True):
    bootstrap: str
    features: str
    labels: str
    predictions: str
    examples: str
    partitions: int
    names: list[str]
    rates: list[int]
    seconds: float
    watch: bool = True
    """False: only send, at the first rate, for hours if need be."""
    label_lag_s: float = 0.1
    flip_every: int = 0
    """Events after which the world turns over: the mean of all features moves by two deviations, and back again."""


class Versioned(msgspec.Struct):
    version: int


class World:
    """Events and their labels."""

    def __init__(self, job):
        self.job, self.source, self.encode = job, random.Random(1), msgspec.json.Encoder().encode

    def pair(self, number):
        gauss, flip = self.source.gauss, self.job.flip_every
        mean = 2.0 if flip and (number // flip) % 2 else 0.0
        features = {name: gauss(mean, 1) for name in self.job.names}
        label = int(features["f0"] + features["f1"] - 2 * mean + gauss(0, 1) > 0)
        key = str(number)
        event = self.encode({"id": key, "features": features})
        return key.encode(), event, self.encode({"id": key, "label": label})


class Seen:
    """What has been read of predictions and examples, and when."""

    def __init__(self, job):
        self.predicted_at, self.offsets, self.learnt = {}, {}, []
        """By id: when its prediction was read; the offset of its example. (when, version) as the version rises."""
        self.job, self.over = job, threading.Event()
        self.consumer = Consumer(
            {"bootstrap.servers": job.bootstrap, "group.id": "traffic", "enable.auto.commit": False}
        )
        places = [TopicPartition(job.predictions, partition, OFFSET_END) for partition in range(job.partitions)]
        self.consumer.assign([*places, TopicPartition(job.examples, 0, OFFSET_END)])
        self.thread = threading.Thread(target=self.read)

    def read(self):
        poll, decode, examples = self.consumer.poll, msgspec.json.Decoder(Versioned).decode, self.job.examples
        predicted_at, offsets, learnt, highest = self.predicted_at, self.offsets, self.learnt, -1
        while not self.over.is_set():
            message = poll(0.1)
            if message is None or message.error():
                continue
            now = time.perf_counter()
            if message.topic() == examples:
                offsets[message.key()] = message.offset()
                continue
            predicted_at.setdefault(message.key(), now)
            version = decode(message.value()).version
            if version > highest:
                highest = version
                learnt.append((now, version))

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


def send(producer, world, rate, seconds, first=0):
    """Events at the rate, numbered from `first`, each label behind its event; answers when each was sent."""
    job, events_at, labels_at = world.job, {}, {}
    rows = [world.pair(first + number) for number in range(int(rate * seconds))]
    start, number, labelled, total = time.perf_counter(), 0, 0, len(rows)
    while labelled < total:
        now = time.perf_counter() - start
        while number < min(total, int(now * rate) + 1):
            key, event, _ = rows[number]
            events_at[key] = time.perf_counter()
            producer.produce(job.features, event, key)
            number += 1
        while labelled < min(number, (now - job.label_lag_s) * rate):
            key, _, label = rows[labelled]
            labels_at[key] = time.perf_counter()
            producer.produce(job.labels, label, key)
            labelled += 1
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()
    return events_at, labels_at, time.perf_counter() - start


def send_only(producer, world, rate, seconds):
    """The same without a note of anything."""
    job, labels, number, start = world.job, deque(), 0, time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        while number < now * rate:
            key, event, label = world.pair(number)
            producer.produce(job.features, event, key)
            labels.append((now + job.label_lag_s, key, label))
            number += 1
        while labels and labels[0][0] <= now:
            _, key, label = labels.popleft()
            producer.produce(job.labels, label, key)
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()


def main():
    job = msgspec.json.decode(sys.argv[1], type=Job)
    producer = Producer(
        {"bootstrap.servers": job.bootstrap, "acks": "all", "linger.ms": 0, "partitioner": "murmur2_random"}
    )
    if not job.watch:
        send_only(producer, World(job), job.rates[0], job.seconds)
        return
    world, seen, found, first = World(job), Seen(job), {}, 0
    seen.thread.start()
    for rate in job.rates:
        warm = send(producer, world, rate, WARM_S, first)
        first += len(warm[0])
        time.sleep(1)
        print(f"begin {rate}", flush=True)
        events_at, labels_at, took = send(producer, world, rate, job.seconds + AFTER_S, first)
        print(f"end {rate}", flush=True)
        counted = {b"%d" % (first + number) for number in range(int(rate * job.seconds))}
        first += len(events_at)
        time.sleep(SETTLE_S)
        learnt_at = seen.learnt_at()
        found[rate] = {
            "sent": len(events_at),
            "took_s": took,
            "unpredicted": len(counted - seen.predicted_at.keys()),
            "unlearnt": len(counted - learnt_at.keys()),
            "event_to_prediction": [
                seen.predicted_at[key] - events_at[key] for key in counted & seen.predicted_at.keys()
            ],
            "label_to_learnt": [learnt_at[key] - labels_at[key] for key in counted & learnt_at.keys()],
        }
    seen.over.set()
    seen.thread.join()
    seen.consumer.close()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
