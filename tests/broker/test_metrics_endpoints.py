"""`/metrics`, `/healthz` and `/readyz` of real processes: all that the table names, with the ledgers' numbers."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import subprocess
import time

import pytest
from kafka import KafkaProducer
from pipeline_process import Pipeline, until
from pipeline_records import lag
from pipeline_traffic import Traffic
from prometheus_client.parser import text_string_to_metric_families

from streams.cli.main import run
from streams.kafka.ports import free_port
from streams.observability.families import FAMILIES

WORKERS = ("worker", "other")
pytestmark = [pytest.mark.broker, pytest.mark.slow]


class Endpoint:
    """The three pages of one process."""

    def __init__(self, process):
        self.process = process
        self.host, _, port = process.wait_for("metrics_ready")["address"].split("/")[2].rpartition(":")
        self.port = int(port)

    def get(self, path, **headers):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, (gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body).decode()

    def told(self, path):
        answer, body = self.get(path)
        return answer.status, json.loads(body)

    def samples(self):
        """(Name, labels but the pipeline's) → value."""
        found = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                labels = {name: value for name, value in sample.labels.items() if name != "pipeline"}
                assert family.name.startswith("process_") or "pipeline" in sample.labels
                found[sample.name, *sorted(labels.items())] = sample.value
        return found

    def families(self):
        return {
            family.name + "_total" * (family.type == "counter")
            for family in text_string_to_metric_families(self.get("/metrics")[1])
        }


@pytest.fixture(scope="module")
def told(broker, tmp_path_factory):
    """Two workers, a monitor and a dashboard of one file, which have seen a change of x and a record that is none."""
    folder, port = tmp_path_factory.mktemp("metrics"), free_port()
    metrics = {"port": port, "ports": 8}
    with Pipeline(folder, broker, f"metrics-{time.time_ns()}", metrics=metrics).create_topics() as made:
        made.endpoints, made.ports = {}, range(port, port + 8)
        for name, role, *arguments in (
            ("worker", "worker"),
            ("other", "worker"),
            ("monitor", "monitor"),
            ("dashboard", "dashboard", "--port", "0"),
        ):
            endpoint = made.endpoints[name] = Endpoint(made.start(role, *arguments))
            until(lambda end=endpoint: end.told("/readyz")[0] == 200, 45, f"{name} is ready")
        monitor = made.endpoints["monitor"].process
        producer = KafkaProducer(bootstrap_servers=broker)
        producer.send(made.topic("features"), key=b"k", value=b"no JSON")
        producer.close()
        with Traffic(broker, made.topic("features"), made.topic("labels"), rate=300, seed=5) as traffic:
            monitor.wait_for("reference_taken")
            time.sleep(1)
            traffic.say("shift")
            monitor.wait_for("alert")
            traffic.finish()
        until(lambda: not lag(made), 20, lambda: f"caught up, lacking {lag(made)}")
        yield made


def test_processes_of_one_file_take_a_port_each(told):
    """The first free one of the range; nobody has to count them."""
    ports = [endpoint.port for endpoint in told.endpoints.values()]

    assert len(set(ports)) == 4
    assert set(ports) <= set(told.ports)


@pytest.mark.parametrize("role", ["worker", "monitor", "dashboard"])
def test_each_process_says_what_the_table_says_it_does(told, role):
    """All of it and nothing else, once it has had something to do; by any format a scraper may ask for."""
    known = {name for name, family in FAMILIES.items() if role in family.said_by}
    endpoint = told.endpoints[role]
    found = endpoint.families()
    rare = {"millrace_dead_letters_total"} if role == "worker" else set()  # the other worker may have had it
    answer, _ = endpoint.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert {name for name in found if name.startswith("millrace_")} | rare == known
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= found
    assert answer.getheader("Content-Type").startswith("application/openmetrics-text")
    assert endpoint.get("/metrics", **{"Accept-Encoding": "gzip"})[0].getheader("Content-Encoding") == "gzip"


def test_the_counts_are_the_ledgers(told, capsys):
    """Nothing was killed: what both workers did is what the checkpoints say became of everything."""
    assert run(["status", "--json", "--seconds", "0.1", "--config", str(told.config)]) == 0
    counts = json.loads(capsys.readouterr().out)["labels"]["counts"]
    workers = [told.endpoints[name].samples() for name in WORKERS]

    def total(name, **labels):
        return sum(worker.get((name, *sorted(labels.items())), 0) for worker in workers)

    assert total("millrace_events_total", outcome="predicted") == counts["predicted"] > 0
    assert total("millrace_events_total", outcome="dead_letter") == counts["event_dead"] == 1
    for outcome in ("joined", "duplicate", "correction"):
        assert total("millrace_labels_total", outcome=outcome) == counts[outcome], outcome
    assert total("millrace_predictions_total", **{"class": "yes"}) > 0
    said = total("millrace_predictions_total", **{"class": "yes"}) + total(
        "millrace_predictions_total", **{"class": "no"}
    )
    assert said == counts["predicted"] == total("millrace_event_to_prediction_seconds_count")
    assert total("millrace_examples_total", outcome="learnt") == counts["joined"]
    assert total("millrace_label_to_learning_seconds_count") == counts["joined"]
    letters = {"topic": told.topic("features"), "reason": "not_json"}
    assert total("millrace_dead_letters_total", **letters) == 1


def test_delays_of_a_live_pipeline_are_short_and_its_lag_is_none(told):
    """By record times: a clock in the wrong unit, or the wrong end of a batch, would tell minutes or nothing."""
    workers = [told.endpoints[name].samples() for name in WORKERS]
    for name in ("millrace_event_to_prediction_seconds", "millrace_label_to_learning_seconds"):
        within = sum(worker[f"{name}_bucket", ("le", "10.0")] for worker in workers)
        assert within >= 0.9 * sum(worker[f"{name}_count",] for worker in workers) > 0
        assert sum(worker[f"{name}_sum",] for worker in workers) > 0
    lags = [value for worker in workers for key, value in worker.items() if key[0] == "millrace_input_lag_records"]
    assert len(lags) == 2 * told.partitions + 1
    assert set(lags) == {0}


def test_the_monitor_tells_of_the_change_and_the_dashboard_of_the_pipeline(told):
    """What people are woken by is on both."""
    monitor, page = told.endpoints["monitor"].samples(), told.endpoints["dashboard"].samples()

    assert monitor["millrace_incident_open",] in {0, 1}
    alerts = {dict(key[1:])["phase"]: 0 for key in monitor if key[0] == "millrace_alerts_total"}
    for (name, *labels), value in monitor.items():
        if name == "millrace_alerts_total":
            alerts[dict(labels)["phase"]] += value
    assert alerts["started"] >= 1
    assert monitor["millrace_drift_strength_max",] > 0
    features = {dict(key[1:])["subject"] for key in monitor if key[0] == "millrace_drift_statistic"}
    assert {"feature:x", "feature:y"} <= features
    assert page["millrace_group_members", ("group", f"{told.name}.worker")] == 2
    assert page["millrace_kafka_answers",] == 1
    predicted = [told.endpoints[name].samples()["millrace_events_total", ("outcome", "predicted")] for name in WORKERS]
    assert page["millrace_topic_end_offset", ("topic", told.topic("predictions"))] >= sum(predicted) > 0


def test_promtool_finds_nothing_to_say_of_names_and_units(told):
    """Prometheus' own conventions, by its own tool, where there is one."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    for role, endpoint in told.endpoints.items():
        text = endpoint.get("/metrics")[1]
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, text=True, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), role


def test_ready_is_what_has_its_state(told):
    """The worker that works, the monitor that is active, the page that has read all there was."""
    assert told.endpoints["worker"].told("/readyz") == (200, {"ready": True, "state": "working"})
    assert told.endpoints["monitor"].told("/healthz") == (200, {"healthy": True, "state": "working"})
    assert told.endpoints["dashboard"].told("/readyz") == (200, {"ready": True, "state": "reading"})
