"""A world for the real watch, its outbox, checkpoints and claims: crashes between any two steps, and zombies.

One seed, one schedule, no broker and no clock. What must hold at the end is in `WatchWorld.faults`.
"""

from __future__ import annotations

import random
import uuid
from typing import NamedTuple

import msgspec

from streams.config import Config
from streams.messages import Example, Instruction, Output, Prediction, encode
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.claims import adopt, still_owner
from streams.state.envelope import Header
from streams.state.keyring import Keyring
from streams.state.outbox import Outbox
from streams.state.store import Store

PARTITIONS = 2
NAME = "monitor"
CONFIG = Config.model_validate(
    {
        "name": "sim",
        "topics": {"partitions": PARTITIONS},
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric"},
        "models": {"champion": "c", "candidates": {"c": {"model": "logistic_regression"}}},
        "drift": {
            "false_alarms": "1 per 100 events",
            "reference": {"rows": 50},
            "window_rows": 50,
            "slide_rows": 20,
            "rows_min": 20,
            "listing_rows": 8,
            "quiet_rows": 20,
            "rebase_after_rows": 60,
        },
        "retrain": {"severity_min": "info", "examples_min": 10},
        "reports": {"on_incident": False},
    }
)
LIKELY = {"no": 0.75, "yes": 0.25}
BASELINES = dict.fromkeys(("no_change", "prior"), Output("no", LIKELY))


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes


class WatchWorld:
    """`process` is the monitor's shell, `ties` whether records may share a millisecond."""

    def __init__(self, seed, process=None, *, ties=True):
        self.random, self.ties = random.Random(seed), ties
        self.process_class = process or MonitorProcess
        self.store = Store(f"memory://{uuid.uuid4()}", Keyring(b"k" * 32), keep=2)
        self.logs = {("sim.predictions", p): [] for p in range(PARTITIONS)} | {
            ("sim.examples", 0): [],
            ("sim.control", 0): [],
        }
        self.told = []
        self.clock, self.mean, self.sources = 0, 0.0, [0] * PARTITIONS
        self.owner, self.zombies = None, []

    def append(self, topic, partition, value):
        self.clock += self.random.choice((0, 1)) if self.ties else 1
        log = self.logs[topic, partition]
        log.append(Row(len(log), self.clock, b"k", value))

    def produce(self):
        """A prediction, and mostly its example."""
        if self.random.random() < 0.01:
            self.mean = self.random.choice((0.0, 0.0, 8.0))
        p = self.random.randrange(PARTITIONS)
        source, features = self.sources[p], {"x": self.random.gauss(self.mean, 1)}
        self.sources[p] += 1
        said = Prediction(f"e{p}-{source}", features, "no", LIKELY, "c", 1, BASELINES, source, self.clock)
        self.append("sim.predictions", p, encode(said))
        if self.random.random() < 0.1:
            self.append("sim.predictions", p, encode(said))  # said twice after a crash of the worker
        if self.random.random() < 0.8:
            label = {"label": "no", "label_source": (p, source), "closed": source, "label_ms": self.clock}
            whole = msgspec.structs.asdict(said) | label
            self.append("sim.examples", 0, encode(msgspec.convert(whole, Example)))

    def ask(self):
        """Somebody asks for something, mostly about what was told last."""
        action = self.random.choice(("acknowledge", "close", "close", "silence", "unsilence", "rebase"))
        alerts = self.ids("sim.alerts")
        incident = alerts[-1].partition("/")[0] if alerts and self.random.random() < 0.9 else "another"
        until_ms = self.clock + self.random.randrange(200)
        asked = Instruction(f"ask{len(self.logs['sim.control', 0])}", action, incident, ["feature:x"], until_ms, "ada")
        self.append("sim.control", 0, encode(asked))

    def run(self, steps=700):
        """One schedule; at its end the last owner finishes."""
        chance = self.random
        self.owner = self.process_class(self)
        for _ in range(steps):
            draw = chance.random()
            actor = chance.choice(self.zombies) if self.zombies and chance.random() < 0.2 else self.owner
            if draw < 0.01:
                self.ask()
            elif draw < 0.55:
                self.produce()
            elif draw < 0.97:
                actor.act()
            else:
                if chance.random() < 0.5:
                    self.zombies.append(self.owner)
                self.owner = self.process_class(self)
        self.owner.finish()
        for zombie in self.zombies:
            for _ in range(20):
                zombie.act()
        return self

    def faults(self):
        """Every broken promise, in words."""
        found: dict[str, bytes] = {}
        for _, identity, payload in self.told:
            if found.setdefault(identity, payload) != payload:
                yield f"{identity} was told twice and differently"
        windows: dict[int, dict] = {}
        for topic, identity, payload in self.told:
            if topic == "sim.metrics":
                window = msgspec.json.decode(payload)
                if windows.setdefault(window["window"], window)["id"] != identity:
                    yield f"window {window['window']} has two histories"
        total = self.owner.watch.windows_total
        if sorted(windows) != list(range(1, total + 1)):
            yield f"{total} windows in the history, told: {sorted(windows)}"
        yield from self._misnamed(windows.values())

    def _misnamed(self, windows):
        """Each window names what was told since the one before; the history knows what came after the last."""
        named = [identity for window in windows for identity in window["told"]] + self.owner.watch.alerting.told
        told = {identity for topic, identity, _ in self.told if topic != "sim.metrics"}
        if told != set(named):
            yield f"told and not in the history: {told - set(named)}, in the history and not told: {set(named) - told}"
        if len(set(named)) < len(named):
            yield f"something is named by two windows: {sorted(named)}"

    def ids(self, topic):
        """What was told there, each once, in order."""
        return list(dict.fromkeys(identity for where, identity, _ in self.told if where == topic))


class MonitorProcess:
    """The monitor's shell in steps that a crash may come between: see `streams.kafka.owned_watch`."""

    def __init__(self, world):
        self.w = world
        self.claim = adopt(world.store, NAME)
        self.sequence, self.ended = 0, False
        self.sending, self.cut = [], None
        if self.claim.loaded is None:
            self.watch, self.outbox = Watch(CONFIG, {"next": {}, "high_ms": {}}), Outbox()
            self.take_cut()
            self.write()
        else:
            state = load_watch(CONFIG, world.store, self.claim.loaded.payload)
            self.watch, self.outbox = state.watch, state.outbox

    def act(self):
        """One step, as far as it goes."""
        if self.ended:
            return
        if self.sending:
            self.send()
        elif self.cut is not None:
            self.write()
        else:
            self.w.random.choice((self.work, self.work, self.work, self.take_cut, self.publish))()

    def work(self, rows=None):
        """Take some rows; True while there are some."""
        for side in self.watch.merge.inputs:
            log = self.w.logs[side.topic, side.partition]
            part = log[side.read : side.read + (rows or self.w.random.randrange(1, 30))]
            side.feed(side.read, side.read + len(part), part)
            side.end = len(log)
        while (seen := self.watch.step(rows or 30)) is not None and not (seen.rows or seen.metrics):
            pass  # a piece of what is owed: restarts between them are tried in `test_watch.py`
        if seen is None:
            return False
        for reference in seen.references:
            self.w.store.put_object("references", NAME, reference.to_bytes())
        for topic, records in (("metrics", seen.metrics), ("alerts", seen.alerts), ("retrain", seen.requests)):
            for record in records:
                self.outbox.add(f"sim.{topic}", b"k", record.id, encode(record))
        return True

    def take_cut(self):
        self.sequence += 1
        self.cut = self.sequence, pack_watch(WatchState(self.watch, self.outbox, {}), self.sequence)

    def write(self):
        """The checkpoint of the cut; it may have become old meanwhile."""
        (sequence, payload), self.cut = self.cut, None
        self.w.store.write(NAME, self.claim.generation, sequence, Header(name=NAME), payload)
        self.outbox.mark_durable(sequence)

    def publish(self):
        """Ask once whose history it is; then send one by one, whatever happens in between."""
        if self.outbox.unpublished() and not still_owner(self.w.store, self.claim):
            self.ended = True
            return
        self.sending = self.outbox.unpublished()

    def send(self):
        record = self.sending.pop(0)
        self.w.told.append((record.topic, record.record_id, record.payload))
        if not self.sending:
            self.outbox.published([each.record_id for each in self.outbox.unpublished()])

    def finish(self):
        """Work off and tell all there is."""
        while self.sending:
            self.send()
        while self.work(50):
            pass
        if self.cut is not None:
            self.write()
        self.take_cut()
        self.write()
        self.publish()
        while self.sending:
            self.send()
