"""The supervisor, with small stand-ins for Java that behave worse than Kafka does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from streams.kafka import broker_process
from streams.kafka.broker_folder import choose_ports
from streams.kafka.broker_record import PORTS, BrokerRecord, LastExit, remembered_ports

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
FAILING = "raise SystemExit(3)"
TOKEN = "5e" * 16


@pytest.fixture
def supervise(tmp_path):
    """Starts a supervisor, attached to this process, over a Python program in the place of Java."""
    started: list[subprocess.Popen] = []

    def start(program: str, grace_s: float = 0.5) -> subprocess.Popen:
        record = json.dumps({"port": 1, "attached": True, "kafka": "4.3.0"})
        command = [sys.executable, "-P", broker_process.__file__, "--folder", str(tmp_path), "--token", TOKEN]
        command += ["--record", record, "--grace", str(grace_s), "--attached", "--"]
        command += [sys.executable, "-c", program, TOKEN]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        with closing(process.stdin), closing(process.stdout):
            pass
        process.wait(60)


def eventually(look):
    """The first true answer of `look` within half a minute."""
    patience = threading.Event()
    for _ in range(600):
        if found := look():
            return found
        patience.wait(0.05)
    raise AssertionError("did not come true")


def test_kafka_that_does_not_end_when_asked_is_killed_after_the_grace(supervise, tmp_path):
    """A hanging broker cannot keep its supervisor, its lock and its memory for ever."""
    supervisor = supervise(STUBBORN)
    assert supervisor.stdout.readline() == b"up\n"
    record = BrokerRecord.read(tmp_path)
    assert len(record.processes()) == 2

    supervisor.stdin.close()
    supervisor.wait(60)

    last = LastExit.read(tmp_path)
    assert (last.token, last.reason, last.returncode) == (TOKEN, "its starter ended", -signal.SIGKILL)
    assert record.processes() == []
    assert BrokerRecord.read(tmp_path) is None


def test_a_broker_that_is_being_stopped_says_so(supervise, tmp_path):
    """Nobody is given the address of a broker that is about to be gone."""
    supervisor = supervise(STUBBORN, grace_s=600)
    assert supervisor.stdout.readline() == b"up\n"
    assert not BrokerRecord.read(tmp_path).stopping

    supervisor.terminate()

    record = eventually(lambda: (found := BrokerRecord.read(tmp_path)) and found.stopping and found)
    assert len(record.processes()) == 2
    for process in reversed(record.processes()):
        process.kill()


def test_an_end_that_nobody_asked_for_is_told_apart(supervise, tmp_path):
    """A crash is no stop: the exit code is kept for whoever asks."""
    supervise(FAILING).wait(60)

    last = LastExit.read(tmp_path)
    assert (last.reason, last.returncode) == ("ended by itself", 3)


def test_ports_of_the_last_start_are_taken_again_unless_somebody_has_them(tmp_path):
    """Clients keep their address over a restart; a stranger on the port is no reason not to start."""
    first = choose_ports(tmp_path)
    (tmp_path / PORTS).write_text(json.dumps({"port": first[0], "controller_port": first[1]}))
    assert remembered_ports(tmp_path) == first
    assert choose_ports(tmp_path) == first
    assert choose_ports(tmp_path, afresh=True) != first

    with socket.create_server(("127.0.0.1", first[0])):
        port, controller_port = choose_ports(tmp_path)
    assert port not in first
    assert controller_port == first[1]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"port": 1}', '{"port": "x", "controller_port": 2}', "\x00"])
def test_files_cut_by_a_crash_count_as_absent(tmp_path, content):
    """A half-written file must not keep a broker from starting."""
    for name in (PORTS, broker_process.RECORD, broker_process.LAST_EXIT):
        (tmp_path / name).write_text(content)

    assert remembered_ports(tmp_path) is None
    assert BrokerRecord.read(tmp_path) is None
    assert LastExit.read(tmp_path) is None
