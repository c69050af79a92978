"""Every alert of several partitions at unequal rates is computed again, whatever came late and whoever was killed."""

from __future__ import annotations

import json
import random
import time
from contextlib import ExitStack, closing

import pytest
from kafka import KafkaProducer
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_topic
from watch_stream import DRIFT, example, prediction

from streams.cli.main import run
from streams.messages import encode

pytestmark = [pytest.mark.broker, pytest.mark.slow]

FEATURES = {"x": "numeric", "y": "numeric", "city": "categorical"}
WEIGHTS = (12, 4, 2, 1)
"""Of partitions 0 to 3."""
ALL = range(len(WEIGHTS))
SEED = 7


class Told:
    """What workers would have said: predictions at unequal rates, and their examples a little later."""

    def __init__(self, pipeline):
        self.pipeline, self.chance = pipeline, random.Random(SEED)
        self.producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap)
        self.late = KafkaProducer(bootstrap_servers=pipeline.bootstrap, transactional_id=f"{pipeline.name}.late")
        self.sources, self.labels, self.made = [0] * len(WEIGHTS), 0, []

    def one(self, producer, partition, *, shifted):
        """A prediction, and the example of the seventh before it; shifted, both x and the loss are others."""
        said = prediction(len(self.made), self.sources[partition], self.chance, shifted=shifted)
        self.sources[partition] += 1
        self.made.append(said)
        producer.send(self.pipeline.topic("predictions"), key=b"k", value=encode(said), partition=partition)
        if len(self.made) > 7:
            made = example(self.made[-8], self.labels, self.chance.random() < (0.2 if shifted else 0.9))
            self.labels += 1
            self.producer.send(self.pipeline.topic("examples"), key=b"k", value=encode(made), partition=0)

    def rows(self, count, partitions=ALL, *, shifted=False):
        """So many, in bursts."""
        weights = [WEIGHTS[partition] for partition in partitions]
        for number in range(count):
            self.one(self.producer, self.chance.choices(partitions, weights)[0], shifted=shifted)
            if number % 25 == 0:
                time.sleep(0.02)
        self.producer.flush()

    def said_of(self):
        """The events and labels there must have been: a rebuild looks whether they are there."""
        for partition, count in enumerate(self.sources):
            for _ in range(count):
                self.producer.send(self.pipeline.topic("features"), key=b"k", value=b"{}", partition=partition)
        for _ in range(self.labels):
            self.producer.send(self.pipeline.topic("labels"), key=b"k", value=b"{}", partition=0)
        self.producer.flush()

    def behind(self, windows, *, shifted):
        """Rows of partition 3 that the broker stores now, and that come into sight after later ones were shown."""
        self.late.begin_transaction()
        for _ in range(15):
            self.one(self.late, 3, shifted=shifted)
        self.late.flush()
        before = windows()
        self.rows(161, range(3), shifted=shifted)  # beyond a window: its cut alone would say where the late ones go
        until(lambda: windows() > before + 1, 30, "windows of the later rows")
        self.late.commit_transaction()


def shown(pipeline, role="metrics"):
    """As they were told, each once."""
    told = {record.json["id"]: record.json for record in read_topic(pipeline.bootstrap, pipeline.topic(role))}
    return list(told.values())


def caught_up(pipeline):
    """The monitor; there is no worker."""

    def lacking():
        return {
            place: rows for place, rows in lag(pipeline).items() if ".predictions/" in place or ".examples/" in place
        }

    until(lambda: not lacking(), 40, lambda: f"caught up, lacking {lacking()}")


def begun(pipeline):
    """A monitor that reads."""
    monitor = pipeline.start("monitor")
    monitor.wait_for("monitor_restored")
    return monitor


def test_every_alert_of_two_lives_is_computed_again(broker, pipeline_name, tmp_path, capsys):
    """Rows came after later ones, the monitor died, and was rebuilt: not a field of any alert differs."""
    pipeline = Pipeline(
        tmp_path, broker, pipeline_name, topics={"partitions": len(WEIGHTS)}, features=FEATURES,
        drift=DRIFT | {"loss_detectors": [], "feature_detectors": {}, "rebase_after_rows": 0},
    )  # fmt: skip
    with pipeline.create_topics(), ExitStack() as stack:
        told = Told(pipeline)
        stack.enter_context(closing(told.producer))
        stack.enter_context(closing(told.late))
        told.late.init_transactions()
        monitor = begun(pipeline)
        told.rows(300)
        told.behind(lambda: len(shown(pipeline)), shifted=False)
        told.rows(250, shifted=True)
        monitor.wait_for("alert")
        monitor.kill()
        monitor = begun(pipeline)
        told.behind(lambda: len(shown(pipeline)), shifted=True)
        told.rows(400)
        caught_up(pipeline)
        assert monitor.stop() == 0
        first_life = len(shown(pipeline))
        told.said_of()
        assert run(["rebuild", "--monitor", "--yes", "--config", str(pipeline.config)]) == 0
        monitor = begun(pipeline)
        told.rows(350)
        told.behind(lambda: len(shown(pipeline)), shifted=False)
        told.rows(250, shifted=True)
        monitor.wait_for("alert")
        caught_up(pipeline)
        assert monitor.stop() == 0
    windows, alerts = shown(pipeline), shown(pipeline, "alerts")
    assert sum(bool(window["cut"].get("setbacks")) for window in windows) >= 3
    assert [at for at, window in enumerate(windows) if "began" in window["cut"]] == [0, first_life]
    incidents = list(dict.fromkeys(alert["incident"] for alert in alerts))
    assert len(incidents) >= 2
    for incident in incidents:
        capsys.readouterr()
        ended = run(["replay", "--alert", incident, "--json", "--config", str(pipeline.config)])
        tree = json.loads(capsys.readouterr().out)
        assert (ended, tree["same"]) == (0, True), [each["differences"] for each in tree["alerts"]]
        assert [each["replayed"] for each in tree["alerts"]] == [a for a in alerts if a["incident"] == incident]
