"""`millrace` processes under measurement, as users start them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import psutil

from streams.kafka.admin import Admin

MILLRACE = [sys.executable, "-c", "from streams.cli.main import main; main()"]


class Measured:
    """A worker or monitor; a context manager that ends it."""

    def __init__(self, role, path):
        self.log = path.with_name(f"{role}.log")
        with self.log.open("wb") as sink:
            command = [*MILLRACE, role, "--config", str(path), "--log-json"]
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=path.parent)
        self.process = psutil.Process(self.popen.pid)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.popen.terminate()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def cpu_s(self):
        times = self.process.cpu_times()
        return times.user + times.system

    def rss_mb(self):
        return self.process.memory_info().rss / 2**20

    def said(self, name):
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return sum(json.loads(line).get("event") == name for line in lines if line.startswith("{"))

    async def until(self, name, count, timeout_s=60.0):
        """Its log has said `name` so many times."""
        deadline = time.monotonic() + timeout_s
        while self.said(name) < count:
            assert self.popen.poll() is None, self.log.read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < deadline, f"{name} not said in {timeout_s} s"
            await asyncio.sleep(0.1)


def until_read(config, role, expected, process, timeout_s=600.0):
    """Until the group's progress display has reached `expected` records of each topic; answers the highest memory."""
    deadline, highest = time.monotonic() + timeout_s, 0.0
    with Admin(config) as admin:
        while True:
            done = admin.committed_offsets(f"{config.name}.{role}")
            sums = {topic: sum(at for (name, _), at in done.items() if name == topic) for topic in expected}
            highest = max(highest, process.rss_mb())
            if all(sums[topic] >= count for topic, count in expected.items()):
                return highest
            assert time.monotonic() < deadline, f"{role}: {sums} of {expected} in {timeout_s} s"
            time.sleep(0.2)
