"""The small server: where it listens, whom it answers, and what it says of an event loop that is stuck."""

import asyncio
import http.client
import json
import socket
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.config import MetricsConfig
from streams.errors import ConfigError
from streams.observability import server
from streams.observability.families import FAMILIES, Figures
from streams.observability.health import Condition
from streams.observability.server import Source, serving

WELL = Condition(state="working", ready=True)


def figures():
    """One sample."""
    found = Figures("shop")
    found.add("millrace_predictions_pending", 3)
    return found


SETTINGS, SOURCE = MetricsConfig(), Source(figures, lambda: WELL)


def asked(ask, *, settings=SETTINGS, port=0, source=SOURCE):
    """What `ask(address)` says in a thread while the loop serves."""

    async def run():
        with serving(settings, port, source) as address:
            return await asyncio.to_thread(ask, address)

    return asyncio.run(run())


def get(address, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body.decode()


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_what_was_gathered_is_told():
    """As Prometheus reads it, with the process's own memory beside it."""
    status, text = asked(get)
    names = {family.name for family in text_string_to_metric_families(text)}

    assert status == 200
    assert 'millrace_predictions_pending{pipeline="shop"} 3.0' in text
    assert "process_resident_memory_bytes" in names


def test_nothing_listens_unless_somebody_asks():
    """Neither the setting nor the command line names a port."""
    assert asked(lambda address: address, port=None) is None


def test_the_next_free_port_of_the_range_is_taken():
    """Several processes of one file on one machine; the last one finds none and says so."""
    first = free()
    settings = MetricsConfig(port=first, ports=2)

    async def run():
        source = Source(figures, lambda: WELL)
        with serving(settings, None, source) as one, serving(settings, None, source) as two:
            with pytest.raises(ConfigError, match=rf"metrics.port must be free .*{first} to {first + 1}"):
                serving(settings, None, source).__enter__()
            return [int(each.rpartition(":")[2]) for each in (one, two)]

    assert asyncio.run(run()) == [first, first + 1]


def test_a_port_on_the_command_line_is_that_one_or_none():
    """Whoever names a port wants to find it there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--metrics-port must be free to listen on, got 127.0.0.1 port {port} "):
            asked(get, port=port, settings=MetricsConfig(port=free()))


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1:1", 200), ("localhost", 200), ("[::1]", 200), ("evil.example", 421), ("", 421)]
)
def test_on_this_machine_alone_a_foreign_name_is_refused(host, status):
    """A web page that points its own name here would read the names of features: DNS rebinding."""
    assert asked(lambda address: get(address, Host=host))[0] == status


def test_where_others_may_ask_any_name_will_do():
    """Compose and Kubernetes call it by the service's name."""
    status, _ = asked(
        lambda address: get(address.replace("0.0.0.0", "127.0.0.1"), Host="worker:9470"),
        settings=MetricsConfig(host="0.0.0.0"),
    )
    assert status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("HEAD", "/metrics", 200), ("GET", "/", 404), ("POST", "/metrics", 501)]
)
def test_there_are_three_pages_and_they_only_show(method, path, status):
    """Nothing to change, nothing else to see; HEAD has no body."""
    answered, body = asked(lambda address: get(address, path, method))

    assert answered == status
    assert method != "HEAD" or body == ""


def test_health_and_readiness_are_what_the_process_says():
    """As JSON, with the status that a probe looks at."""
    source = Source(figures, lambda: Condition(state="restoring", ready=False))

    def both(address):
        return get(address, "/healthz"), get(address, "/readyz?verbose")

    (healthy, _), (ready, body) = asked(both, source=source)
    assert (healthy, ready) == (200, 503)
    assert json.loads(body) == {"ready": False, "state": "restoring"}


def test_a_figure_that_fails_is_told_and_the_next_scrape_is_answered():
    """Not an empty answer, which would look like a process that is gone."""
    calls = []

    def broken():
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("x")
        return figures()

    def twice(address):
        return get(address)[0], get(address)[0]

    assert asked(twice, source=Source(broken, lambda: WELL)) == (500, 200)


def test_a_loop_that_does_not_answer_is_unhealthy():
    """Blocked for longer than anybody waits: the server's own threads say so."""
    said, asking = [], threading.Event()

    def ask(address):
        asking.set()
        said.append(get(address, "/healthz"))

    async def run():
        with serving(MetricsConfig(), 0, Source(figures, lambda: WELL)) as address:
            thread = threading.Thread(target=ask, args=(address,))
            thread.start()
            asking.wait()
            thread.join()  # nothing else runs in this loop meanwhile

    asyncio.run(run())
    assert said == [(503, "The event loop does not answer.\n")]


def test_a_crowd_is_turned_away_and_the_rest_answered():
    """Sixteen connections that say nothing hold no seventeenth up for ever, nor memory."""

    def crowd(address):
        host, port = address.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(server.REQUESTS_MAX)]
        refused, deadline = 0, time.monotonic() + 20
        while True:
            try:
                return get(address)[0], refused > 0
            except (ConnectionError, http.client.HTTPException):
                assert time.monotonic() < deadline
                refused += 1
                if idle:
                    idle.pop().close()

    assert asked(crowd) == (200, True)


def test_a_name_or_label_that_the_table_lacks_is_an_error():
    """What is not documented cannot be exported."""
    found = Figures("shop")
    with pytest.raises(KeyError):
        found.add("millrace_surprise", 1)
    with pytest.raises(ValueError, match="must have labels"):
        found.add("millrace_labels_total", 1)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_names_follow_prometheus_conventions(family):
    """Ours by prefix, base units, `_total` for counters and for nothing else, a sentence each."""
    name = family.name
    assert name.startswith("millrace_")
    assert name.endswith("_total") == (family.kind == "counter")
    unit = name.removesuffix("_total").rpartition("_")[2]
    assert unit not in {"ms", "millis", "kb", "mb", "percent", "count"}
    assert not {"le", "quantile", "pipeline", "job", "instance"} & set(family.labels)
    assert family.text.endswith(".")
