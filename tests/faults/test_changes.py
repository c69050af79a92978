"""What is other at the next start than it was at the kill: settings, topics, logs. Refused in words, or taken over."""

from __future__ import annotations

from contextlib import closing

import pytest
import tomlkit
from kafka import KafkaAdminClient, KafkaProducer
from pipeline_process import PATIENCE_S, until

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]


def configure(told, table, **settings):
    """Write other settings into millrace.toml; what was there before."""
    before = told.pipeline.config.read_text()
    document = tomlkit.parse(before)
    document[table].update(settings)
    told.pipeline.config.write_text(tomlkit.dumps(document))
    told.note(f"{table}: {settings}", fault=True)
    return before


def refusal(told, role):
    """What a start says that must end at once."""
    process = told.pipeline.start(role)
    assert process.wait(PATIENCE_S) == 1
    assert "Traceback" not in process.text()
    return process.text()


def test_a_changed_setting_is_taken_over_or_refused_by_its_name(story):
    """Harmless ones count from the next start on; one that contradicts the state is named, with what accepts it."""
    with story() as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=200)
        for member in ("worker", "monitor"):
            told.kill(member)
        for role, table, setting, path in (
            ("worker", "labels", {"wait": "4s"}, "labels.wait"),
            ("worker", "models", {"score_rows": 500}, "models.score_rows"),
            ("worker", "features", {"z": "numeric"}, "features"),
            ("monitor", "drift", {"window_rows": 300}, "drift.window_rows"),
        ):
            before = configure(told, table, **setting)
            words = refusal(told, role)
            assert path in words
            assert "millrace rebuild" in words
            told.pipeline.config.write_text(before)
        configure(told, "models", publish_every="200ms")
        configure(told, "state", checkpoint_every="100ms")
        for member in ("worker", "monitor"):
            told.start(member)
        told.audit()


def test_another_model_is_refused_until_it_has_learnt_the_logged_examples(story):
    """The code of a candidate changes between kill and restart: the log is what it can be learnt from."""
    with story() as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=200)
        for member in ("worker", "monitor"):
            told.kill(member)
        configure(told, "models", candidates={"champion": {"model": "hoeffding_tree"}})
        assert "millrace rebuild --shards" in refusal(told, "worker")
        assert run(["rebuild", "--config", str(told.pipeline.config), "--shards", "--monitor", "--yes"]) == 0
        for member in ("worker", "monitor"):
            told.start(member)
        told.traffic.finish()
        told.traffic = None
        told.caught_up()
        for member in ("worker", "monitor"):
            told.stop(member)
        assert run(["rebuild", "--config", str(told.pipeline.config), "--monitor", "--yes"]) == 0


@pytest.mark.parametrize("running", [True, False])
def test_a_topic_made_anew_is_refused_however_long_it_has_become(story, running):
    """Its offsets mean other records now, though there are more of them than were read."""
    with story() as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=100)
        told.traffic.finish()
        told.traffic = None
        read = told.end("features")
        if not running:
            told.stop("worker")
        topic = told.pipeline.topic("features")
        with closing(KafkaAdminClient(bootstrap_servers=told.pipeline.bootstrap)) as admin:
            admin.delete_topics([topic])
        told.note("features deleted", fault=True)
        until(lambda: run(["topics", "create", "--config", str(told.pipeline.config)]) == 0, PATIENCE_S, "made anew")
        with closing(KafkaProducer(bootstrap_servers=told.pipeline.bootstrap)) as producer:
            for number in range(2 * read):
                value = b'{"id": "new%d", "features": {"x": 1.0, "y": 1.0}}' % number
                producer.send(topic, key=b"%d" % number, value=value)
            producer.flush()
        if running:
            told.kill("worker")
        words = refusal(told, "worker")
        assert "deleted and made anew" in words
        assert "millrace rebuild" in words
