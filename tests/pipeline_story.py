"""One pipeline under faults: a seeded story of starts, kills and outages over a generator's traffic, then the audit.

A failure prints the seed and what was done when; `MILLRACE_SEED` tells the same story again, as far as the machine's
timing allows.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pipeline_failpoints
from pipeline_audit import broken_promises, collect, expected
from pipeline_disorder import DisorderlyTraffic
from pipeline_process import PATIENCE_S, STOPPED_S, Pipeline, Process, until
from pipeline_records import end_offsets, lag, read_checkpoint
from pipeline_traffic import ACKNOWLEDGED_S, Traffic

from streams.cli.main import BROKER_LOST

RUNS: list[dict] = []
"""A line for every story that was audited, for the table at the end of the session."""
READY = {"worker": "task_restored", "monitor": "monitor_restored"}
LOOK_S = 0.2
"""Between two questions to Kafka: each is a connection of its own, and takes from what it asks about."""
DISOWNED = "adopted by another process"
"""The last word of a monitor that was taken for dead."""


def drawn_seed():
    """The one asked for, else a new one."""
    return int(os.environ.get("MILLRACE_SEED") or time.time_ns() % 2**32)


class Story:
    """A pipeline, its members by name (`worker`, `worker-b`, `monitor`, …) and the traffic; ends them all."""

    def __init__(self, folder, broker, name, *, rate=300, seed=None, supervised=False, **tables):
        self.pipeline = Pipeline(folder, broker, name, **tables)
        self.seed = drawn_seed() if seed is None else seed
        self.chance, self.rate, self.name = random.Random(self.seed), rate, name
        self.members: dict[str, Process] = {}
        self.frozen: set[str] = set()
        self.zombies = False
        """Whether anybody was ever frozen: what a zombie had in flight may be a second prediction."""
        self.supervised, self.restarts = supervised, 0
        """Whether what ends with the word that another start may help gets one, as it would from any supervisor."""
        self.lines: list[str] = []
        self.began = time.monotonic()
        self.faults = 0
        self.traffic = None

    # -- what is done --------------------------------------------------------------------------------------------

    def begin(self, *members):
        """Topics, these members, and traffic once they work."""
        self.pipeline.create_topics()
        for name in members:
            self.start(name)
        for name in members:
            self.ready(name)
        return self.send()

    def send(self, kind=None):
        """Traffic from now on; `kind` is one of `pipeline_disorder`."""
        inputs = self.pipeline.topic("features"), self.pipeline.topic("labels")
        make = Traffic if kind is None else functools.partial(DisorderlyTraffic, kind)
        self.traffic = make(self.pipeline.bootstrap, *inputs, rate=self.rate, seed=self.seed)
        return self

    def start(self, name, fault=None, env=None):
        """A member, perhaps with a fault of `pipeline_failpoints` inside."""
        role = name.partition("-")[0]
        self.note(f"start {name}" + (f", to be {fault.words}" if fault else ""))
        if fault is None:
            process = self.pipeline.start(role, env=env)
        else:
            pipeline = self.pipeline
            command = [sys.executable, pipeline_failpoints.__file__, json.dumps(fault._asdict()), role]
            command += ["--config", str(pipeline.config), "--log-json"]
            log = pipeline.folder / f"{role}-{len(pipeline.processes)}.log"
            process = Process(command, log, pipeline.folder, env)
            pipeline.processes.append(process)
        self.members[name] = process
        return process

    def ready(self, name, count=1):
        """Wait until it has restored what it owns."""
        if self.supervised:
            self.until(lambda: self._restored(name) >= count, PATIENCE_S, f"{name} is ready")
        return self.members[name].wait_for(READY[name.partition("-")[0]], count=count)

    def kill(self, name):
        """SIGKILL."""
        self.note(f"kill {name}", fault=True)
        self.frozen.discard(name)
        self.members.pop(name).kill()

    def _restored(self, name):
        return len(self.members[name].events(READY[name.partition("-")[0]]))

    def stop(self, name, timeout_s=STOPPED_S):
        """SIGTERM; it must end well, or have ended because another one has its history, or not have begun."""
        self.note(f"stop {name}")
        process = self.members.pop(name)
        code, words = process.stop(timeout_s), process.text()
        unborn = code == -signal.SIGTERM and '"joining"' not in words
        assert code == 0 or unborn or self._may_end(code, words), f"{name} ended with {code}:\n{words[-3000:]}"

    def freeze(self, name):
        """SIGSTOP: to the others it is dead."""
        self.note(f"freeze {name}", fault=True)
        self.frozen.add(name)
        self.zombies = True
        self.members[name].popen.send_signal(signal.SIGSTOP)

    def wake(self, name):
        """SIGCONT: it goes on where it was, not knowing."""
        self.note(f"wake {name}")
        self.frozen.discard(name)
        self.members[name].popen.send_signal(signal.SIGCONT)

    def dies(self, name, timeout_s=PATIENCE_S):
        """Wait until the fault inside has killed it."""
        code = self.members.pop(name).wait(timeout_s)
        assert code == -signal.SIGKILL, f"{name} ended with {code}:\n{self.pipeline.logs()[-3000:]}"
        self.note(f"{name} died", fault=True)

    def say(self, word):
        """To the traffic: `shift` or `turn`."""
        self.note(f"traffic: {word}")
        self.traffic.say(word)

    def wait(self, seconds_from, seconds_to):
        """A random while."""
        time.sleep(self.chance.uniform(seconds_from, seconds_to))

    def until(self, true, timeout_s, what, moved=lambda: None):
        """Wait until `true()`, from the last time that `moved()` was another."""
        self.note(f"until {what}")

        def look():
            self.supervise()
            return true()

        return until(look, timeout_s, lambda: f"{what}\n{self.pipeline.logs()[-3000:]}", LOOK_S, moved)

    def supervise(self):
        """Start again what ended as it may: started while Kafka was away, out of its group for good, or disowned."""
        if not self.supervised:
            return
        for name, process in list(self.members.items()):
            if (code := process.popen.poll()) is not None:
                self.note(f"{name} ended with {code}")
                words = process.text()
                assert self._may_end(code, words), f"{name} ended with {code}:\n{words[-3000:]}"
                self.restarts += 1
                self.start(name)

    def _may_end(self, code, words):
        return DISOWNED in words or (self.supervised and code == BROKER_LOST)

    def note(self, line, *, fault=False):
        """Into the schedule."""
        self.faults += fault
        self.lines.append(f"{time.monotonic() - self.began:7.2f} s  {line}")

    # -- what is known -------------------------------------------------------------------------------------------

    def end(self, role):
        """Records of a topic."""
        return sum(end_offsets(self.pipeline.bootstrap, [self.pipeline.topic(role)]).values())

    def grows(self, role, by=50, timeout_s=PATIENCE_S):
        """Wait until a topic has so many records more."""
        seen = [self.end(role)]
        goal = seen[0] + by

        def grown():
            seen[0] = self.end(role)
            return seen[0] >= goal

        self.until(grown, timeout_s, f"{role} has {by} records more", lambda: seen[0])

    def lag(self):
        """As `pipeline_records.lag`; predictions are the monitor's, where one ever ran."""
        watched = read_checkpoint(self.pipeline.state, "monitor") is not None
        return {place: rows for place, rows in lag(self.pipeline).items() if watched or ".predictions/" not in place}

    def caught_up(self):
        """Wait until all is worked off, as long as it becomes less."""
        least = [sum(self.lag().values())]

        def done():
            left = self.lag() or self.lag()  # twice: what the first look saw the end of may have moved another end
            least[0] = min(least[0], sum(left.values()))
            return not left

        self.until(done, PATIENCE_S, "all is worked off", lambda: least[0])

    # -- the end -------------------------------------------------------------------------------------------------

    def audit(self, times=None, dead=(), *, alerted=False):
        """The traffic ends, once people were alerted if they should be, all is worked off, all members stop well.

        No promise may be broken. The evidence.
        """
        if alerted:
            self.until(lambda: self.end("alerts"), PATIENCE_S, "people are alerted", lambda: self.end("metrics"))
        events = self.traffic.finish(2 * ACKNOWLEDGED_S) if self.traffic else 0
        self.note(f"{events} events sent")
        for name in list(self.frozen):
            self.wake(name)
        self.caught_up()
        for name in list(self.members):
            self.stop(name)
        evidence = collect(self.pipeline, times, dead)
        broken = [line for line in broken_promises(evidence) if not (self.zombies and "predicted anew" in line)]
        self._record(evidence, events)
        assert not broken, broken
        return evidence

    def _record(self, run, events):
        told = [record.json for record in run.examples]
        sources = {tuple(example["label_source"]) for example in told if example.get("kind") != "correction"}
        due = sum(
            len(
                expected(
                    *([r for r in side if r.partition == p] for side in (run.features, run.labels)), run.times
                ).joined
            )
            for p in run.tasks
        )
        ledgers = [shard.state["ledger"] for shard in run.shards.values()]
        learnt = sum(ledger.get("learnt", 0) for ledger in ledgers)
        RUNS.append(
            {
                "story": self.name.rpartition("-")[0],
                "seed": self.seed,
                "faults": self.faults,
                "restarts": self.restarts,
                "events": events,
                "labels due": due,
                "learnt": learnt,
                "lost": max(0, due - learnt),
                "doubly": max(0, learnt - len(sources)),
                "dropped": sum(ledger.get("duplicate", 0) for ledger in ledgers),
                "alerts": len({record.json["id"] for record in run.alerts}),
                "seconds": round(time.monotonic() - self.began),
            }
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.traffic is not None:
            self.traffic.__exit__(kind, error, trace)
        self.pipeline.__exit__(kind, error, trace)
        if kind is not None:
            print(f"\nMILLRACE_SEED={self.seed} tells this story again:", *self.lines, sep="\n")  # noqa: T201 - shown by pytest


def newest_checkpoint(pipeline, name) -> Path:
    """Its file."""
    return max((pipeline.state / "checkpoints" / name).glob("*.ckpt"))
