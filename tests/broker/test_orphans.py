"""No broker outlives its purpose, however the processes around it end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from streams.kafka.broker_record import BrokerRecord
from streams.kafka.local_broker import LocalBroker

pytestmark = pytest.mark.broker

STARTER = """
import os, sys
from pathlib import Path
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker

broker = LocalBroker(LocalBrokerSettings(folder=Path(sys.argv[1]), attached=sys.argv[2] == "attached"))
broker.start()
if "sibling" in sys.argv and not os.fork():  # inherits the pipe to the supervisor and keeps it open
    sys.stdin.buffer.read()
    os._exit(0)
print("up", flush=True)
sys.stdin.buffer.read()
"""


@pytest.fixture
def starter(settings):
    """Another process that starts a broker in the folder and then waits."""
    started: list[subprocess.Popen] = []

    def start(*words: str) -> subprocess.Popen:
        command = [sys.executable, "-c", STARTER, str(settings.folder), *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.wait()
    LocalBroker(settings).stop_running()


def gone(record: BrokerRecord) -> bool:
    patience = threading.Event()
    for _ in range(600):
        if not record.processes():
            return True
        patience.wait(0.1)
    return False


@pytest.mark.parametrize("words", [("attached",), ("attached", "sibling")], ids=["alone", "with-a-forked-sibling"])
def test_a_starter_killed_outright_takes_its_broker_along(starter, settings, words):
    """SIGKILL leaves no chance to clean up: the end of the pipe does it, or, while a fork holds it, the lost parent."""
    process = starter(*words)
    record = BrokerRecord.read(settings.folder)
    assert len(record.processes()) == 2

    process.kill()

    assert gone(record)
    assert LocalBroker(settings).status().state == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_supervisor_killed_outright_takes_kafka_along(starter, settings):
    """Kafka never runs without the process that would end it."""
    starter("attached")
    record = BrokerRecord.read(settings.folder)

    os.kill(record.pid, signal.SIGKILL)

    assert gone(record)


def test_ctrl_c_in_the_terminal_leaves_the_broker_to_its_starter(starter, settings):
    """SIGINT goes to the whole process group of the terminal; Kafka must outlast its clients."""
    process = starter("attached")
    record = BrokerRecord.read(settings.folder)

    assert {os.getpgid(record.pid), os.getpgid(record.java_pid)} == {record.pid}
    os.killpg(process.pid, signal.SIGINT)

    assert gone(record)  # stopped in order by the starter's own end


def test_a_detached_broker_outlives_its_starter_until_it_is_stopped(starter, settings):
    """`millrace broker start` returns and leaves Kafka behind; anybody stops it."""
    process = starter("detached")
    process.kill()
    process.wait()
    other = LocalBroker(replace(settings, attached=False))

    assert other.status().state == "running"
    assert other.stop_running()
    assert other.status().state == "stopped"
    assert not other.stop_running()


def test_an_interrupt_while_starting_leaves_nothing(settings):
    """Ctrl-C before Kafka is up ends what was started so far."""
    broker = LocalBroker(settings)
    stop_watching = threading.Event()

    def watch() -> None:
        while not stop_watching.wait(0.005):
            if BrokerRecord.read(broker.folder):
                os.kill(os.getpid(), signal.SIGINT)
                return

    interrupt = threading.Thread(target=watch)
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            broker.start()
    finally:
        stop_watching.set()
        interrupt.join()

    assert BrokerRecord.read(broker.folder) is None
    assert broker.status().state == "stopped"
