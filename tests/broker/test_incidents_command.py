"""`millrace incidents` and `millrace drift rebase` on the real Kafka, beside a monitor that does what is asked."""

from __future__ import annotations

import json

import msgspec
import pytest
from pipeline_process import Pipeline, until
from pipeline_records import read_topic
from sent_alerts import EVIL, alert, send

from streams.cli.main import run
from streams.messages import Instruction

pytestmark = pytest.mark.broker


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    with Pipeline(tmp_path, broker, pipeline_name, topics={"partitions": 1}).create_topics() as made:
        capsys.readouterr()
        yield made


def told(capsys, pipeline, *words):
    """(exit code, stdout, stderr) of `millrace incidents …`."""
    code = run([*words, "--config", str(pipeline.config)])
    return code, *capsys.readouterr()


def listed(capsys, pipeline):
    code, out, _ = told(capsys, pipeline, "incidents", "--json")
    assert code == 0
    return json.loads(out)


def asked(pipeline):
    records = read_topic(pipeline.bootstrap, pipeline.topic("control"))
    return [
        msgspec.json.decode(record.value, type=Instruction) for record in records if record.value != b"no instruction"
    ]


def test_incidents_are_listed_and_looked_after(pipeline, capsys):
    """Who asks, about what and why is on the topic; the list says it beside what the monitor has told."""
    assert told(capsys, pipeline, "incidents")[2] == "no incident so far\n"
    over = alert(1) | {"id": "i1/recovered/1", "phase": "recovered"}
    send(pipeline.bootstrap, pipeline.topic("alerts"), [alert(1), alert(2, EVIL), alert(2, EVIL), over, b"\xff"])
    send(pipeline.bootstrap, pipeline.topic("control"), [b"no instruction"])

    assert told(capsys, pipeline, "incidents", "acknowledge", "i2", "--note", "new tariff")[0] == 0
    assert told(capsys, pipeline, "incidents", "silence", "x", "loss", "--until", "2h", "--by", "bob")[0] == 0

    found = listed(capsys, pipeline)
    assert [(each["incident"], each["state"], each["alerts"]) for each in found["incidents"]] == [
        ("i2", "acknowledged by ada", 1),
        ("i1", "recovered", 2),
    ]
    assert found["incidents"][0]["acknowledged"] == {"by": "ada", "note": "new tariff"}
    assert [(each["subject"], each["by"]) for each in found["silences"]] == [("feature:x", "bob"), ("loss", "bob")]
    _, out, _ = told(capsys, pipeline, "incidents")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 1 + 2 + 2

    assert told(capsys, pipeline, "incidents", "unsilence", "x", "loss")[0] == 0
    assert told(capsys, pipeline, "incidents", "close", "i2")[0] == 0
    found = listed(capsys, pipeline)
    assert (found["incidents"][0]["state"], found["silences"]) == ("closing", [])
    assert [(each.action, each.incident, each.by) for each in asked(pipeline)] == [
        ("acknowledge", "i2", "ada"),
        ("silence", "", "bob"),
        ("unsilence", "", "ada"),
        ("close", "i2", "ada"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["incidents", "acknowledge", "zz"], "of no incident that `alerts` still hold"),
        (["incidents", "close", "i"], "that 2 incidents begin with"),
        (["incidents", "close", "i1"], "must be of an open incident, i1 is recovered"),
        (["incidents", "silence", "xx"], "did you mean x?"),
        (["incidents", "silence", "x", "--until", "soon"], "--until must be a duration such as 2h or a time"),
        (["incidents", "silence", "x", "--until", "2001-01-01"], "--until must lie ahead"),
    ],
)
def test_what_cannot_be_meant_is_not_asked(pipeline, capsys, words, said):
    """One line, and nothing on the topic."""
    over = alert(1) | {"id": "i1/recovered/1", "phase": "recovered"}
    send(pipeline.bootstrap, pipeline.topic("alerts"), [alert(1), alert(2), over])

    code, _, err = told(capsys, pipeline, *words)

    assert code == 1
    assert said in err
    assert err.count("\n") == 1
    assert asked(pipeline) == []


@pytest.mark.slow
def test_the_monitor_does_what_is_asked(pipeline, capsys):
    """A rebase goes into its state; what follows is in its next windows."""
    pipeline.start("worker")
    monitor = pipeline.start("monitor")
    features = [
        {"id": f"e{number}", "features": {"x": (number * 37 % 100) / 100, "y": (number * 53 % 100) / 100}}
        for number in range(400)
    ]
    send(pipeline.bootstrap, pipeline.topic("features"), features)
    monitor.wait_for("reference_taken")

    assert told(capsys, pipeline, "drift", "rebase", "--note", "new price list")[0] == 0
    until(lambda: read_topic(pipeline.bootstrap, pipeline.topic("control")), 10, "the instruction is there")
    send(pipeline.bootstrap, pipeline.topic("features"), [each | {"id": "again" + each["id"]} for each in features])

    monitor.wait_for("reference_taken", count=2)
    until(
        lambda: (
            read_topic(pipeline.bootstrap, pipeline.topic("metrics"))[-1].json["cut"]["offsets"][
                f"{pipeline.topic('control')}/0"
            ]
            == 1
        ),
        20,
        "a window after it",
    )
    assert run(["verify", "--config", str(pipeline.config)]) == 0
