"""Processes that are stuck end themselves with 75, and a supervisor's next one goes on."""

from __future__ import annotations

import asyncio
import json

import pytest
from faust.types import TP
from kafka import KafkaProducer
from pipeline_process import Pipeline, until

from streams.kafka.watchdog import ask_ends

pytestmark = [pytest.mark.broker, pytest.mark.slow]

MODELS = '''
import threading, time
from pathlib import Path
from river import linear_model

HERE = Path(__file__).parent


class Blocking(linear_model.LogisticRegression):
    """Learns until somebody blocks it: then the event loop stands still."""

    def learn_one(self, x, y, w=1.0):
        while (HERE / "block").exists():
            time.sleep(0.05)
        super().learn_one(x, y)


class Hanging(linear_model.LogisticRegression):
    """Once somebody says so, its snapshots never come to an end: the loop turns, and nothing is learnt any more."""

    def __getstate__(self):
        if (HERE / "hang").exists():
            threading.Event().wait()
        began = time.thread_time()
        while time.thread_time() - began < 0.005:  # large enough for a thread of its own
            pass
        return self.__dict__


def blocking(_target, _kinds, _seed):
    return Blocking()


def hanging(_target, _kinds, _seed):
    return Hanging()
'''


def stuck(folder, broker, name, model, **health):
    """A pipeline with this model, whose champion may only be so far behind."""
    models = {"lag_examples_max": 100, "candidates": {"champion": {"model": f"stuck_models:{model}"}}}
    made = Pipeline(folder, broker, name, models=models, health=health, topics={"partitions": 1})
    (folder / "stuck_models.py").write_text(MODELS)
    return made.create_topics()


def send(broker, pipeline, start, count):
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(start, start + count):
        key = f"e{number}".encode()
        event = {"id": f"e{number}", "features": {"x": number % 7 - 3.0, "y": 1.0}}
        producer.send(pipeline.topic("features"), key=key, value=json.dumps(event).encode())
        label = {"id": f"e{number}", "label": "yes" if number % 2 else "no"}
        producer.send(pipeline.topic("labels"), key=key, value=json.dumps(label).encode())
    producer.close()


def keep_sending(broker, pipeline, process, start):
    """More and more, until the process ends; its exit code."""
    for number in range(60):
        if process.popen.poll() is not None:
            break
        send(broker, pipeline, start + 50 * number, 50)
        try:
            return process.wait(1.0)
        except AssertionError:
            continue
    return process.wait(5)


def test_a_loop_that_is_blocked_ends_the_process_and_says_where(broker, pipeline_name, tmp_path):
    """A model that never comes back from `learn_one` holds everything, heartbeats of the watchdog too."""
    with stuck(tmp_path, broker, pipeline_name, "blocking", end_after="3s") as pipeline:
        worker = pipeline.start("worker")
        worker.wait_for("task_restored")
        (tmp_path / "block").touch()
        send(broker, pipeline, 0, 20)

        assert worker.wait(40) == 75
        assert "the event loop has not turned for" in worker.text()
        assert "stuck_models.py" in worker.text()
        (tmp_path / "block").unlink()
        again = pipeline.start("worker")
        again.wait_for("shard_restored", learnt=0)


def test_work_that_hangs_while_the_lag_grows_ends_the_process(broker, pipeline_name, tmp_path):
    """A snapshot's thread that never ends stops the learning, and then predictions wait for the model, for ever."""
    with stuck(tmp_path, broker, pipeline_name, "hanging", end_after="4s", unhealthy_after="2s") as pipeline:
        worker = pipeline.start("worker", "--log-level", "debug")
        worker.wait_for("task_restored")
        send(broker, pipeline, 0, 50)
        # The price of a snapshot is known after the first one: the next is a thread's.
        until(lambda: any(cut["name"] == "shard-0" for cut in worker.events("cut")), 30, "a cut of the model")
        (tmp_path / "hang").touch()

        assert keep_sending(broker, pipeline, worker, 50) == 75
        assert "could not move for" in worker.text()
        (tmp_path / "hang").unlink()
        again = pipeline.start("worker")
        again.wait_for("task_restored")
        assert again.stop() == 0


class Fetching:
    """A member whose fetch says nothing."""

    def __init__(self, broker, place):
        self.connection, self.place = {"bootstrap_servers": broker}, place
        self.told, self.heard = {}, asyncio.Event()

    @property
    def ends(self):
        return self.told

    @ends.setter
    def ends(self, told):
        self.told = told
        self.heard.set()

    def inputs(self):
        return {self.place: 0}


def test_how_far_a_log_goes_is_known_without_the_fetch(broker, pipeline_name, tmp_path):
    """A fetch that hangs reports no new end: without this the lag would never grow, and nobody would be stuck."""
    with Pipeline(tmp_path, broker, pipeline_name, topics={"partitions": 1}).create_topics() as pipeline:
        member = Fetching(broker, TP(pipeline.topic("features"), 0))
        send(broker, pipeline, 0, 7)

        async def run():
            asking = asyncio.ensure_future(ask_ends(member))
            await asyncio.wait_for(member.heard.wait(), 30)
            asking.cancel()

        asyncio.run(run())
        assert member.ends == {member.place: 7}
