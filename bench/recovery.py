"""From SIGKILL of a worker to the first new prediction on its partitions, and what the time goes to.

    python -m bench.recovery [--kills 12] [--rate 500] [--session 6s]

Two cases: another worker of the group takes over, and the only worker is started again at once by its supervisor.
Times are those of the processes' own log lines and of the broker (LogAppendTime), all on one clock.

takeover: detection (until the group revokes), rebalance (until partitions are assigned), load (until the tasks have
their checkpoints and open predictions), replay (until the first prediction that was not in the log).
restart: start (until the process joins the group), rebalance (the dead member must be found out first), load, replay.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.pipeline import PARTITIONS, Stream, fresh, ground, pipeline

MILLRACE = str(Path(sys.executable).with_name("millrace"))
IN_FLIGHT_MS = 100
"""What a killed process had handed to the kernel may still be appended for so long."""
SETTLE_S = 4.0
GIVE_UP_S = 60.0
PARTS = {
    "takeover": ("detection", "rebalance", "load", "replay"),
    "restart": ("start", "rebalance", "load", "replay"),
}


def now_ms():
    return time.time_ns() / 1e6


class Worker:
    """`millrace worker` and its log."""

    def __init__(self, path):
        self.log = path.parent / f"worker-{time.monotonic_ns()}.log"
        command = [MILLRACE, "worker", "--config", str(path), "--log-json"]
        with self.log.open("ab") as sink:
            self.popen = subprocess.Popen(command, cwd=path.parent, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

    def lines(self, event, after_ms=0.0):
        """(ms, fields) of its log lines of this name, oldest first."""
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and (fields := json.loads(line))["event"] == event:
                at_ms = dt.datetime.fromisoformat(fields["timestamp"]).timestamp() * 1000
                if at_ms > after_ms:
                    found.append((at_ms, fields))
        return found

    def wait_for(self, event, count=1, after_ms=0.0):
        deadline = time.monotonic() + GIVE_UP_S
        while len(found := self.lines(event, after_ms)) < count:
            assert self.popen.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{event}: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)
        return found

    def cpu_s(self):
        return sum(psutil.Process(self.popen.pid).cpu_times()[:2])

    def rss_mb(self):
        return psutil.Process(self.popen.pid).memory_info().rss / 2**20

    def stop(self):
        self.popen.terminate()
        self.popen.wait(60)

    def kill(self):
        self.popen.kill()
        at_ms = now_ms()
        self.popen.wait()
        return at_ms


@contextlib.contextmanager
def traffic(bootstrap, name, rate):
    """Pairs at this rate until the end of the block."""
    done, stream = threading.Event(), Stream()
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=2)

    def send():
        began, sent = time.monotonic(), 0
        while not done.is_set():
            while sent < (time.monotonic() - began) * rate:
                key, event, label = stream.pair(sent)
                producer.send(f"{name}.features", key=key, value=event)
                producer.send(f"{name}.labels", key=key, value=label)
                sent += 1
            time.sleep(0.002)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        producer.close(timeout=5)


def first_prediction_ms(bootstrap, name, partitions, after_ms):
    """When the broker took the first prediction on one of these partitions that the dead one cannot have sent."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    places = [TopicPartition(f"{name}.predictions", partition) for partition in partitions]
    consumer.assign(places)
    try:
        deadline = time.monotonic() + GIVE_UP_S
        since = int(after_ms + IN_FLIGHT_MS)
        while time.monotonic() < deadline:
            found = consumer.offsets_for_times(dict.fromkeys(places, since))
            times = [each.timestamp for each in found.values() if each is not None]
            if times:
                return min(times)
            time.sleep(0.02)
    finally:
        consumer.close()
    raise AssertionError(f"no prediction within {GIVE_UP_S:g} s")


def takeover(path, bootstrap, name, kills):
    """Two workers; the one that is killed is started again for the next time."""
    first, second = Worker(path), Worker(path)
    for worker in (first, second):
        worker.wait_for("task_restored")
    for _ in range(kills):
        time.sleep(SETTLE_S)
        lost = first.lines("partitions_assigned")[-1][1]["partitions"]
        killed_ms = first.kill()
        assigned_ms = second.wait_for("partitions_assigned", after_ms=killed_ms)[0][0]
        revoked_ms = second.wait_for("partitions_revoked", after_ms=killed_ms)[0][0]
        loaded_ms = second.wait_for("task_restored", len(lost), after_ms=assigned_ms)[len(lost) - 1][0]
        predicted_ms = first_prediction_ms(bootstrap, name, lost, killed_ms)
        yield killed_ms, revoked_ms, assigned_ms, loaded_ms, predicted_ms
        first, second = second, Worker(path)
        second.wait_for("task_restored")
    for worker in (first, second):
        worker.kill()


def restart(path, bootstrap, name, kills):
    """One worker, started again at once."""
    worker = Worker(path)
    worker.wait_for("task_restored", PARTITIONS)
    for _ in range(kills):
        time.sleep(SETTLE_S)
        killed_ms = worker.kill()
        worker = Worker(path)
        joining_ms = worker.wait_for("joining")[0][0]
        assigned_ms = worker.wait_for("partitions_assigned")[0][0]
        loaded_ms = worker.wait_for("task_restored", PARTITIONS)[-1][0]
        predicted_ms = first_prediction_ms(bootstrap, name, range(PARTITIONS), killed_ms)
        yield killed_ms, joining_ms, assigned_ms, loaded_ms, predicted_ms
    worker.kill()


def p95(values):
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]


def tell(case, found):
    totals = [(times[-1] - times[0]) / 1000 for times in found]
    print(
        f"  {case:10} SIGKILL to first new prediction: {statistics.median(totals):5.2f} s median, "
        f"{p95(totals):5.2f} s p95, {max(totals):5.2f} s max of {len(totals)}"
    )
    for at, part in enumerate(PARTS[case]):
        spent = [max(0.0, times[at + 1] - times[at]) / 1000 for times in found]
        print(f"  {'':10}   {part:10} {statistics.median(spent):5.2f} s median, {p95(spent):5.2f} s p95", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--session", default="6s", help="kafka.session_timeout")
    arguments = parser.parse_args()
    with ground() as (folder, bootstrap):
        print(f"{arguments.kills} kills each, {arguments.rate} events/s, session {arguments.session}", flush=True)
        for case in (takeover, restart):
            name = fresh(case.__name__)
            kafka = {"bootstrap": bootstrap, "session_timeout": arguments.session}
            path = pipeline(folder, bootstrap, name, kafka=kafka)
            with traffic(bootstrap, name, arguments.rate):
                tell(case.__name__, list(case(path, bootstrap, name, arguments.kills)))


if __name__ == "__main__":
    main()
