"""Made logs of predictions and examples, and what a watch tells of them."""

import random
from functools import cache
from itertools import zip_longest

import msgspec
from protocol_world import Row

from streams.config import Config
from streams.messages import Example, Output, Prediction, encode
from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch, reference_path
from streams.state.outbox import Outbox

REFERENCE, WINDOW, SLIDE, DELAY = 200, 100, 25, 7
"""Rows of the reference, of a window, between two windows, and between an event and its label."""
TURN = 600
"""Row at which the answers turn."""
DRIFT = {
    "false_alarms": "1 per 20000 events",
    "reference": {"rows": REFERENCE},
    "window_rows": WINDOW,
    "slide_rows": SLIDE,
    "rows_min": 50,
    "listing_rows": 60,
    "quiet_rows": 150,
    "rebase_after_rows": 200,
    "loss_detectors": ["adwin"],
    "feature_detectors": {"x": ["adwin"]},
}


def config(**drift):
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 2},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"x": "numeric", "y": "numeric", "city": "categorical"},
            "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            "drift": DRIFT | drift,
            "retrain": {"examples_min": 50},
        }
    )


CONFIG = config()


def probabilities(share):
    return {"no": 1 - share, "yes": share}


def prediction(number, source, chance, *, shifted):
    x = chance.gauss(3 if shifted else 0, 1)
    share = chance.uniform(0, 1)
    return Prediction(
        id=f"e{number}",
        features={"x": x, "y": chance.gauss(0, 1), "city": chance.choice(("Bern", "Thun"))},
        prediction="yes" if share > 0.5 else "no",
        probabilities=probabilities(share),
        model="champion",
        version=number // 10,
        candidates={"no_change": Output("no"), "prior": Output("no", probabilities(0.4))},
        source=source,
        event_ms=1_000 + 10 * number,
    )


def example(said, offset, right):
    other = "no" if said.prediction == "yes" else "yes"
    return Example(
        id=said.id,
        label=said.prediction if right else other,
        label_source=(0, offset),
        closed=offset,
        label_ms=said.event_ms + 10 * DELAY,
        **{name: getattr(said, name) for name in ("features", "prediction", "probabilities", "model", "version")},
        candidates=said.candidates,
        source=said.source,
        event_ms=said.event_ms,
    )


@cache
def stream(rows, seed=1, shift=10**9, turn=10**9):
    """Logs of predictions 0, 1 and of examples: x moves by three at row `shift`, answers are wrong from `turn` on."""
    chance, logs = random.Random(seed), ([], [], [])
    made = []
    for number in range(rows + DELAY):
        ms = 1_000 + 10 * number
        if number < rows:
            log = logs[number % 2]
            made.append(prediction(number, len(log), chance, shifted=number >= shift))
            log.append(Row(len(log), ms, b"k", encode(made[-1])))
        if number >= DELAY:
            said = made[number - DELAY]
            right = chance.random() < (0.9 if number - DELAY < turn else 0.2)
            log = logs[2]
            log.append(Row(len(log), ms, b"k", encode(example(said, len(log), right))))
    return logs


def feed(watch, logs):
    """Those of the two partitions of predictions, of examples and, if there is a fourth, of control."""
    for side, log in zip_longest(watch.merge.inputs, logs, fillvalue=[]):
        side.feed(side.next, len(log), log[side.next :])
        side.end = len(log)
    return watch


class Told:
    """All that came out, as the bytes that go on the topics."""

    def __init__(self):
        self.metrics, self.alerts, self.requests, self.objects = [], [], [], {}

    def take(self, seen):
        for reference in seen.references:
            self.objects[reference_path(reference.digest)] = reference.to_bytes()
        for name in ("metrics", "alerts", "requests"):
            getattr(self, name).extend(encode(record) for record in getattr(seen, name))

    def get_object(self, path, _digest):
        return self.objects[path]

    def words(self):
        return self.metrics, self.alerts, self.requests

    def read(self, name):
        return [msgspec.json.decode(record) for record in getattr(self, name)]


def watched(logs, settings=CONFIG, steps=()):
    """What a monitor tells of these logs: by default in steps of 100, with `steps` of (limit, restart) before."""
    watch, told = feed(Watch(settings), logs), Told()
    for limit, restart in steps:
        if (seen := watch.step(limit)) is not None:
            told.take(seen)
        if restart:
            payload = pack_watch(WatchState(watch, Outbox(), {}), 1)
            watch = feed(load_watch(settings, told, payload).watch, logs)
    while (seen := watch.step(100)) is not None:
        told.take(seen)
    told.report = watch.report()
    return told


def replayed(log):
    """The log as crashes leave it: after every fifty records the last twenty of them again."""
    rows = []
    for number, row in enumerate(log, 1):
        rows.append(row)
        if number % 50 == 0:
            rows += [again._replace(timestamp=row.timestamp) for again in rows[-20:]]
    return [row._replace(offset=offset) for offset, row in enumerate(rows)]


CHANGED = tuple(map(replayed, stream(1_000, shift=400, turn=480)))
COARSE = config(slide_rows=100)
