"""`millrace broker` and `millrace topics`, as somebody types them."""

from __future__ import annotations

import json

import pytest

from streams.cli.main import run
from streams.kafka.admin import Admin
from streams.kafka.ports import free_port
from streams.kafka.topics import TopicSpec

TOML = """
name = "{name}"
[kafka]
bootstrap = "{bootstrap}"
[topics]
partitions = 3
{topics}
[target]
task = "binary"
labels = ["no", "yes"]
positive = "yes"
[features]
amount = "numeric"
[models.candidates.champion]
model = "logistic_regression"
"""


@pytest.fixture
def pipeline(tmp_path, monkeypatch, pipeline_name):
    """Writes a millrace.toml into an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_CONFIG", raising=False)

    def write(bootstrap: str, topics: str = "") -> str:
        text = TOML.format(name=pipeline_name, bootstrap=bootstrap, topics=topics)
        (tmp_path / "millrace.toml").write_text(text)
        return pipeline_name

    return write


@pytest.mark.broker
def test_a_broker_is_started_found_and_stopped_from_the_folder_of_the_config(pipeline, capsys, tmp_path):
    """Start prints an address that scripts can use; a second start finds the first; all three agree on the state."""
    pipeline("local")
    try:
        assert run(["broker", "start"]) == 0
        address = capsys.readouterr().out.strip()
        assert address.startswith("127.0.0.1:")
        assert (tmp_path / ".millrace" / "kafka" / "data").is_dir()
        assert run(["broker", "start", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["bootstrap"] == address
        assert run(["broker", "status"]) == 0
        assert f"running at {address} until 'millrace broker stop'" in capsys.readouterr().out
        assert run(["topics", "create"]) == 0
        assert run(["topics", "check"]) == 0
    finally:
        assert run(["broker", "stop"]) == 0
    capsys.readouterr()

    assert run(["broker", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"
    assert run(["broker", "stop"]) == 0
    assert "no Kafka was running" in capsys.readouterr().out
    assert run(["topics", "check"]) == 75
    assert "'millrace broker start' starts it" in capsys.readouterr().err


def test_a_config_that_names_another_kafka_starts_none_here(pipeline, capsys):
    """Two brokers for one pipeline would be found out late."""
    pipeline("kafka.example:9092")

    assert run(["broker", "start"]) == 1
    assert "kafka.bootstrap must be \"local\" for a broker on this machine, got 'kafka.example:9092'" in (
        capsys.readouterr().err
    )


@pytest.mark.broker
def test_create_makes_what_is_missing_and_says_what_exists(pipeline, broker, capsys):
    """Idempotent: the second run changes nothing and exits alike."""
    name = pipeline(broker)

    assert run(["topics", "check"]) == 1
    before = capsys.readouterr().out
    assert "10 topics, 10 departures" in before
    assert "millrace topics create" in before

    assert run(["topics", "create"]) == 0
    first = capsys.readouterr().out.splitlines()
    assert run(["topics", "create"]) == 0
    second = capsys.readouterr().out.splitlines()

    assert f"created  {name}.features (3 partitions)" in first
    assert f"exists   {name}.alerts (1 partition)" in second
    assert [line.split()[0] for line in first + second] == ["created"] * 10 + ["exists"] * 10
    assert run(["topics", "check"]) == 0
    assert "10 topics, no departures" in capsys.readouterr().out


@pytest.mark.broker
def test_check_finds_what_somebody_changed_and_mend_puts_it_right(pipeline, broker, configure, capsys):
    """A departure has its command beside it, and `create --mend` runs it for our own topics."""
    name = pipeline(broker)
    run(["topics", "create"])
    with Admin(configure(broker)) as admin:
        admin.alter_configs(f"{name}.predictions", {"retention.ms": "60000"})
    capsys.readouterr()

    assert run(["topics", "check", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["departures"]
    assert (found["topic"], found["what"], found["actual"]) == (f"{name}.predictions", "retention.ms", "60000")
    assert found["mend"].startswith(f"kafka-configs.sh --bootstrap-server {broker} --alter")

    assert run(["topics", "create"]) == 1  # says so, and leaves it
    assert run(["topics", "create", "--mend"]) == 0
    assert run(["topics", "check"]) == 0


@pytest.mark.broker
def test_a_users_topics_are_looked_at_and_never_touched(pipeline, broker, configure, capsys):
    """Neither made when absent nor mended when wrong; unequal partition numbers are told."""
    name = pipeline(broker, topics='features = "NAME-orders"\nlabels = "NAME-paid"'.replace("NAME", pipeline_prefix()))
    orders, paid = f"{pipeline_prefix()}-orders", f"{pipeline_prefix()}-paid"
    with Admin(configure(broker)) as admin:
        wrong = TopicSpec(name=orders, role="features", partitions=2, replication=1, configs={})
        admin.create_topics([wrong])
        before = admin.topics([orders, paid])
        assert run(["topics", "create", "--mend"]) == 1
        out = capsys.readouterr().out
        assert admin.topics([orders, paid]) == before

    assert f"yours    {orders}" in out
    assert f"{orders}: message.timestamp.type must be LogAppendTime, got CreateTime" in out
    assert f"{orders}: partitions must be 3, got 2" in out
    assert f"{paid}: topic must be there, got none" in out
    assert f"created  {name}.predictions" in out


def pipeline_prefix() -> str:
    return "somebody-elses"


def test_without_a_broker_topics_say_so_and_exit_1(pipeline, capsys):
    """One line, no traceback."""
    port = free_port()
    pipeline(f"127.0.0.1:{port}")

    assert run(["topics", "check"]) == 75

    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"could not reach Kafka at 127.0.0.1:{port}: connection refused" in captured.err
