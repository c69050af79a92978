"""A dashboard on the real Kafka, records for it, and a browser that looks at it."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer
from page_browser import chromium
from page_records import Elements, ask, config_of
from pipeline_process import MILLRACE, Process

from streams.messages import encode
from streams.web.guard import Door
from streams.web.server import Site
from streams.web.view import View


@pytest.fixture(scope="module")
def browser():
    """One for a module: it takes a second to start."""
    driver = chromium()
    yield driver
    driver.quit()


@pytest.fixture
def send(broker, pipeline):
    producer = KafkaProducer(bootstrap_servers=broker)

    def put(role, *records, headers=()):
        for record in records:
            value = record if isinstance(record, bytes) else encode(record)
            place = pipeline.topic(role)
            producer.send(place, value=value, key=b"k/0", headers=list(headers), partition=0).get(timeout=20)

    yield put
    producer.close()


@pytest.fixture
def address(pipeline, tmp_path):
    command = [MILLRACE, "dashboard", "-c", str(pipeline.config), "--port", "0", "--log-json"]
    process = Process(command, tmp_path / "dashboard.log", tmp_path)
    yield process.wait_for("dashboard_ready")["address"].rstrip("/")
    process.end()


@pytest.fixture
def view(tmp_path):
    return View(config_of(tmp_path))


@pytest.fixture
def look(view):
    """A page's answer, whose HTML is well."""
    app = Site(view, Door()).app()

    def asked(path, query="", status=200):
        said = ask(app, path, query=query)
        assert said.status == status, said.text
        said.page = Elements(said.text)
        return said

    return asked
