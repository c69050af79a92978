"""Traffic that keeps no order: ids again, labels before, beside and without their events, just in and out of time.

As `pipeline_traffic`, with an eye for one kind of disorder:

    python pipeline_disorder.py KIND BOOTSTRAP FEATURES LABELS RATE SEED
"""

from __future__ import annotations

import sys
import time

import pipeline_traffic
from pipeline_traffic import WAIT_S, Traffic

EARLY_S = 2.0
"""`labels.early` of the pipelines of these tests."""
CLOCKS = "clocks"
"""The kind whose records are in order, and their producer's clock is not."""
HOUR_S = 3600.0
EDGE_S = 0.25
"""How far from a bound a label comes: a broker's clock tells on which side it fell."""


class DisorderlyTraffic(Traffic):
    """Starts a disorderly generator; a context manager that ends it."""

    def __init__(self, kind, bootstrap, features, labels, *, rate, seed):
        self._begin(__file__, kind, bootstrap, features, labels, rate, seed)


class _Disorder(pipeline_traffic._Generator):
    """A plan says what becomes of one event."""

    def run(self, send):
        def jumping(topic, **record):
            shift_s = self.random.choice((-HOUR_S, 0, HOUR_S))
            send(topic, timestamp_ms=int((time.time() + shift_s) * 1000), **record)

        super().run(jumping if self.kind == CLOCKS else send)

    def _plan(self, now, number):
        if self.kind == CLOCKS:
            super()._plan(now, number)
            return
        chance = self.random
        x, y = chance.gauss(0, 1), chance.gauss(0, 1)
        label, other = ("yes", "no") if x + y > 0 else ("no", "yes")
        PLANS[self.kind](self, now, {"id": f"e{number}", "features": {"x": x, "y": y}}, label, other)

    def event(self, due, event):
        self._at(due, "event", event)

    def label(self, due, event, label):
        self._at(due, "label", {"id": event["id"], "label": label})


def again(made, now, event, label, other):
    """The same ids up to a third of the time, events and labels each in an order of their own."""
    chance = made.random
    share = 0.01 + 0.29 * chance.random()
    made.event(now, event)
    made.label(now + chance.uniform(0, 1), event, label)
    if chance.random() < share:
        made.event(now + chance.uniform(0, 2.5), event | {"features": {"x": 9.0, "y": 9.0}})
    while chance.random() < share:
        made.label(now + chance.uniform(0, 2.5), event, chance.choice((label, label, other)))


def before(made, now, event, label, _other):
    """Every label first: by less than the bound, or by more."""
    chance = made.random
    lead_s = chance.choice((chance.uniform(0, 1.5), EARLY_S - EDGE_S, EARLY_S + EDGE_S, EARLY_S + 1))
    made.label(now, event, label)
    made.event(now + lead_s, event)


def edge(made, now, event, label, _other):
    """Labels just under and just over the wait."""
    made.event(now, event)
    made.label(now + WAIT_S + made.random.choice((-EDGE_S, -0.02, 0.02, EDGE_S)), event, label)


def alone(made, now, event, label, _other):
    """Labels without events, events without labels, and pairs."""
    fate = made.random.random()
    if fate < 0.7:
        made.event(now, event)
    if fate > 0.3:
        made.label(now + made.random.uniform(0, 1), event, label)


def shuffled(made, now, event, label, other):
    """All of it, each record at any moment of seconds."""
    chance = made.random
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        made.event(now + chance.uniform(0, 4), event)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        made.label(now + chance.uniform(0, 6), event, chance.choice((label, label, label, other)))


PLANS = {"again": again, "before": before, "edge": edge, "alone": alone, "shuffled": shuffled}


def main(kind, *arguments):
    """As `pipeline_traffic.main`."""
    _Disorder.kind = kind
    pipeline_traffic._Generator = _Disorder
    pipeline_traffic.main(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
