"""`millrace dashboard` as a process on a real Kafka: what it reads, where it listens, a broker that comes and goes."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from page_records import alert, request, version, window
from pipeline_process import MILLRACE, Pipeline, Process, until

from streams.cli.main import run
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker
from streams.messages import encode

pytestmark = pytest.mark.broker


class Page:
    """A dashboard process and requests to it."""

    def __init__(self, config, folder, *arguments, env=None):
        command = [MILLRACE, "dashboard", "-c", str(config), "--port", "0", "--log-json", *arguments]
        self.process = Process(command, folder / "dashboard.log", folder, env)

    def __enter__(self):
        address = self.process.wait_for("dashboard_ready")["address"]
        self.port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
        return self

    def __exit__(self, *_):
        if self.process.popen.poll() is None:
            self.process.kill()

    def get(self, path="/", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def shows(self, words, path="/", timeout_s=20.0):
        until(lambda: words in self.get(path)[1], timeout_s, lambda: f"{words!r} in {self.get(path)[1]}")


def send(bootstrap, pipeline, role, *records, partition=0):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for record in records:
        value, headers = record if isinstance(record, tuple) else (record, [])
        value = value if isinstance(value, bytes) else encode(value)
        producer.send(pipeline.topic(role), value=value, headers=headers, key=b"champion/0", partition=partition).get(
            timeout=20
        )
    producer.close()


def test_it_shows_what_is_there_and_what_comes(pipeline, broker, tmp_path):
    """From all five topics, records of another shape counted and passed over; and no group is left on the broker."""
    send(broker, pipeline, "metrics", window(1), b"no JSON", b"{}", window(2), window(2))
    send(broker, pipeline, "alerts", alert(title="before it was started"))
    send(broker, pipeline, "retrain", request())
    send(broker, pipeline, "models", version())
    send(broker, pipeline, "dead-letters", (b"SECRET", [("reason", b"no such thing"), ("topic", b"t")]), partition=1)
    groups = KafkaAdminClient(bootstrap_servers=broker)
    with Page(pipeline.config, tmp_path) as page:
        page.shows("live")
        page.shows("before it was started")
        page.shows("2 in metrics")
        page.shows("1,381 examples", "/incidents/i1")
        page.shows("no such thing", "/dead-letters")
        page.shows("version 7,317", "/")
        assert "SECRET" not in page.get("/dead-letters")[1]

        send(broker, pipeline, "alerts", alert("i2", title="while it runs"))
        page.shows("while it runs", timeout_s=5)
        assert not [name for name in map(str, groups.list_groups()) if "look" in name]
        assert page.process.stop() == 0
    groups.close()


def test_it_says_what_is_old_while_the_broker_is_away_and_reads_on(pipeline_name, tmp_path):
    """Stale with a time, then live again with what was told meanwhile; a broker that is not there yet is no end."""
    settings = LocalBrokerSettings(folder=tmp_path / "kafka")
    with LocalBroker(settings) as kafka:
        bootstrap = kafka.status().bootstrap
        pipeline = Pipeline(tmp_path, bootstrap, pipeline_name).create_topics()
        send(bootstrap, pipeline, "alerts", alert(title="the first one"))
        send(bootstrap, pipeline, "dead-letters", (b"x", [("reason", b"broken")]))
    with Page(pipeline.config, tmp_path) as page:
        page.shows("Kafka has not answered yet")
        with LocalBroker(settings):
            page.shows("the first one", timeout_s=40)
            assert "stale since" not in page.get()[1]
        page.shows("stale since", timeout_s=20)
        assert "the first one" in page.get()[1]
        with LocalBroker(settings):
            send(bootstrap, pipeline, "alerts", alert("i2", title="the second one"))
            page.shows("the second one", timeout_s=40)
            until(lambda: "stale since" not in page.get()[1], 20, "live again")
            assert page.get("/incidents")[1].count("the first one") == 1
            assert '<td class="number">1</td><td class="reason">broken' in page.get("/dead-letters")[1], "read once"
        assert page.process.stop() == 0


def test_topics_made_anew_are_another_story(pipeline, broker, tmp_path):
    """What was read of the old ones is forgotten; while they are not there the page says which command makes them."""
    send(broker, pipeline, "alerts", alert(title="of the old topic"))
    admin = KafkaAdminClient(bootstrap_servers=broker)
    with Page(pipeline.config, tmp_path) as page:
        page.shows("of the old topic")
        admin.delete_topics([pipeline.topic("alerts")])
        page.shows("Not there yet")
        pipeline.create_topics()
        send(broker, pipeline, "alerts", *(alert(f"n{number}", title="of the new one") for number in range(3)))
        page.shows("of the new one")
        assert "of the old topic" not in page.get()[1]
        assert "Not there yet" not in page.get()[1]
        assert page.process.stop() == 0
    admin.close()


def test_a_token_is_asked_for_and_stands_in_no_log(pipeline, tmp_path):
    """From the environment, so that it stands in no list of processes either."""
    token = "correct-horse-battery-staple"
    with Page(pipeline.config, tmp_path, "--host", "0.0.0.0", env={"MILLRACE_DASHBOARD_TOKEN": token}) as page:
        assert page.get()[0].status == 401
        assert page.get("/", Authorization=f"Bearer {token}")[0].status == 200
        answer, _ = page.get(f"/drift?token={token}")
        assert (answer.status, answer.headers["location"]) == (303, "/drift")
        cookie = answer.headers["set-cookie"].split(";")[0]
        assert page.get("/drift", Cookie=cookie)[0].status == 200
        assert page.get("/", Host="evil.example", Cookie=cookie)[0].status == 421
        assert page.process.stop() == 0
        assert token not in page.process.text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--host must be 127.0.0.1 unless there is a token, got '0.0.0.0'"),
        (["--token", "short"], "--token must be at least 16 characters, got 5"),
        (["--no-token", "--token", "x" * 20], "--no-token must be alone"),
        (["--host", "203.0.113.77", "--no-token"], "--port must be free to listen on, got 203.0.113.77"),
    ],
)
def test_an_open_door_is_told_before_it_is_opened(pipeline, words, said, capsys):
    """One line, exit code 1."""
    assert run(["dashboard", "-c", str(pipeline.config), *words]) == 1
    assert said in capsys.readouterr().err


def test_it_loads_neither_evidently_nor_pandas_nor_faust(pipeline, tmp_path):
    """The page is small beside what it looks at."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc")
    with Page(pipeline.config, tmp_path) as page:
        page.shows("live")
        mapped = Path(f"/proc/{page.process.pid}/maps").read_text()
        for library in ("pandas", "pyarrow", "sklearn", "river"):
            assert f"/{library}/" not in mapped, library
        assert page.process.stop() == 0
