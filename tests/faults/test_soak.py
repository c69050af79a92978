"""Mixed faults for minutes, one survivor: bounded memory and files, no dead letter, every promise at the end.

Five minutes in the suite; `MILLRACE_SOAK_S=1800` for the night.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil
import pytest
from pipeline_process import PATIENCE_S
from pipeline_story import Story

from streams.kafka.broker_record import BrokerRecord
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

SOAK_S = float(os.environ.get("MILLRACE_SOAK_S") or 300)
GROWTH_MB_MAX = 40
"""Of the survivor from the first third to the end; it keeps ids for an hour and a window of scores."""
FILES_MAX = 12
"""More than in the first third: connections that are being replaced."""
SURVIVOR = "worker-survivor"


class Survivor:
    """What the process that nobody kills holds."""

    def __init__(self, told):
        self.told, self.lives = told, {}

    def look(self):
        """A supervisor may have started it again: that is another life."""
        pid = self.told.members[SURVIVOR].pid
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            self.lives.setdefault(pid, []).append((process.memory_info().rss / 2**20, process.num_fds()))

    def grew(self):
        """MB and files, from the largest of the first third to the largest of the last, of its longest life."""
        samples = max(self.lives.values(), key=len)
        third = len(samples) // 3
        (mb_then, files_then), (mb, files) = (
            (max(mb for mb, _ in part), max(files for _, files in part)) for part in (samples[:third], samples[-third:])
        )
        return mb - mb_then, files - files_then


def a_fault(told, kafka):
    """One of all, at random."""
    second = "worker-second"
    kind = told.chance.choice(["second", "second", "monitor", "freeze", "standby", "broker", "kill broker", "turn"])
    if kind == "second":
        if second not in told.members:
            told.start(second)
        else:
            told.chance.choice([told.kill, told.stop])(second)
    elif kind == "monitor":
        told.kill("monitor")
        told.start("monitor")
    elif kind == "freeze":
        name = told.chance.choice([SURVIVOR, "monitor"])
        told.freeze(name)
        told.wait(0.5, 6)
        told.wake(name)
    elif kind == "standby":
        told.start("monitor-standby")
        told.wait(3, 6)
        told.kill("monitor-standby")
    elif kind in {"broker", "kill broker"}:
        told.note(kind, fault=True)
        if kind == "broker":
            kafka.stop()
        else:
            os.kill(BrokerRecord.read(kafka.folder).java_pid, signal.SIGKILL)
        told.wait(0, 5)
        kafka.start()
    else:
        told.say(told.chance.choice(["shift", "turn"]))


def test_minutes_of_mixed_faults_leave_no_trace(pipeline_name, tmp_path):
    """Kills, zombies, joins, leaves, outages and drift in any order."""
    kafka = LocalBroker(LocalBrokerSettings(folder=tmp_path / "kafka", start_timeout_s=PATIENCE_S))
    try:
        with Story(tmp_path / "pipeline", kafka.start(), pipeline_name, rate=200, supervised=True) as told:
            told.begin(SURVIVOR, "monitor")
            survivor, end = Survivor(told), time.monotonic() + SOAK_S
            while time.monotonic() < end:
                a_fault(told, kafka)
                for _ in range(told.chance.randint(2, 8)):
                    time.sleep(1)
                    survivor.look()
                told.supervise()
            told.grows("examples")
            grew_mb, grew_files = survivor.grew()
            told.note(f"the survivor grew by {grew_mb:.0f} MB and {grew_files} files")
            told.audit()
            dead = told.end("dead-letters")
    finally:
        kafka.stop()
    assert grew_mb < GROWTH_MB_MAX
    assert grew_files < FILES_MAX
    assert dead == 0
