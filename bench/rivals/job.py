"""What every rival is given and what it must answer: the job, the model, the clock.

A rival reads `features` and `labels`, publishes a prediction for each event and an example for each label that met its
prediction, reads `examples` back and learns them in their order. Records are millrace's own, both baselines beside the
model, so that every program puts the same bytes on the wire. It need not survive anything: no checkpoints, no order
between inputs, no duplicates, no bad input.
"""

from __future__ import annotations

import json
import sys
import time

import msgspec
import psutil


class Job(msgspec.Struct, kw_only=True):
    """One run, from the command line as JSON."""

    bootstrap: str
    features: str
    labels: str
    predictions: str
    examples: str
    partitions: int
    events: int
    """It is over once so many examples have been learnt."""
    model: str
    names: list[str]
    group: str

    @property
    def topics(self):
        return [self.features, self.labels, self.examples]


def job():
    return msgspec.json.decode(sys.argv[1], type=Job)


def model_of(kind, names):
    """River's model as millrace's catalog builds it."""
    from river import forest, linear_model, optim, preprocessing, tree  # noqa: PLC0415 - 3 s that others need not pay

    if kind == "logistic_regression":
        return preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.01))
    if kind == "hoeffding_tree":
        return tree.HoeffdingTreeClassifier()
    forest_of_10 = forest.ARFClassifier(seed=1)
    forest_of_10._init_ensemble(sorted(names))  # noqa: SLF001 - or the first row it sees would say how many there are
    return forest_of_10


def answer(shares):
    """Prediction and probabilities of what River said; a model that has learnt nothing may have nothing to say."""
    if not shares:
        return None, None
    p = shares.get(True, 0.0)
    return int(p > 0.5), {"0": 1.0 - p, "1": p}


class Baselines:
    """The label learnt last, and the share of each label: what millrace publishes beside every prediction."""

    def __init__(self):
        self.counts, self.last = [0, 0], None
        self.told = self.raw = None

    def learn(self, label):
        self.counts[label] += 1
        self.last, self.told, self.raw = label, None, None

    def said(self):
        """As plain values; the same object until something is learnt."""
        if self.told is None:
            nothing = {"prediction": None, "probabilities": None}
            self.told = {"no_change": nothing, "prior": nothing}
            if self.last is not None:
                zeros, ones = self.counts
                share = ones / (zeros + ones)
                self.told = {
                    "no_change": {
                        "prediction": self.last,
                        "probabilities": {"0": 1.0 - self.last, "1": 1.0 * self.last},
                    },
                    "prior": {
                        "prediction": int(ones > zeros),
                        "probabilities": {"0": zeros / (zeros + ones), "1": share},
                    },
                }
        return self.told

    def encoded(self):
        """The same as JSON."""
        if self.raw is None:
            self.raw = msgspec.Raw(msgspec.json.encode(self.said()))
        return self.raw


class Clock:
    """From the first record that the program is handed until the last example is learnt and all is delivered."""

    def __init__(self, events):
        self.events, self.learnt = events, 0
        self.start = None

    def first(self):
        if self.start is None:
            self.start = time.perf_counter(), time.process_time()

    @property
    def over(self):
        return self.learnt >= self.events

    def tell(self):
        """Prints the one line that `bench.beside` reads."""
        wall, cpu = time.perf_counter() - self.start[0], time.process_time() - self.start[1]
        found = {
            "events": self.events,
            "wall_s": round(wall, 3),
            "cpu_s": round(cpu, 3),
            "cpu_us": round(cpu / self.events * 1e6, 2),
            "wall_us": round(wall / self.events * 1e6, 2),
            "events_per_s": round(self.events / wall),
            "rss_mb": round(psutil.Process().memory_info().rss / 2**20, 1),
        }
        print(json.dumps(found), flush=True)
