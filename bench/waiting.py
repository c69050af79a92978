"""A worker that starts beside millions of predictions that wait for a label, and then goes on as if there were few.

    python -m bench.waiting [--waiting 1000 1000000 10000000] [--from-log 1000000] [--come 20000]

The logs of a pipeline in which so many predictions wait, its checkpoints, and the copies on disk that these name are
written by this process, with the product's own classes: by traffic it would take hours. The features topic has the
offsets alone; nobody reads it again. Then a worker starts as after a kill: what was in memory is read from the log.
Then events come, and labels of predictions that have waited: as many rows go to disk as are taken from there. With
`--from-log` the copies are not written: how long it takes where a partition has moved to.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import time
from random import Random

import aiokafka
import msgspec

from bench.pipeline import FEATURES, PARTITIONS, Stream, fresh, ground, pipeline
from bench.recovery import MILLRACE, SETTLE_S, Worker, now_ms
from bench.results import machine, note
from bench.scaling import Log
from streams.config_file import load
from streams.kafka.durable import Durable, pinned_by
from streams.kafka.kept_pending import folder_of
from streams.kafka.owned_task import SECTIONS
from streams.kafka.process import prepare
from streams.messages import Output, Prediction, encode
from streams.stages.decoding import Decoding
from streams.stages.task import Task, TaskConfig
from streams.state.done import DoneIds
from streams.state.pending import Pending, PendingStore
from streams.state.pending_files import PendingFiles

GIVE_UP_S = 3_600.0
CUT_ROWS = 100_000
SAID = {name: Output(1, {"0": 0.25, "1": 0.75}) for name in ("no_change", "prior")}


def identity_of(partition, number):
    """36 characters, in no order."""
    return f"{partition:04d}-{number * 0x9E3779B97F4A7C15 % (1 << 64):031x}"


def values(partition, count, began):
    """(id, value) of predictions as a worker makes them."""
    source = Random(partition)
    drawn = [{name: source.gauss(0, 1) for name in FEATURES} for _ in range(997)]
    for number in range(count):
        identity, p = identity_of(partition, number), source.random()
        said = Prediction(
            identity, drawn[number % 997], 1, {"0": 1 - p, "1": p}, "champion", 0, SAID, number, began + number // 1_000
        )
        yield identity, encode(said)


class Batches:
    """Records to one partition, in the largest batches."""

    def __init__(self, producer, topic, partition):
        self.producer, self.place, self.batch, self.sent = producer, (topic, partition), producer.create_batch(), []

    async def add(self, key, value):
        while self.batch.append(key=key, value=value, timestamp=None) is None:
            await self.flush()

    async def flush(self):
        if self.batch.record_count():
            topic, partition = self.place
            self.sent.append(await self.producer.send_batch(self.batch, topic, partition=partition))
            self.batch = self.producer.create_batch()
        if len(self.sent) > 4:
            await self.sent.pop(0)

    async def done(self):
        await self.flush()
        await asyncio.gather(*self.sent)


async def fill(config, ground_, count, *, copies):
    """Logs, checkpoints and copies of `count` predictions that wait."""
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, acks="all", max_batch_size=900_000, linger_ms=0
    )
    await producer.start()
    labels, began = config.labels, int(now_ms())
    join = TaskConfig(
        wait_ms=labels.wait_ms,
        early_ms=labels.early_ms,
        grace_ms=labels.grace_ms,
        dedupe_horizon_ms=config.join.dedupe_horizon_ms,
        features_topic=config.topic("features"),
        labels_topic=config.topic("labels"),
    )
    for partition in range(PARTITIONS):
        rows = count // PARTITIONS
        files = PendingFiles(folder_of(config) / f"task-{partition}", kept=True) if copies else None
        store = PendingStore(config.join.memory_rows, files)
        places = [f"{join.features_topic}/{partition}", f"{join.labels_topic}/{partition}"]
        saved = {
            "next": {places[0]: rows, places[1]: 0},
            "high_ms": dict.fromkeys(places, began),
            "now_ms": began,
            "ledger": {"predicted": rows},
            "open": [0, rows],
        }
        task = Task(partition, join, Decoding(config), store, DoneIds(), saved)
        events, predictions = (Batches(producer, config.topic(role), partition) for role in ("features", "predictions"))
        for number, (identity, value) in enumerate(values(partition, rows, began)):
            key = b"%d" % number
            await events.add(None, b"x")
            await predictions.add(key, value)
            if copies:
                store.put(identity, Pending(key, value, began + number // 1_000, number, number))
                if number % CUT_ROWS == 0:
                    store.sources_saved()
                    for segment in store.grown()[1]:
                        segment.remove()
        await events.done()
        await predictions.done()
        state = task.dump(rows) if copies else saved | {"tail": 0, "waiting": {}}
        durable = Durable.adopt(ground_.store, f"task-{partition}", pinned_by(config, SECTIONS), ground_.identity)
        await durable.save(msgspec.msgpack.encode(state), saved["next"])
        store.close()
    await producer.stop()


async def traffic(config, waiting, come):
    """New events, and the labels of as many that have waited, those first that have done so longest."""
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, acks="all", max_batch_size=900_000, linger_ms=0
    )
    await producer.start()
    stream, ids = Stream(), []
    for partition in range(PARTITIONS):
        events, labels = (Batches(producer, config.topic(role), partition) for role in ("features", "labels"))
        known = waiting // PARTITIONS
        for number in range(come // PARTITIONS):
            key = b"new-%d-%d" % (partition, number)
            event = msgspec.json.decode(stream.pair(number)[1])
            await events.add(key, msgspec.json.encode(event | {"id": key.decode()}))
            old = number * 7_919 % known if known > come else number
            met = identity_of(partition, old) if old < known else f"new-{partition}-{old - known}"
            ids.append(met)
            await labels.add(key, encode({"id": met, "label": number & 1}))
            if number % 100 == 99:
                await events.flush()
                await labels.flush()
        await events.done()
        await labels.done()
    await producer.stop()
    assert len(set(ids)) == len(ids)


class Telling(Worker):
    """`millrace worker`, which says how long each cut took."""

    def __init__(self, path):
        self.log = path.parent / f"worker-{time.monotonic_ns()}.log"
        command = [MILLRACE, "worker", "--config", str(path), "--log-json", "--log-level", "debug"]
        with self.log.open("ab") as sink:
            self.popen = subprocess.Popen(command, cwd=path.parent, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)


def restart(worker, began_ms):
    """Seconds from the start of a worker to its state, and what it says of it."""
    deadline = time.monotonic() + GIVE_UP_S
    while len(found := worker.lines("task_restored")) < PARTITIONS:
        assert worker.popen.poll() is None, worker.log.read_text()[-2000:]
        assert time.monotonic() < deadline, worker.log.read_text()[-2000:]
        time.sleep(0.1)
    joining_ms = worker.lines("joining")[0][0]
    time.sleep(SETTLE_S)  # its first checkpoint
    return {
        "start_s": round((joining_ms - began_ms) / 1e3, 1),
        "state_s": round((found[-1][0] - began_ms) / 1e3, 1),
        "cpu_s": round(worker.cpu_s(), 1),
        "from_disk": sum(fields["from_disk"] for _, fields in found),
        "rss_mb": round(worker.rss_mb()),
    }


def steady(config, worker, waiting, come):
    """CPU of an event whose label is that of a prediction that has waited, once all have their state."""
    at_ms, before = now_ms(), worker.cpu_s()
    asyncio.run(traffic(config, waiting, come))
    Log(config, "examples", 1).until(come, [worker])
    pauses = [fields["pause_ms"] for _, fields in worker.lines("cut", at_ms) if fields["name"].startswith("task")]
    return {
        "cpu_us": round((worker.cpu_s() - before) / come * 1e6, 1),
        "rss_after_mb": round(worker.rss_mb()),
        "cut_ms_max": max(pauses),
        "checkpoint_bytes": max(path.stat().st_size for path in folder_of(config).parents[1].rglob("task-*/*.ckpt")),
    }


def disk_mb(config):
    return sum(path.stat().st_size for path in folder_of(config).rglob("*") if path.is_file()) / 2**20


def measure(folder, bootstrap, waiting, come, *, copies):
    path = pipeline(folder, bootstrap, fresh("waiting"), labels={"wait": "7d"})
    config = load(path)
    asyncio.run(fill(config, prepare(config), waiting, copies=copies))
    found = {"waiting": waiting, "copies": copies, "disk_mb": round(disk_mb(config))}
    began_ms = now_ms()
    worker = Telling(path)
    found |= restart(worker, began_ms)
    print(
        f"    {waiting:10,} wait: joins after {found['start_s']} s, has its state after {found['state_s']} s "
        f"({found['cpu_s']} s CPU; {found['from_disk']:,} from disk), {found['rss_mb']} MB; "
        f"copies of {found['disk_mb']:,} MB",
        flush=True,
    )
    if copies:
        found |= steady(config, worker, waiting, come)
        print(
            f"    {'':10}       then {found['cpu_us']:.1f} us CPU an event, {found['rss_after_mb']} MB, cuts of "
            f"at most {found['cut_ms_max']:.1f} ms, checkpoints of {found['checkpoint_bytes']:,} bytes",
            flush=True,
        )
    worker.stop()
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="*", default=[1_000, 1_000_000])
    parser.add_argument("--from-log", type=int, nargs="*", default=[])
    parser.add_argument("--come", type=int, default=20_000)
    arguments = parser.parse_args()
    rows = []
    for copies, counts in ((True, arguments.waiting), (False, arguments.from_log)):
        for waiting in counts:
            with ground() as (folder, bootstrap):
                rows.append(measure(folder, bootstrap, waiting, arguments.come, copies=copies))
                note("waiting", {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
