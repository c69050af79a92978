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
from streams.kafka.folder_lock import FolderLock
from streams.messages import Example, encode
from streams.stages.decoding import Decoding
from streams.stages.learn import Learner
from streams.stages.task import Task, TaskConfig
from streams.state.done import DoneIds
from streams.state.pending import PendingStore
from streams.state.pending_files import PendingFiles
from streams.state.place import StoreAwayError

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
    def __init__(self, seed, task=Task, learner=RecordingLearner, process=None, folder=None, files=PendingFiles):
        self.random, self.clock = random.Random(seed), 0
        self.folder, self.files_class, self.harms = folder, files, random.Random(~seed)
        self.recalls, self.refusals, self.broken = Counter(), Counter(), []
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

    def run(self):
        """One schedule, read top to bottom."""
        self.owners = [self.adopt(p) for p in range(PARTITIONS + 1)]
        for _ in range(self.random.randrange(60, 260)):
            self.turn()
        for zombie in self.zombies:
            zombie.flush(len(zombie.out))
        for p in range(PARTITIONS + 1):
            self.work_off(p)
            while self.living(p, "checkpoint"):
                self.work_off(p)
        while self.owners[-1].work(50):
            pass
        return self

    def work_off(self, p):
        while self.living(p, "work", 50):
            pass

    def turn(self):
        chance = self.random
        draw, p = chance.random(), chance.randrange(PARTITIONS + 1)
        zombie = chance.choice(self.zombies) if self.zombies and chance.random() < 0.25 else None
        if draw < 0.35:
            self.produce()
        elif draw < 0.75:
            self.living(p, "work", chance.randrange(1, 8), zombie=zombie)
        elif draw < 0.86:
            (zombie or self.owners[p]).flush(chance.randrange(4))
        elif draw < 0.94:
            self.living(p, "checkpoint", zombie=zombie)
        else:
            old = self.owners[p]
            if chance.random() < 0.5:
                self.zombies.append(old)
                if self.harms.random() < 0.5:  # there are file systems on which a lock is none
                    old.unlock()
            else:
                old.flush(chance.randrange(len(old.out) + 1))
                old.die()
            if self.folder is not None and self.harms.random() < 0.1:
                self.harm(self.folder / str(p))
            self.owners[p] = self.adopt(p)

    def living(self, p, verb, *given, zombie=None):
        """The owner or a zombie does something.

        One that finds its copies damaged ends, as it does in earnest, and what it had not sent is lost.
        """
        actor = zombie or self.owners[p]
        try:
            return getattr(actor, verb)(*given)
        except StoreAwayError:
            self.refusals["work"] += 1
            actor.die()
            if zombie is not None:
                self.zombies.remove(zombie)
            else:
                self.owners[p] = self.adopt(p)
            return True

    def harm(self, folder):
        """Somebody else has been at the copies on disk."""
        chance = self.harms
        paths = [path for path in folder.glob("*.*") if path.stat().st_size]
        paths.sort(key=lambda path: (path.suffix, path.read_bytes()))  # their names are random
        if not paths:
            return
        path, other = chance.choice(paths), chance.choice(paths)
        data, how = bytearray(path.read_bytes()), chance.choice(("flip", "cut", "grow", "swap", "remove"))
        if how == "flip":
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif how == "cut":
            del data[chance.randrange(len(data)) :]
        elif how == "grow":
            data += chance.randbytes(9)
        elif how == "swap":
            data, held = other.read_bytes(), data
            other.write_bytes(held)
        path.unlink() if how == "remove" else path.write_bytes(data)

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
        broken, learner, calm = list(self.broken), self.owners[-1].stage, self.calm()
        times = Counter(tuple(source) for source in learner.order)
        if max(times.values(), default=0) > 1:
            broken.append("a label was learnt twice")
        if set(times) != {tuple(source) for source in calm.order}:
            broken.append(f"{len(times)} labels learnt, {len(calm.order)} should be")
        if learner.ledger["correction"] != calm.ledger["correction"]:
            broken.append("corrections differ from the calm run")
        served = {row.value[:-1] for log in self.predictions for row in log}
        if (
            not {row.value.partition(b',"label":')[0] for row in self.examples if b'"correction"' not in row.value}
            <= served
        ):
            broken.append("an example is not what was served")
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
        for process in (*self.zombies, *self.owners):
            process.die()
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
        self.lock, files = None, None
        if world.folder is not None:
            folder = world.folder / str(p)
            folder.mkdir(exist_ok=True)
            self.lock = FolderLock.take(folder)
            kept = self.lock is not None
            files = world.files_class(folder if kept else world.folder, kept=kept, segment_rows=6, table_rows=8)
        self.end = len(world.predictions[p])
        memory = PendingStore(3 if files is None else 1, files, reach=40)
        self.stage = world.task_class(p, TASK, DECODING, memory, done, state)
        try:
            start = self.stage.recall()
            world.recalls[len(self.stage.pending) > 0] += 1
        except StoreAwayError:
            world.refusals["restart"] += 1
            start = self.stage.tail
        try:
            self.stage.restore(world.predictions[p][start:])
        except StoreAwayError as error:  # a damaged row may be met only now; the next start reads the log
            world.refusals["reading"] += 1
            if "could not find" in str(error):
                world.broken.append("what was not copied was not in the log from where it should be")
            self.stage = world.task_class(p, TASK, DECODING, PendingStore(3, None), done, state)
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
        _, retired = self.stage.pending.grown()
        self.w.saved[self.p].append((state, list(self.buckets)))
        for segment in retired:
            segment.remove()

    def die(self):
        self.stage.pending.close()
        self.unlock()

    def unlock(self):
        if self.lock is not None:
            self.lock.__exit__(None, None, None)
            self.lock = None


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

    def die(self):
        pass

    unlock = die

    def checkpoint(self):
        self.w.saved[self.p].append(msgspec.msgpack.encode(self.stage.dump()))
