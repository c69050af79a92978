"""`millrace up` as a process: the live page comes with the pipeline, stays away if asked, and may end alone."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal

import psutil
import pytest
from pipeline_process import MILLRACE, Process, until

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ADDRESS = re.compile(r"the live page: http://127\.0\.0\.1:(\d+)/")


@pytest.fixture
def up(pipeline, tmp_path):
    """A way to start it; it ends with the test."""
    started = []

    def start(*arguments):
        started.append(Process([MILLRACE, "up", "-c", str(pipeline.config), *arguments], tmp_path / "up.log", tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.end()


def children(process):
    found = {}
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found |= {word: child for word in child.cmdline() if word in {"worker", "monitor", "dashboard"}}
    return found


def test_the_page_comes_with_it_and_ends_alone(up):
    """Its address is printed and answers; without it worker and monitor go on, and Ctrl-C still ends in order."""
    process = up()
    until(lambda: ADDRESS.search(process.text()), 60, process.text)
    connection = http.client.HTTPConnection("127.0.0.1", int(ADDRESS.search(process.text())[1]), timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
    assert children(process).keys() == {"worker", "monitor", "dashboard"}

    for _ in range(6):
        page = until(lambda: children(process).get("dashboard"), 30, process.text)
        os.kill(page.pid, signal.SIGKILL)
        until(lambda gone=page: children(process).get("dashboard") != gone, 10, process.text)
    until(lambda: "the dashboard has ended for good, everything else goes on" in process.text(), 30, process.text)
    assert children(process).keys() == {"worker", "monitor"}
    process.popen.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_without_the_page(up):
    """`--no-dashboard`: nobody listens."""
    process = up("--no-dashboard")
    until(lambda: "monitor_restored" in process.text(), 60, process.text)

    assert children(process).keys() == {"worker", "monitor"}
    assert not ADDRESS.search(process.text())
    process.popen.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
