"""Where the config's Kafka is: the addresses it names, or the local broker of its folder."""

from __future__ import annotations

import re

from streams.config import Config
from streams.errors import ConfigError, UnreachableError
from streams.kafka.broker_status import broker_status

LOCAL = "local"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+):(?P<port>\d{1,5})")


def bootstrap_servers(config: Config) -> list[str]:
    """`host:port`, at least one. ConfigError for what is none, UnreachableError if the local broker is down."""
    if config.kafka.bootstrap.strip() != LOCAL:
        return parse_addresses(config.kafka.bootstrap)
    status = broker_status(config.path(config.kafka.local_folder))
    if status.state == "running" and status.bootstrap:
        return [status.bootstrap]
    raise UnreachableError(
        f"could not reach the local Kafka of {status.folder}: it is {status.state}; 'millrace broker start' starts it"
    )


def parse_addresses(text: str) -> list[str]:
    """The addresses in a comma-separated list.

    >>> parse_addresses("kafka-1:9092, [::1]:9093")
    ['kafka-1:9092', '[::1]:9093']
    >>> parse_addresses("kafka-1")
    Traceback (most recent call last):
    ...
    streams.errors.ConfigError: kafka.bootstrap must be "local" or host:port (several with commas), got 'kafka-1'
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    for address in found or [text]:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) <= 65_535:  # noqa: PLR2004  the last TCP port
            raise ConfigError("kafka.bootstrap", f'must be "local" or host:port (several with commas), got {address!r}')
    return found


def host_and_port(address: str) -> tuple[str, int]:
    """Parts of one parsed address, an IPv6 host without its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
