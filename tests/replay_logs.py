"""Logs of a pipeline in memory, and a monitor that watched them live: what it told, beside what it read."""

from __future__ import annotations

import json
import random

import msgspec
from protocol_world import Row

from streams.config import Config
from streams.cuts import key_of
from streams.messages import Beginning, Example, Prediction, encode
from streams.replay import Sent, SentAlert
from streams.replay_start import Window, inputs_of
from streams.stages.watch import Watch
from streams.topic_logs import MemoryLogs

REFERENCE, SLIDE, DELAY = 300, 50, 9


def config(**drift):
    settings = {"reference": {"rows": REFERENCE}, "window_rows": 200, "slide_rows": SLIDE, "rows_min": 50}
    return Config.model_validate(
        {
            "name": "shop",
            "topics": {"partitions": 2},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"x": "numeric", "n": "integer", "city": "categorical"},
            "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            "drift": settings | drift,
        }
    )


def rows(count, seed=4, shift=10**9):
    """By place: `count` predictions over two partitions, each labelled 9 rows later; x moves by 3 at row `shift`."""
    chance = random.Random(seed)
    places = [("shop.predictions", 0), ("shop.predictions", 1), ("shop.examples", 0)]
    logs = {place: [] for place in places}
    made = []
    for number in range(count + DELAY):
        ms = 1_000 + 10 * number
        if number < count:
            log = logs["shop.predictions", number % 2]
            features = {
                "x": chance.gauss(3 if number >= shift else 0, 1),
                "n": chance.randrange(10),
                "city": chance.choice(("Bern", "Thun", "Chur")),
            }
            said = chance.choice(("no", "yes"))
            made.append(
                Prediction(
                    id=f"e{number}", features=features, prediction=said, probabilities={said: 0.9}, model="champion",
                    version=number // 10, candidates={}, source=len(log), event_ms=ms,
                )
            )  # fmt: skip
            log.append(Row(len(log), ms, b"k", encode(made[-1])))
        if number >= DELAY:
            logs["shop.examples", 0].append(example(made[number - DELAY], len(logs["shop.examples", 0]), ms, chance))
    return logs


def example(said, offset, ms, chance):
    other = "no" if said.prediction == "yes" else "yes"
    fields = {name: getattr(said, name) for name in said.__struct_fields__ if name not in {"missing", "time", "v"}}
    label = said.prediction if chance.random() < 0.8 else other
    made = Example(**fields, label=label, label_source=(0, offset), closed=offset, label_ms=ms)
    return Row(offset, ms, b"k", encode(made))


class Live:
    """A monitor over these logs; `windows` and `alerts` are what it told.

    Its rows come in pieces of any size, some of one partition before those of another that are older.
    """

    def __init__(self, logs, settings=None, start=None, known=None, seed=3):
        chance, self.windows, self.alerts = random.Random(seed), [], []
        self.watch = Watch(settings or config(), {"next": start or {}, "high_ms": {}, "known": known or {}})
        sides = self.watch.merge.inputs
        ends = {side: len(logs.get((side.topic, side.partition), ())) for side in sides}
        longest, come = max(ends.values()), 0
        while any(side.read < end for side, end in ends.items()):
            come += chance.randrange(1, 100)
            for side, end in ends.items():
                side.end = min(end, max(side.read, come * end // longest - chance.randrange(60)))
                side.feed(side.read, side.end, logs.get((side.topic, side.partition), [])[side.read : side.end])
            while (seen := self.watch.step(chance.randrange(1, 300))) is not None:
                self.windows += [msgspec.json.decode(encode(each), type=Window) for each in seen.metrics]
                self.alerts += [json.loads(encode(each)) for each in seen.alerts]

    @property
    def sent(self):
        """Alerts as a replay reads them."""
        return [SentAlert(said=msgspec.convert(each, Sent), document=each) for each in self.alerts]


def ends(logs):
    return {key_of(place): len(logs.get(place, ())) for place in inputs_of(config())}


def starts(logs):
    return dict.fromkeys(ends(logs), 0)


def began(logs, **known):
    return Beginning(offsets=starts(logs), **known)


def kept(logs, begins=None):
    """The same as a replay reads them, all inputs there, whole or cut off at the front."""
    return MemoryLogs({place: logs.get(place, []) for place in inputs_of(config())}, begins)


__all__ = ["DELAY", "REFERENCE", "SLIDE", "Live", "MemoryLogs", "began", "config", "ends", "kept", "rows", "starts"]
