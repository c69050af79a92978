"""`millrace alerts` and `retrain-requests` on the real Kafka: which records, in which form, and through an outage."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from pipeline_process import MILLRACE, Pipeline, until
from sent_alerts import EVIL, alert, send

from streams.cli.main import run
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker

pytestmark = pytest.mark.broker


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path, capsys):
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as made:
        capsys.readouterr()
        yield made


def told(capsys, *words):
    """Standard output and error of one command that works."""
    assert run([*words]) == 0
    return capsys.readouterr()


def test_the_last_ten_are_shown_and_all_on_demand(pipeline, capsys):
    """Oldest first; what was left out is said; `--last` and `--since` choose."""
    send(pipeline.bootstrap, pipeline.topic("alerts"), map(alert, range(12)))
    words = ["alerts", "--config", str(pipeline.config)]
    default = told(capsys, *words)

    assert [line.split("\t")[3] for line in default.out.splitlines()] == [f"i{n}" for n in range(2, 12)]
    assert "the last 10 of 12" in default.err
    assert len(told(capsys, *words, "--since", "all").out.splitlines()) == 12
    assert len(told(capsys, *words, "--since", "1h", "--last", "3").out.splitlines()) == 3
    assert told(capsys, *words, "--last", "0").out == ""


def test_json_is_the_record_itself_and_a_line_is_one_line(pipeline, capsys):
    """A title can neither colour a terminal nor break a line; what is no alert is passed over and told."""
    send(pipeline.bootstrap, pipeline.topic("alerts"), [alert(1, EVIL), b"no JSON", b"{}"])
    words = ["alerts", "--config", str(pipeline.config)]
    plain, raw = told(capsys, *words), told(capsys, *words, "--json")

    assert len(plain.out.splitlines()) == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(plain.out)
    assert "[red]text[/red]" in plain.out
    assert [json.loads(line) for line in raw.out.splitlines()] == [alert(1, EVIL)]
    assert raw.err.count("is not a record as millrace writes them") == 2


def test_a_retrain_request_names_its_ranges(pipeline, capsys):
    """What a trainer needs is on the line."""
    request = {
        "id": "i1/retrain",
        "cause": "size",
        "incident": "i1",
        "model": "champion",
        "version": 7,
        "reason": "the loss has risen",
        "evidence": [],
        "since_ms": 1_000,
        "basis": "latest",
        "ranges": {"shop.examples/0": [10, 20]},
        "examples": 10,
        "cut": {"id": "c", "offsets": {}},
    }
    send(pipeline.bootstrap, pipeline.topic("retrain"), [request])
    out = told(capsys, "retrain-requests", "--config", str(pipeline.config)).out

    assert "shop.examples/0 [10, 20)" in out
    assert "champion@7" in out


def test_without_topics_the_command_that_makes_them_is_named(broker, pipeline_name, tmp_path, capsys):
    """A newcomer's first mistake."""
    with Pipeline(tmp_path, broker, pipeline_name) as pipeline:
        assert run(["alerts", "--config", str(pipeline.config)]) == 1
    assert "millrace topics create" in capsys.readouterr().err


def test_a_follower_outlives_its_broker_and_ends_quietly(pipeline_name, tmp_path):
    """Lost and back are each said once, nothing is missed or told twice, and Ctrl-C prints no traceback."""
    settings = LocalBrokerSettings(folder=tmp_path / "kafka")
    with LocalBroker(settings) as broker:
        bootstrap = broker.status().bootstrap
        pipeline = Pipeline(tmp_path, bootstrap, pipeline_name).create_topics()
        send(bootstrap, pipeline.topic("alerts"), [alert(1)])
        out, err = tmp_path / "out", tmp_path / "err"
        command = [MILLRACE, "alerts", "--follow", "--json", "--config", str(pipeline.config)]
        with out.open("w") as sink, err.open("w") as errors:
            follower = subprocess.Popen(command, stdout=sink, stderr=errors, cwd=tmp_path)
        try:
            until(lambda: "following" in err.read_text(), 20, err.read_text)
            broker.stop()
            until(lambda: "does not answer" in err.read_text(), 20, err.read_text)
            port = int(bootstrap.rpartition(":")[2])
            with LocalBroker(LocalBrokerSettings(folder=tmp_path / "kafka", port=port)) as again:
                send(again.status().bootstrap, pipeline.topic("alerts"), [alert(2)])
                until(lambda: len(out.read_text().splitlines()) == 2, 30, err.read_text)
                follower.send_signal(signal.SIGINT)
                code = follower.wait(10)
        finally:
            if follower.poll() is None:
                follower.kill()
                follower.wait(10)

    assert [json.loads(line)["incident"] for line in out.read_text().splitlines()] == ["i1", "i2"]
    assert code == 130
    said = err.read_text()
    assert said.count("does not answer") == said.count("is back") == 1
    assert "Traceback" not in said
