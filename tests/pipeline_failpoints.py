"""The `millrace` command with one fault inside, for tests: the product has no switch for it, and pays nothing for it.

    python pipeline_failpoints.py '{"at": "folder.after_tmp", "of": "checkpoints/task-0", "nth": 3}' worker --config …

A point is a place in the product's code that is wrapped here, before the command runs. `of` is what the detail of a
pass must begin with, `nth` which pass counts. Without `error` the process kills itself there; with it (an errno's name)
that pass and each later one raise it, as long as the file `during` exists; with `STALL` they wait until it is gone, and
`<during>.reached` says that one does. Instead of a point, `at` may name one of `pipeline_ablations`.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from pipeline_ablations import ABLATIONS

STALL = "STALL"


class Fault(NamedTuple):
    """What happens where."""

    at: str
    of: str = ""
    nth: int = 1
    error: str = ""
    during: str = ""

    @property
    def words(self):
        """For a schedule."""
        if self.at in ABLATIONS:
            return f"run without {self.at.partition('.')[2]}"
        what = f"{self.error} while {Path(self.during).name} exists" if self.error else "killed"
        return f"{what} at {self.at} {self.of} #{self.nth}"


class Hit:
    """Called at each pass of a point."""

    def __init__(self, fault):
        self.fault, self.passes, self.lock = fault, 0, threading.Lock()

    def __call__(self, point, detail=""):
        fault = self.fault
        if point != fault.at or not detail.startswith(fault.of):
            return
        with self.lock:
            self.passes += 1
            reached = self.passes >= fault.nth
        if reached and not fault.error:
            os.kill(os.getpid(), signal.SIGKILL)
        elif reached and fault.error == STALL:
            Path(f"{fault.during}.reached").touch()
            while Path(fault.during).exists():
                time.sleep(0.01)
        elif reached and Path(fault.during).exists():
            number = getattr(errno, fault.error)
            raise OSError(number, os.strerror(number))


def steps_of_writing(hit):
    """`folder.<step>`, the detail being the file's path below the store."""
    from streams.state.folder import Folder  # noqa: PLC0415 - after the arguments are known to be good

    create, writing = Folder.create, threading.local()

    def watched(self, path, data):
        writing.path = path
        create(self, path, data)

    Folder.create = watched
    Folder.__init__.__defaults__ = (lambda step: hit(f"folder.{step}", writing.path),)


def steps_of_telling(hit):
    """`outbox.durable` (nothing is sent), `outbox.first` (one is), `outbox.all` (nothing is trimmed); the topics."""
    from streams.kafka.sending import Outflow  # noqa: PLC0415
    from streams.state.outbox import Outbox  # noqa: PLC0415

    mark_durable, published, send_one = Outbox.mark_durable, Outbox.published, Outflow.send_one

    def durable(self, sequence):
        mark_durable(self, sequence)
        for record in self.unpublished():
            hit("outbox.durable", record.topic.rpartition(".")[2])

    async def sent(self, topic, *arguments, **named):
        await send_one(self, topic, *arguments, **named)
        await self.drain()
        hit("outbox.first", topic.rpartition(".")[2])

    def trimmed(self, record_ids):
        told = {record.record_id: record.topic for record in self.unpublished()}
        for record_id in record_ids:
            hit("outbox.all", told[record_id].rpartition(".")[2])
        published(self, record_ids)

    Outbox.mark_durable, Outbox.published, Outflow.send_one = durable, trimmed, sent


def steps_of_adopting(hit):
    """`claim.taken`: the generation is, its parent is not named; the detail is the state's name."""
    from streams.state import claims  # noqa: PLC0415

    look = claims.newest_on_lineage

    def looking(store, name):
        hit("claim.taken", name)
        return look(store, name)

    claims.newest_on_lineage = looking


def steps_of_publishing(hit):
    """`snapshot.before` and `snapshot.after` the object of a published version is put."""
    from streams.state.store import Store  # noqa: PLC0415

    put = Store.put_object

    def putting(self, kind, name, payload):
        hit(f"{kind}.before", name)
        stored = put(self, kind, name, payload)
        hit(f"{kind}.after", name)
        return stored

    Store.put_object = putting


def jumping_clock(_hit):
    """`clock.jumping`: an hour forward, an hour back or right, another one each second."""
    now, now_ns = time.time, time.time_ns

    def shift_s():
        return 3600 * (int(now()) % 3 - 1)

    time.time = lambda: now() + shift_s()
    time.time_ns = lambda: now_ns() + shift_s() * 10**9


POINTS = {
    "clock": jumping_clock,
    "folder": steps_of_writing,
    "outbox": steps_of_telling,
    "claim": steps_of_adopting,
    "snapshots": steps_of_publishing,
    "done": steps_of_publishing,
}


def main(fault, *command):
    """The command, with the fault in it."""
    fault = Fault(**json.loads(fault))
    (ABLATIONS.get(fault.at) or POINTS[fault.at.partition(".")[0]])(Hit(fault))
    from streams.cli.main import main as millrace  # noqa: PLC0415

    millrace(command)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))  # or `import drift.budget` would find tests/drift/budget
    main(*sys.argv[1:])
