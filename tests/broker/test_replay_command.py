"""`millrace replay` and `millrace scorecard` on a real Kafka: on what a pipeline left behind."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from pipeline_process import Pipeline, until
from pipeline_records import lag, read_topic
from pipeline_traffic import Traffic

from streams.cli.main import run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def asked(capsys, pipeline, *arguments, code=0):
    """The tree of a command that ends with this exit code."""
    capsys.readouterr()
    ended = run([*arguments, "--json", "--config", str(pipeline.config)])
    shown = capsys.readouterr()
    assert ended == code, shown.err
    return json.loads(shown.out)


def refused(capsys, pipeline, *arguments):
    """Its one line."""
    capsys.readouterr()
    assert run([*arguments, "--config", str(pipeline.config)]) == 1
    return capsys.readouterr().err


def test_alerts_are_computed_again_and_other_settings_tried(broker, pipeline_name, tmp_path, capsys):
    """A pipeline that was shifted, and whose monitor was killed: each alert is the same; a forged one is not."""
    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as pipeline:
        worker, monitor = pipeline.start("worker"), pipeline.start("monitor")
        monitor.wait_for("monitor_restored")
        with Traffic(broker, pipeline.topic("features"), pipeline.topic("labels"), rate=300, seed=11) as traffic:
            monitor.wait_for("reference_taken")
            traffic.say("shift")
            monitor.wait_for("alert")
            monitor.kill()
            monitor = pipeline.start("monitor")
            monitor.wait_for("monitor_restored")
            traffic.finish()
        until(lambda: not lag(pipeline), 20, lambda: f"caught up, lacking {lag(pipeline)}")
        assert [process.stop() for process in (worker, monitor)] == [0, 0]
    told = {record.json["id"]: record.json for record in read_topic(broker, pipeline.topic("alerts"))}
    before = {role: len(read_topic(broker, pipeline.topic(role))) for role in ("alerts", "metrics", "predictions")}
    every_alert_is_the_same(capsys, pipeline, told)
    other_settings_and_changes(capsys, pipeline, told)
    a_scorecard_of_its_topics(capsys, pipeline)
    what_is_asked_wrongly(capsys, pipeline)
    assert before == {role: len(read_topic(broker, pipeline.topic(role))) for role in before}
    a_forged_alert_differs(capsys, pipeline, told)
    what_is_gone(capsys, pipeline, told)


def every_alert_is_the_same(capsys, pipeline, told):
    """By its id, by its incident's, in JSON and in words."""
    incidents = {alert["incident"] for alert in told.values()}
    for incident in incidents:
        tree = asked(capsys, pipeline, "replay", "--alert", incident)
        assert tree["same"] is True, tree
        assert [each["id"] for each in tree["alerts"]] == [key for key in told if key.startswith(incident)]
        assert all(each["replayed"] == each["sent"] == told[each["id"]] for each in tree["alerts"])
    first = next(iter(told))
    assert run(["replay", "--alert", first, "--config", str(pipeline.config)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{first}: the same: ")
    assert "computed from" in shown.err
    assert "\x1b" not in shown.out


def other_settings_and_changes(capsys, pipeline, told):
    """The sent stand beside those of other settings; a change that is injected is told where there was none."""
    same = asked(capsys, pipeline, "replay")
    assert [each["id"] for each in same["sent"]] == list(told)
    assert {each["id"] for each in same["replayed"]} == set(told)
    assert all(pair["sent"] == pair["replayed"] for pair in same["side_by_side"])

    silent = asked(capsys, pipeline, "replay", "--set", 'drift.alert_on=["loss"]')
    assert not [each for each in silent["replayed"] if "feature:x" in str(each["subjects"])]
    assert len(silent["sent"]) == len(told)

    late = asked(capsys, pipeline, "replay", "--from", "5", "--until", "60", "--set", "drift.reference.rows=50",
                 "--inject", "shift:y:3", "--inject-after", "60")  # fmt: skip
    assert late["from"][f"{pipeline.topic('predictions')}/0"] == 5
    assert late["injection"]["what"] == "shift:y:3"
    assert 60 < late["predictions"] <= 110
    assert run(["replay", "--config", str(pipeline.config)]) == 0
    assert "with these settings: " in capsys.readouterr().out


def a_scorecard_of_its_topics(capsys, pipeline):
    """Of examples with their losses, of predictions without; from a time on; the newest rows."""
    few = ["--events", "1000", "--repeats", "1", "--rows", "500"]
    card = asked(capsys, pipeline, "scorecard", *few)
    assert (card["from"], card["losses"]) == (pipeline.topic("examples"), True)
    assert 400 < card["rows"] <= 500  # corrections and repeats are no rows
    assert {each["name"] for each in card["contenders"]} >= {"millrace", "adwin", "evidently windows", "never fires"}
    bare = asked(capsys, pipeline, "scorecard", *few, "--from", "predictions", "--since", "2020-01-01T00:00:00Z")
    assert (bare["from"], bare["losses"]) == (pipeline.topic("predictions"), False)


def what_is_asked_wrongly(capsys, pipeline):
    """One line that says what is expected."""
    for arguments, says in (
        (["--alert", "nothing"], "could not find alert 'nothing'"),
        (["--alert", "a", "--from", "3"], "--alert must come without --from"),
        (["--inject", "shift:x"], "--inject must be KIND:FEATURE:SIZE"),
        (["--inject", "shift:amount:1"], "--inject shift must name one of x, y, got 'amount'"),
        (["--inject-after", "3"], "--inject-after must come with --inject"),
        (["--from", "9999999"], "--from must be before the end"),
        (["--from", "yesterday"], "--from must be an offset, a duration such as 2h or a time such as 2026-01-31T12:00"),
        (["--until", "soon"], "--until must be an offset, a duration such as 2h or a time"),
        (["--inject", "shift:x:1", "--inject-after", "999999"], "--inject-after must be less than the predictions"),
    ):
        assert says in refused(capsys, pipeline, "replay", *arguments)


def a_forged_alert_differs(capsys, pipeline, told):
    """Its own words and numbers; exit code 1, and each field is named."""
    first = next(iter(told.values()))
    forged = first | {"id": f"f{first['id']}", "incident": f"f{first['incident']}", "severity": "info", "version": 7}
    with closing(KafkaProducer(bootstrap_servers=pipeline.bootstrap)) as producer:
        producer.send(pipeline.topic("alerts"), key=b"k", value=json.dumps(forged).encode(), partition=0).get(10)

    tree = asked(capsys, pipeline, "replay", "--alert", forged["id"], code=1)

    (judged,) = tree["alerts"]
    assert tree["same"] is judged["same"] is False
    assert {"$.id", "$.incident", "$.version"} <= {each["path"] for each in judged["differences"]}
    assert run(["replay", "--alert", forged["id"], "--config", str(pipeline.config)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{forged['id']}: DIFFERS: ")
    assert f"$.version\t7\t{first['version']}" in shown.out
    assert "settings or versions changed" in shown.err


def what_is_gone(capsys, pipeline, told):
    """Records that retention has removed, then the topic itself."""
    predictions = pipeline.topic("predictions")
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)) as admin:
        admin.delete_records({TopicPartition(predictions, 0): 30})
        until(lambda: read_topic(pipeline.bootstrap, predictions)[0].offset == 30, 10, "the records are gone")
        says = refused(capsys, pipeline, "replay", "--alert", next(iter(told)))
        assert f"{predictions}/0 begins at offset 30" in says
        assert "fell off retention" in says
        assert f"--from must be at least 30, where {predictions}/0 begins, got 5" in refused(
            capsys, pipeline, "replay", "--from", "5"
        )
        admin.delete_topics([predictions])
        until(lambda: predictions not in admin.list_topics(), 10, "the topic is gone")
        assert f"could not find topic {predictions}" in refused(capsys, pipeline, "replay")
