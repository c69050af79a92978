"""A world for the real stages: in-memory logs, crashes, zombies, lost output tails, clock skew; one seed, one schedule.

The faults are those of docs/guarantees.md; the classes are the product's own. What must hold at the end of every
schedule is in `World.faults`.
"""

import random
from collections import Counter
from typing import NamedTuple

import msgspec

from learners.output import Output
from streams.config import Config
from streams.messages import Example, encode
from streams.stages.decoding import Decoding
from streams.stages.learn import Learner
from streams.stages.task import Task, TaskConfig
from streams.state.done import DoneIds
from streams.state.pending import PendingStore

PARTITIONS, WAIT, EARLY, GRACE = 2, 40, 25, 8
CONFIG = Config.model_validate(
    {
        "name": "sim",
        "topics": {"partitions": PARTITIONS},
        "target": {"task": "binary", "labels": ["a", "b"], "positive": "b"},
        "features": {"x": "numeric"},
        "models": {"champion": "c", "candidates": {"c": {"model": "logistic_regression"}}},
    }
)
DECODING = Decoding(CONFIG)
TASK = TaskConfig(
    wait_ms=WAIT, early_ms=EARLY, grace_ms=GRACE, dedupe_horizon_ms=10**9, features_topic="f", labels_topic="l"
)
EXAMPLE = msgspec.json.Decoder(Example).decode


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Log(list):
    def add(self, ms, value):
        self.append(Row(len(self), max(ms, self[-1].timestamp if self else 0), b"k", value))


class Model:
    """Stands for the candidates: its answer changes with every version, so a repeated prediction would show."""

    champion = "c"
    target = CONFIG.target.build()

    def __init__(self):
        self.version = 0

    def predict(self, _features):
        self.version += 1
        return {"c": Output("a", {"a": self.version / (self.version + 1), "b": 1 / (self.version + 1)})}

    def learn_all(self, _examples):
        return ()

    def snapshot(self):
        return b""


class Scores:
    def update_all(self, examples):
        pass

    def snapshot(self):
        return {}


class RecordingLearner(Learner):
    """The real fold, which also keeps what it learnt."""

    def __init__(self, saved=None):
        super().__init__(0, "examples", Model(), Scores(), saved)
        self.order = [tuple(source) for source in (saved or {}).get("order", [])]

    def _learn(self, fresh):
        self.order += [example.label_source for _, example in fresh]
        return super()._learn(fresh)

    def dump(self):
        return {**super().dump(), "order": list(self.order)}


def partition_of(number):
    return number % PARTITIONS


class World:
    def __init__(self, seed, task=Task, learner=RecordingLearner, process=None):
        self.random, self.clock = random.Random(seed), 0
        self.task_class, self.learner_class = task, learner
        self.process_class = process or TaskProcess
        self.features, self.labels, self.predictions = [[Log() for _ in range(PARTITIONS)] for _ in range(3)]
        self.examples = Log()
        self.saved = [[] for _ in range(PARTITIONS + 1)]
        self.owners, self.zombies = [], []

    def produce(self):
        self.clock += self.random.choice((1, 1, 1, 2, 5))
        number = self.random.randrange(40)
        p = partition_of(number)
        if self.random.random() < 0.03:
            self.random.choice((self.features, self.labels))[p].add(self.clock, b"{poison")
        elif self.random.random() < 0.5:
            self.features[p].add(self.clock, encode({"id": f"e{number}", "features": {"x": 1.0}}))
        else:
            skew = self.random.randrange(3) if p else 0
            self.labels[p].add(self.clock + skew, encode({"id": f"e{number}", "label": self.random.choice("aaab")}))

    def adopt(self, p):
        return (self.process_class if p < PARTITIONS else LearnerProcess)(self, p)

    def run(self):  # noqa: C901 - one schedule, read top to bottom
        chance = self.random
        self.owners = [self.adopt(p) for p in range(PARTITIONS + 1)]
        for _ in range(chance.randrange(60, 260)):
            draw, p = chance.random(), chance.randrange(PARTITIONS + 1)
            actor = chance.choice(self.zombies) if self.zombies and chance.random() < 0.25 else self.owners[p]
            if draw < 0.35:
                self.produce()
            elif draw < 0.75:
                actor.work(chance.randrange(1, 8))
            elif draw < 0.86:
                actor.flush(chance.randrange(4))
            elif draw < 0.94:
                actor.checkpoint()
            else:
                old = self.owners[p]
                if chance.random() < 0.5:
                    self.zombies.append(old)
                else:
                    old.flush(chance.randrange(len(old.out) + 1))
                self.owners[p] = self.adopt(p)
        for zombie in self.zombies:
            zombie.flush(len(zombie.out))
        for owner in self.owners:
            while owner.work(50):
                pass
            owner.checkpoint()
        while self.owners[-1].work(50):
            pass
        return self

    def calm(self):
        """The same inputs without a fault: what must have been learnt."""
        calm = World(0)
        calm.features, calm.labels = self.features, self.labels
        owners = [calm.adopt(p) for p in range(PARTITIONS + 1)]
        for owner in owners:
            while owner.work(50):
                pass
            owner.checkpoint()
        return owners[-1].stage

    def faults(self):
        """Every broken promise, in words."""
        broken, learner, calm = [], self.owners[-1].stage, self.calm()
        times = Counter(tuple(source) for source in learner.order)
        if max(times.values(), default=0) > 1:
            broken.append("a label was learnt twice")
        if set(times) != {tuple(source) for source in calm.order}:
            broken.append(f"{len(times)} labels learnt, {len(calm.order)} should be")
        if learner.ledger["correction"] != calm.ledger["correction"]:
            broken.append("corrections differ from the calm run")
        fold = self.learner_class()
        fold.learn(self.examples)
        if fold.chain != learner.chain or fold.order != learner.order:
            broken.append("the learner differs from the fold over its log")
        counts = learner.counts()
        told = sum(counts.get(word, 0) for word in ("learnt", "correction", "duplicate", "failed"))
        if told != len(self.examples):
            broken.append(f"{len(self.examples)} examples, {told} accounted for")
        for p, owner in enumerate(self.owners[:PARTITIONS]):
            broken += conservation(owner.stage, self.features[p], self.labels[p], self.predictions[p])
            sources = [msgspec.json.decode(row.value)["source"] for row in self.predictions[p]]
            if not self.zombies and len(sources) != len(set(sources)):
                broken.append("an event was predicted anew although its prediction was in the log")
        return broken


def conservation(task, features, labels, predictions):
    """The two join identities, over what the task has read; and each prediction as its log says first."""
    c = Counter(task.counts())
    words = ("joined", "duplicate", "correction", "late", "orphan", "label_dead", "waiting")
    if len(labels) != sum(c[word] for word in words):
        yield "labels not conserved"
    if c["predicted"] != c["joined"] + c["expired"] + c["pending"]:
        yield "predictions not conserved"
    if len(features) != c["predicted"] + c["event_duplicate"] + c["event_dead"]:
        yield "events not conserved"
    if len({msgspec.json.decode(row.value)["source"] for row in predictions}) != c["predicted"]:
        yield "an event has no prediction in the log"


class TaskProcess:
    def __init__(self, world, p):
        self.w, self.p, self.out = world, p, []
        saved = world.saved[p][-1] if world.saved[p] else None  # any valid checkpoint is good, whoever wrote it
        state, buckets = (msgspec.msgpack.decode(saved[0], strict=False), saved[1]) if saved else (None, [])
        done = DoneIds()
        done.restore(list(buckets))
        self.buckets = list(buckets)
        self.stage = world.task_class(p, TASK, DECODING, PendingStore(3, None), done, state)
        self.end = len(world.predictions[p])
        self.stage.restore(world.predictions[p][self.stage.tail :])
        self.model = Model()

    def work(self, rows):
        for side, log in ((self.stage.events, self.w.features[self.p]), (self.stage.labels, self.w.labels[self.p])):
            part = log[side.read : side.read + rows]
            side.feed(side.read, side.read + len(part), part)
            side.end = len(log)
        emitted = self.stage.step(rows, self.model)
        if emitted is None:
            return False
        sources = dict(zip(map(id, emitted.predictions), emitted.sources, strict=True))
        self.out += [(self.w.predictions[self.p], record, sources[id(record)]) for record in emitted.predictions]
        self.out += [(self.w.examples, record, None) for record in emitted.examples]
        return True

    def flush(self, count):
        for log, record, source in self.out[:count]:
            log.add(self.w.clock, record.value)
            if source is not None:
                self.stage.acknowledged([source], len(log) - 1)
                self.end = len(log)
        del self.out[:count]

    def checkpoint(self):
        if (bucket := self.stage.done.cut()) is not None:
            self.buckets.append(bucket)
        state = msgspec.msgpack.encode(self.stage.dump(self.end))
        self.flush(len(self.out))  # durable only once all it rests on is acknowledged
        self.w.saved[self.p].append((state, list(self.buckets)))


class LearnerProcess:
    out = ()

    def __init__(self, world, p):
        self.w, self.p = world, p
        saved = world.saved[p][-1] if world.saved[p] else None
        self.stage = world.learner_class(msgspec.msgpack.decode(saved, strict=False) if saved else None)

    def work(self, rows):
        part = self.w.examples[self.stage.version : self.stage.version + rows]
        self.stage.learn(part)
        return bool(part)

    def flush(self, count):
        pass

    def checkpoint(self):
        self.w.saved[self.p].append(msgspec.msgpack.encode(self.stage.dump()))
