"""`millrace status` and `report` on a pipeline that has run, and on one that has not."""

from __future__ import annotations

import json
import time

import pytest
from kafka import KafkaProducer
from pipeline_process import Pipeline, until
from pipeline_records import lag
from pipeline_traffic import Traffic

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def pipeline(broker, tmp_path_factory):
    """One that has predicted, learnt, seen a change of x and buried two records; stopped."""
    folder = tmp_path_factory.mktemp("status")
    with Pipeline(folder, broker, f"status-{time.time_ns()}").create_topics() as made:
        worker, monitor = made.start("worker"), made.start("monitor")
        monitor.wait_for("monitor_restored")
        producer = KafkaProducer(bootstrap_servers=broker)
        producer.send(made.topic("features"), key=b"k", value=b"no JSON")
        producer.send(made.topic("features"), key=b"k", value=b"{}")
        producer.close()
        with Traffic(broker, made.topic("features"), made.topic("labels"), rate=300, seed=5) as traffic:
            monitor.wait_for("reference_taken")
            time.sleep(1)
            traffic.say("shift")
            monitor.wait_for("alert")
            made.events = traffic.finish()
        until(lambda: not lag(made), 20, lambda: f"caught up, lacking {lag(made)}")
        assert [process.stop() for process in (worker, monitor)] == [0, 0]
        yield made


def asked(capsys, pipeline, *words):
    """The tree of `status --json`."""
    assert run(["status", "--json", "--seconds", "0.1", "--config", str(pipeline.config), *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_ledger_of_a_run_is_complete_and_its_identities_hold(pipeline, capsys):
    """Every prediction and label is accounted for, and the lag of a pipeline that caught up is 0."""
    told = asked(capsys, pipeline)
    counts = told["labels"]["counts"]

    assert counts["predicted"] + counts["event_duplicate"] >= pipeline.events
    assert counts["event_dead"] == told["dead_letters"]["held"] == sum(told["dead_letters"]["by_reason"].values()) == 2
    assert [identity["holds"] for identity in told["labels"]["identities"]] == [True, True]
    assert told["learning"]["identities"][0]["holds"] is True
    assert set(told["worker"]["lag"].values()) == set(told["monitor"]["lag"].values()) == {0}
    assert told["worker"]["members"] == told["monitor"]["members"] == 0
    assert [state["name"] for state in told["states"]] == ["task-0", "task-1", "shard-0", "monitor"]
    assert all(state["age_ms"] > 0 and state["problem"] is None for state in told["states"])


def test_scores_stand_beside_the_baselines_and_an_incident_is_named(pipeline, capsys):
    """The model as of its checkpoint, never without what it must beat."""
    told = asked(capsys, pipeline)
    (model,) = told["models"]

    assert set(model["scores"]) == {"champion", "no_change", "prior"}
    assert model["learnt"] == told["learning"]["counts"]["learnt"] > 0
    assert model["published"]["version"] <= model["version"]
    assert told["watch"]["windows"] > 0
    assert told["watch"]["last"]["columns"] == 4
    incident = told["incident"]
    assert incident is None or "x" in incident["title"]


def test_the_screen_says_all_of_it_in_plain_lines(pipeline, capsys):
    """In a pipe there is no control character, and each line begins with its part."""
    assert run(["status", "--seconds", "0.1", "--config", str(pipeline.config)]) == 0
    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert {line.split("\t")[0] for line in out.splitlines()[2:]} == {
        "worker",
        "monitor",
        "state",
        "model",
        "ledger",
        "drift",
        "dead",
    }
    assert "BROKEN" not in out
    assert "2 dead letters" in out


def test_looking_changes_nothing(pipeline, capsys):
    """Not a file of the store differs after a status, with and without Kafka."""
    before = {path: path.stat().st_mtime_ns for path in pipeline.state.rglob("*")}
    asked(capsys, pipeline)
    away = asked(capsys, pipeline, "--set", "kafka.bootstrap=127.0.0.1:9")

    assert {path: path.stat().st_mtime_ns for path in pipeline.state.rglob("*")} == before
    assert "could not reach Kafka" in away["broker"]["problem"]
    assert away["worker"]["members"] is None
    assert away["labels"]["counts"]["predicted"] > 0


def test_before_anything_ran_it_says_what_is_not_there(broker, pipeline_name, tmp_path, capsys):
    """No topics, no checkpoints: no error, no key file, and the commands that make them."""
    with Pipeline(tmp_path, broker, pipeline_name) as pipeline:
        told = asked(capsys, pipeline)

    assert len(told["broker"]["missing_topics"]) == 10
    assert told["labels"] is told["learning"] is told["incident"] is None
    assert "millrace worker" in told["store"]["problem"]
    assert not (tmp_path / ".millrace").exists()


def test_a_report_of_the_window_is_rendered_once_listed_and_found_by_its_beginning(pipeline, tmp_path, capsys):
    """The page names a command that shows it again, and that command works."""
    words = ["report", "--config", str(pipeline.config)]
    assert run([*words, "--out", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")
    (job,) = pipeline.folder.glob("reports/window-*/job.json")
    recompute = json.loads(job.read_text())["recompute"].split()
    page = job.with_name("report.html")
    rendered = page.stat().st_mtime_ns
    capsys.readouterr()

    assert recompute[0] == "millrace"
    assert run([*recompute[1:], "--config", str(pipeline.config)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert run([*words, "--incident", "window-"]) == 0
    assert page.stat().st_mtime_ns == rendered
    capsys.readouterr()
    assert run([*words, "--list"]) == 0
    assert job.parent.name in capsys.readouterr().out
    assert "</html>" in (tmp_path / "page.html").read_text()[-200:].lower()


def test_a_report_that_is_not_there_or_not_rendered(pipeline, capsys):
    """An unknown name is an error with the command that lists them; a page that was lost is rendered again."""
    words = ["report", "--config", str(pipeline.config)]
    assert run([*words, "--incident", "nothing"]) == 1
    assert "millrace report --list" in capsys.readouterr().err
    assert run(words) == 0
    (page,) = pipeline.folder.glob("reports/window-*/report.html")
    page.unlink()

    assert run([*words, "--incident", page.parent.name]) == 0
    assert page.is_file()
