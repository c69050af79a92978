from __future__ import annotations

import socket
import threading

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.errors import BrokerError
from streams.kafka.admin import Admin
from streams.kafka.ports import free_port
from streams.kafka.topics import TopicSpec


def spec(name: str, partitions: int = 2, **configs: str) -> TopicSpec:
    return TopicSpec(name=name, role="alerts", partitions=partitions, replication=1, configs=configs)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_an_absent_broker_is_named_with_the_command_that_starts_one(configure, capfd):
    """One clear message, and nothing of the client library's own on the terminal."""
    port = free_port()

    with pytest.raises(BrokerError) as caught:
        Admin(configure(f"127.0.0.1:{port}"))

    assert str(caught.value) == (
        f"could not reach Kafka at 127.0.0.1:{port}: connection refused; "
        "is it running? 'millrace broker start' starts a local one"
    )
    assert capfd.readouterr() == ("", "")


def test_a_server_that_never_answers_is_given_up_and_leaves_no_thread(configure):
    """Something listens on the port, but it is not Kafka, or speaks TLS: the wait has an end."""
    before = threads()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(BrokerError, match="takes connections but does not answer PLAINTEXT"):
            Admin(configure(f"127.0.0.1:{port}"), timeout_s=1)

    assert threads() == before


def test_a_host_that_does_not_exist_is_a_broker_error(configure):
    """The resolver's words, in our sentence."""
    with pytest.raises(BrokerError, match=r"could not reach Kafka at no-such-host\.invalid:9092: \S+"):
        Admin(configure("no-such-host.invalid:9092"))


@pytest.mark.broker
def test_topics_are_made_once_and_described_with_id_and_settings(broker, configure, pipeline_name):
    """Making is idempotent; a topic that was deleted and made again has another id."""
    name = f"{pipeline_name}.made"
    with Admin(configure(broker)) as admin:
        assert admin.topics([name]) == {}
        assert admin.create_topics([spec(name, **{"retention.ms": "86400000"})]) == [name]
        first = admin.topics([name])[name]
        assert admin.create_topics([spec(name, partitions=5)]) == []
        assert admin.topics([name, f"{name}.absent"]) == {name: first}

        assert (first.partitions, first.replication) == (2, 1)
        assert first.configs["retention.ms"] == "86400000"
        assert first.configs["cleanup.policy"] == "delete"

        admin.alter_configs(name, {"retention.ms": "-1"})
        altered = admin.topics([name])[name].configs
        assert altered == {**first.configs, "retention.ms": "-1"}
        assert admin.cluster_id()
        assert first.topic_id


@pytest.mark.broker
def test_one_refused_topic_does_not_keep_the_others_from_being_made(broker, configure, pipeline_name):
    """The error names the one and its reason."""
    good, bad = f"{pipeline_name}.good", f"{pipeline_name}.bad"
    with Admin(configure(broker)) as admin:
        with pytest.raises(BrokerError, match=rf"could not create {bad}: .*no\.such\.setting"):
            admin.create_topics([spec(bad, **{"no.such.setting": "1"}), spec(good)])
        assert set(admin.topics([good, bad])) == {good}
        with pytest.raises(BrokerError, match="could not alter"):
            admin.alter_configs(good, {"no.such.setting": "1"})
        with pytest.raises(BrokerError, match=rf"could not find topic {bad}; 'millrace topics create'"):
            admin.end_offsets([bad])


@pytest.mark.broker
def test_lag_is_end_minus_committed(broker, configure, pipeline_name):
    """The two numbers a lag is made of, per partition; a group that never committed has none."""
    name = f"{pipeline_name}.read"
    with Admin(configure(broker)) as admin:
        admin.create_topics([spec(name)])
        producer = KafkaProducer(bootstrap_servers=broker)
        for number in range(5):
            producer.send(name, b"x", partition=number % 2).get(20)
        producer.close()
        consumer = KafkaConsumer(bootstrap_servers=broker, group_id=pipeline_name, enable_auto_commit=False)
        consumer.assign([TopicPartition(name, 0)])
        consumer.commit({TopicPartition(name, 0): OffsetAndMetadata(2, "", -1)})
        consumer.close()

        assert admin.end_offsets([name]) == {(name, 0): 3, (name, 1): 2}
        assert admin.begin_offsets([name]) == {(name, 0): 0, (name, 1): 0}
        assert admin.committed_offsets(pipeline_name) == {(name, 0): 2}
        assert admin.committed_offsets(f"{pipeline_name}-unknown") == {}


@pytest.mark.broker
def test_an_open_transaction_holds_the_committed_end_back(broker, configure, pipeline_name):
    """What a `read_committed` worker cannot read yet is not its lag."""
    name = f"{pipeline_name}.open"
    with Admin(configure(broker)) as admin:
        admin.create_topics([spec(name, partitions=1)])
        producer = KafkaProducer(bootstrap_servers=broker, transactional_id=pipeline_name)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(name, b"x").get(20)

        assert admin.end_offsets([name]) == {(name, 0): 0}
        assert admin.end_offsets([name], committed=False) == {(name, 0): 1}

        producer.commit_transaction()
        producer.close()
        patience = threading.Event()  # the marker is written after the commit is acknowledged
        for _ in range(100):
            if admin.end_offsets([name]) == {(name, 0): 2}:
                break
            patience.wait(0.1)
        assert admin.end_offsets([name]) == {(name, 0): 2}  # the record and the marker
