"""A real Kafka that asks for TLS and a password: what `security` builds is what a broker accepts."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer

from streams.errors import BrokerError
from streams.kafka import broker_process
from streams.kafka.admin import Admin
from streams.kafka.broker_record import BrokerRecord
from streams.kafka.broker_settings import LOGGING, PROPERTIES, java_command, log4j2_xml, server_properties
from streams.kafka.jars import ensure_jars
from streams.kafka.java import find_java
from streams.kafka.ports import free_port, is_free
from streams.kafka.security import client_settings
from streams.kafka.topics import TopicSpec

pytestmark = pytest.mark.broker

USER, PASSWORD = "mill", "grind & race"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def guarded_properties(port: int, controller_port: int, certificates) -> str:
    """As the local broker's, with a listener that wants TLS and a user, and one that wants the client's certificate."""
    jaas = "org.apache.kafka.common.security.{}LoginModule required"
    scram = jaas.format("scram.Scram") + ";"
    plain = jaas.format("plain.Plain") + f' username="x" password="x" user_{USER}="{PASSWORD}";'
    changed = {
        "listeners": f"USER://127.0.0.1:{port},CERT://127.0.0.1:{port + 1},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"USER://127.0.0.1:{port},CERT://127.0.0.1:{port + 1}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,USER:SASL_SSL,CERT:SSL",
        "inter.broker.listener.name": "CERT",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.user.plain.sasl.jaas.config": plain,
        "listener.name.user.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.user.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "server.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.cert.ssl.client.auth": "required",
    }
    kept = [
        line
        for line in server_properties(port=port, controller_port=controller_port).splitlines()
        if line.partition("=")[0] not in changed
    ]
    return "\n".join([*kept, *(f"{key}={value}" for key, value in changed.items())]) + "\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, certificates):
    """Port of the listener for users; the next one is for clients with a certificate."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    port = next(port for port in iter(free_port, 0) if is_free(port + 1))
    controller_port = free_port(avoid=(port, port + 1))
    java, jars = find_java(), ensure_jars()
    (folder / "server.pem").write_bytes(certificates.server_key.read_bytes() + certificates.server_cert.read_bytes())
    (folder / LOGGING).write_text(log4j2_xml())
    (folder / PROPERTIES).write_text(guarded_properties(port, controller_port, certificates))
    users = [f"{scram}=[name={USER},password={PASSWORD}]" for scram in MECHANISMS[1:]]
    words = [word for user in users for word in ("--add-scram", user)]
    formatting = ("format", "-t", "bWlsbHJhY2UtZ3VhcmRlZA", "-c", PROPERTIES, *words)
    subprocess.run(
        java_command(java, jars, "kafka.tools.StorageTool", *formatting, heap_mb=128),
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    token = uuid.uuid4().hex
    mark = (f"-Dmillrace.broker={token}",)
    kafka = java_command(java, jars, "kafka.Kafka", PROPERTIES, heap_mb=256, marks=mark)
    record = f'{{"port": {port}, "attached": true, "kafka": "4.3.0"}}'
    supervisor = [sys.executable, "-P", broker_process.__file__, "--folder", str(folder), "--token", token]
    supervisor += ["--record", record, "--grace", "20", "--attached", "--", *kafka]
    with subprocess.Popen(
        supervisor, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ) as running:
        patience = threading.Event()
        log = folder / "logs" / "broker.log"
        for _ in range(600):
            if log.exists() and "Kafka Server started" in log.read_text():
                break
            assert running.poll() is None, log.read_text()
            patience.wait(0.1)
        yield port
        running.stdin.close()
    assert BrokerRecord.read(folder) is None
    shutil.rmtree(folder)


@pytest.fixture
def as_user(configure, certificates, guarded):
    def build(mechanism: str, password: str = PASSWORD, **tls):
        sasl = {"mechanism": mechanism, "username": USER, "password": password}
        return configure(f"127.0.0.1:{guarded}", kafka={"sasl": sasl, "tls": {"ca": certificates.ca} | tls})

    return build


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_user_with_a_password_gets_in_over_tls(as_user, mechanism):
    """Each mechanism, with kafka-python."""
    with Admin(as_user(mechanism)) as admin:
        assert admin.cluster_id() == "bWlsbHJhY2UtZ3VhcmRlZA"


def test_both_client_libraries_write_with_the_same_settings(as_user, pipeline_name):
    """kafka-python, and aiokafka below Faust, understand `client_settings` alike."""
    config = as_user("SCRAM-SHA-512")
    with Admin(config) as admin:
        admin.create_topics([TopicSpec(name=pipeline_name, role="alerts", partitions=1, replication=1, configs={})])
        producer = KafkaProducer(**client_settings(config))
        producer.send(pipeline_name, b"by kafka-python").get(20)
        producer.close()

        async def send() -> None:
            async with AIOKafkaProducer(**client_settings(config)) as other:
                await other.send_and_wait(pipeline_name, b"by aiokafka")

        asyncio.run(send())
        assert admin.end_offsets([pipeline_name]) == {(pipeline_name, 0): 2}


def test_a_client_gets_in_with_a_certificate_whose_key_is_encrypted(configure, certificates, guarded):
    """mTLS: the certificate is the user."""
    tls = {"ca": certificates.ca, "cert": certificates.client_cert, "key": certificates.client_key}
    tls["key_password"] = certificates.password
    with Admin(configure(f"127.0.0.1:{guarded + 1}", kafka={"tls": tls})) as admin:
        assert admin.cluster_id()


def test_a_wrong_password_is_told_and_not_repeated(as_user):
    """The message says who refused and why, without the password."""
    with pytest.raises(BrokerError, match="are user, password and mechanism right") as caught:
        Admin(as_user("SCRAM-SHA-512", password="not the one"), timeout_s=5)
    assert "not the one" not in str(caught.value)


def test_a_broker_that_another_authority_signed_is_not_spoken_to(as_user, certificates):
    """The password does not go to whoever answers: its certificate is checked first."""
    with pytest.raises(BrokerError, match="its certificate is refused"):
        Admin(as_user("PLAIN", ca=certificates.client_cert), timeout_s=3)


def test_plain_text_to_a_tls_port_says_which_protocol_was_tried(configure, guarded):
    """The commonest mistake with a guarded cluster."""
    with pytest.raises(BrokerError, match=r"does not answer PLAINTEXT \(is that its protocol\?\)"):
        Admin(configure(f"127.0.0.1:{guarded}"), timeout_s=3)
