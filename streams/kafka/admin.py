"""Questions and orders to the broker, by kafka-python's admin client: topics, settings, offsets."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import CoordinatorNotAvailableError, KafkaError, KafkaTimeoutError, NotCoordinatorError
from kafka.protocol.consumer import IsolationLevel, OffsetSpec

from streams.config import Config
from streams.errors import BrokerError, UnreachableError
from streams.kafka.bootstrap import host_and_port
from streams.kafka.security import client_settings
from streams.kafka.topics import TopicSpec, TopicState

_ALREADY_EXISTS = 36
_CONNECT_TIMEOUT_S = 3.0
_RETRY_S = 0.1

Result = TypeVar("Result")

# Without a handler of its own kafka-python writes each failed connection to the terminal, beside our one message.
logging.getLogger("kafka").addHandler(logging.NullHandler())


class Admin:
    """A connection for administration; a context manager. Every failure is a BrokerError that says what to do.

    Building it reaches for the broker and fails within `timeout_s` if there is none. Not for use from two threads.
    """

    def __init__(self, config: Config, *, timeout_s: float = 10.0) -> None:
        settings = client_settings(config)
        self.bootstrap: str = ",".join(settings["bootstrap_servers"])
        self._timeout_s = timeout_s
        deadline = time.monotonic() + timeout_s
        _reach(settings["bootstrap_servers"], settings.get("ssl_context"), timeout_s / 2)
        # Made in two steps: when connecting fails, its network thread runs already and would never end.
        client = KafkaAdminClient.__new__(KafkaAdminClient)
        try:
            client.__init__(
                **settings,
                client_id=f"millrace-{config.name}",
                bootstrap_timeout_ms=int(max(deadline - time.monotonic(), 0.5) * 1_000),
                request_timeout_ms=int(timeout_s * 1_000),
            )
        except (KafkaError, OSError, ValueError) as error:
            if network := getattr(client, "_client", None):
                network.close()
            raise BrokerError(_unreachable(self.bootstrap, _reason(error, settings["security_protocol"]))) from error
        self._client = client

    def cluster_id(self) -> str:
        """Identity of the cluster: a checkpoint written beside another one does not fit."""
        return str(self._ask("ask for the cluster's id", self._client.describe_cluster)["cluster_id"])

    def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Those of `names` that exist, with all their settings."""
        asked = sorted(set(names))
        if not asked:
            return {}
        described = self._ask("describe topics", lambda: self._client.describe_topics(asked))
        there = [topic for topic in described if topic["error_code"] == 0]
        configs = self._configs([topic["name"] for topic in there])
        return {
            topic["name"]: TopicState(
                name=topic["name"],
                topic_id=None if topic["topic_id"] is None else str(topic["topic_id"]),
                partitions=len(topic["partitions"]),
                replication=min((len(part["replica_nodes"]) for part in topic["partitions"]), default=0),
                configs=configs.get(topic["name"], {}),
            )
            for topic in there
        }

    def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Names of those that this call made; one that exists already is left as it is. Returns when they have leaders.

        All are attempted; then BrokerError names each that the broker refused.
        """
        wanted = {
            spec.name: {
                "num_partitions": spec.partitions,
                "replication_factor": spec.replication,
                "configs": dict(spec.configs),
            }
            for spec in specs
        }
        if not wanted:
            return []
        answer = self._ask("create topics", lambda: self._client.create_topics(wanted, raise_errors=False))
        results = answer["topics"]
        made = [topic["name"] for topic in results if topic["error_code"] == 0]
        self._ask("wait for new topics", lambda: self._client.wait_for_topics(made, int(self._timeout_s * 1_000)))
        refused = [
            f"{topic['name']}: {topic['error_message'] or topic['error_code']}"
            for topic in results
            if topic["error_code"] not in {0, _ALREADY_EXISTS}
        ]
        if refused:
            raise BrokerError(f"could not create {'; '.join(refused)}")
        return made

    def alter_configs(self, topic: str, configs: Mapping[str, str]) -> None:
        """Set these of a topic's settings, the others stay; returns when the broker shows them."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))
        answer = self._ask(f"alter {topic}", lambda: self._client.alter_configs([resource]))["topic"][topic]
        if answer != "OK":
            raise BrokerError(f"could not alter {topic}: {answer}")
        deadline = time.monotonic() + self._timeout_s
        while not configs.items() <= self._configs([topic]).get(topic, {}).items():
            if time.monotonic() > deadline:
                raise BrokerError(f"could not see the new settings of {topic} within {self._timeout_s:g} s")
            time.sleep(_RETRY_S)

    def end_offsets(self, topics: Iterable[str], *, committed: bool = True) -> dict[tuple[str, int], int]:
        """(topic, partition) → the offset after the last record a `read_committed` consumer can have.

        Not `committed`: the high watermark, which an open transaction does not hold back.
        """
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        return self._offsets(topics, OffsetSpec.LATEST, level)

    def begin_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """(topic, partition) → the first offset that retention has left."""
        return self._offsets(topics, OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED)

    def committed_offsets(self, group: str) -> dict[tuple[str, int], int]:
        """(topic, partition) → committed offset; empty for a group that has committed nothing."""
        found = self._ask_coordinator(f"read offsets of group {group}", lambda: self._client.list_group_offsets(group))
        offsets = found.get(group, {})
        return {(at.topic, at.partition): offset.offset for at, offset in offsets.items() if offset.offset >= 0}

    def group_members(self, group: str) -> int:
        """How many processes are in a consumer group; one that was killed counts until its session ends."""
        found = self._ask_coordinator(f"describe group {group}", lambda: self._client.describe_groups([group]))
        return len(found.get(group, {}).get("members") or ())

    def close(self) -> None:
        """Let go of the connections; further calls fail."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _configs(self, names: list[str]) -> dict[str, dict[str, str | None]]:
        if not names:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found = self._ask("describe settings", lambda: self._client.describe_configs(asked, config_filter="all"))
        return {
            name: {key: entry["value"] for key, entry in entries.items()}
            for name, entries in found.get("topic", {}).items()
        }

    def _offsets(self, topics: Iterable[str], which: OffsetSpec, level: IsolationLevel) -> dict[tuple[str, int], int]:
        asked = sorted(set(topics))
        described = self._ask("describe topics", lambda: self._client.describe_topics(asked)) if asked else []
        if absent := [topic["name"] for topic in described if topic["error_code"] != 0]:
            raise BrokerError(f"could not find topic {', '.join(absent)}; 'millrace topics create' makes them")
        wanted = {
            TopicPartition(topic["name"], part["partition_index"]): which
            for topic in described
            for part in topic["partitions"]
        }
        if not wanted:
            return {}
        found = self._ask("read offsets", lambda: self._client.list_partition_offsets(wanted, isolation_level=level))
        return {(at.topic, at.partition): offset.offset for at, offset in found.items()}

    def _ask_coordinator(self, what: str, question: Callable[[], Result]) -> Result:
        # The first question for a group on a new broker makes the broker create its offsets topic.
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return question()
            except (CoordinatorNotAvailableError, NotCoordinatorError) as error:
                if time.monotonic() > deadline:
                    raise BrokerError(f"could not {what}: {_reason(error)}") from error
                time.sleep(_RETRY_S)
            except KafkaError as error:
                raise BrokerError(f"could not {what}: {_reason(error)}") from error

    def _ask(self, what: str, question: Callable[[], Result]) -> Result:
        try:
            return question()
        except KafkaTimeoutError as error:
            raise UnreachableError(_unreachable(self.bootstrap, f"no answer within {self._timeout_s:g} s")) from error
        except (KafkaError, ValueError) as error:  # kafka-python refuses unknown settings with a ValueError
            raise BrokerError(f"could not {what}: {_reason(error)}") from error


def _reach(addresses: list[str], context: ssl.SSLContext | None, timeout_s: float) -> None:
    """Raises BrokerError at once if no address takes a connection or shows a certificate that we trust.

    kafka-python would try again until its timeout, and then not say why.
    """
    problems, refused = [], False
    each_s = min(_CONNECT_TIMEOUT_S, timeout_s / len(addresses))
    for address in addresses:
        host, port = host_and_port(address)
        try:
            with socket.create_connection((host, port), timeout=each_s) as connection:
                if context is not None:
                    context.wrap_socket(connection, server_hostname=host).close()
                return
        except ssl.SSLCertVerificationError as error:
            refused = True
            problems.append(f"its certificate is refused, {error.verify_message}")
        except OSError as error:
            problems.append(error.strerror or str(error))
    kind = BrokerError if refused else UnreachableError
    raise kind(_unreachable(",".join(addresses), "; ".join(dict.fromkeys(problems)).lower()))


def _unreachable(bootstrap: str, reason: str) -> str:
    return f"could not reach Kafka at {bootstrap}: {reason}; is it running? 'millrace broker start' starts a local one"


def _reason(error: Exception, security_protocol: str | None = None) -> str:
    """One short line: kafka-python puts whole requests into some messages."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    if security_protocol and isinstance(error, KafkaTimeoutError):
        sasl = security_protocol.startswith("SASL")
        doubt = "are user, password and mechanism right?" if sasl else "is that its protocol?"
        return f"it takes connections but does not answer {security_protocol} ({doubt})"
    return text
