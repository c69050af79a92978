from __future__ import annotations

import socket

import pytest

from streams.kafka.ports import free_port, is_free, kafka_answers


@pytest.fixture
def silent_server():
    """Takes connections and says nothing, like a broker that hangs or a server of another kind."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(silent_server):
    """What the next start may take again is decided by trying."""
    assert not is_free(silent_server)


def test_a_free_port_is_outside_the_range_of_outgoing_connections():
    """A remembered port must not be lent to some browser until the next start."""
    port = free_port()
    assert 20_000 <= port < 32_000
    assert is_free(port)
    assert free_port(avoid=(port,)) != port


def test_a_server_that_is_not_kafka_does_not_count_as_one(silent_server):
    """An open port alone is no broker."""
    assert not kafka_answers(silent_server, timeout_s=0.2)
    assert not kafka_answers(free_port(), timeout_s=0.2)


@pytest.mark.broker
def test_kafka_answers(broker):
    """The handshake that tells when a start is complete is one that Kafka knows."""
    assert kafka_answers(int(broker.rpartition(":")[2]))
