"""How a client proves who it is, and who the broker is: one answer for kafka-python, aiokafka and Faust.

Passwords never travel over a connection without TLS unless `kafka.allow_plaintext_credentials` says so. The config
refuses that when it is read; it is checked again here, at the only door through which passwords leave, because Faust's
`SASLCredentials` without a TLS context sends them in the clear and says nothing.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.config import Config, SaslConfig
from streams.errors import ConfigError
from streams.kafka.bootstrap import LOCAL, bootstrap_servers

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT


def client_settings(config: Config) -> dict[str, Any]:
    """Keyword arguments that every kafka-python and every aiokafka client of this pipeline shares.

    `bootstrap_servers`, `security_protocol`, and where they apply `ssl_context`, `sasl_mechanism`,
    `sasl_plain_username`, `sasl_plain_password` (both libraries use the last two for SCRAM as well).
    Raises ConfigError, and BrokerError if the local broker is meant and does not run.
    """
    return {"bootstrap_servers": bootstrap_servers(config), **security_settings(config)}


def security_settings(config: Config) -> dict[str, Any]:
    """The part of `client_settings` that is about trust."""
    context, sasl = tls_context(config), checked_sasl(config)
    settings: dict[str, Any] = {"security_protocol": security_protocol(config)}
    if context is not None:
        settings["ssl_context"] = context
    if sasl is not None:
        settings |= {
            "sasl_mechanism": sasl.mechanism,
            "sasl_plain_username": sasl.username,
            "sasl_plain_password": sasl.password.get_secret_value(),
        }
    return settings


def security_protocol(config: Config) -> str:
    """Kafka's name for the connection: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    wire = "PLAINTEXT" if config.kafka.tls is None else "SSL"
    return wire if config.kafka.sasl is None else f"SASL_{wire}"


def faust_brokers(config: Config) -> list[str]:
    """For `faust.App(broker=…)`."""
    return [f"kafka://{address}" for address in bootstrap_servers(config)]


def faust_credentials(config: Config) -> CredentialsT | None:
    """For `faust.App(broker_credentials=…)`; None for a plain connection."""
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415  the CLI uses this module without Faust

    context, sasl = tls_context(config), checked_sasl(config)
    if sasl is not None:
        return SASLCredentials(
            username=sasl.username,
            password=sasl.password.get_secret_value(),
            mechanism=sasl.mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


def checked_sasl(config: Config) -> SaslConfig | None:
    """The user's credentials, if they may travel; raises ConfigError otherwise."""
    kafka = config.kafka
    if kafka.sasl is None:
        return None
    if kafka.bootstrap.strip() == LOCAL:
        raise ConfigError("kafka.sasl", 'must be absent with kafka.bootstrap = "local", which knows no users')
    if kafka.tls is None and not kafka.allow_plaintext_credentials:
        raise ConfigError(
            "kafka.sasl",
            "must be used with kafka.tls, or the password travels in the clear "
            "(kafka.allow_plaintext_credentials = true accepts that)",
        )
    return kafka.sasl


def tls_context(config: Config) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the broker's certificate required; None without `kafka.tls`.

    Raises ConfigError naming the file that cannot be used.
    """
    tls = config.kafka.tls
    if tls is None:
        return None
    if config.kafka.bootstrap.strip() == LOCAL:
        raise ConfigError("kafka.tls", 'must be absent with kafka.bootstrap = "local", which speaks plain text')
    context = ssl.create_default_context()
    if tls.ca is not None:
        # Only this authority, not the system's list besides: whoever names a CA means it.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        path = _readable("kafka.tls.ca", config.path(tls.ca))
        try:
            context.load_verify_locations(cafile=path)
        except ssl.SSLError as error:
            raise ConfigError("kafka.tls.ca", f"must be a PEM file of certificates, got {path}") from error
    context.check_hostname = tls.check_hostname
    if tls.cert is not None and tls.key is not None:
        cert = _readable("kafka.tls.cert", config.path(tls.cert))
        key = _readable("kafka.tls.key", config.path(tls.key))
        # Never None: OpenSSL would ask for the password on the terminal, and a worker would wait there for ever.
        password = "" if tls.key_password is None else tls.key_password.get_secret_value()
        try:
            context.load_cert_chain(cert, key, password)
        except ssl.SSLError as error:
            raise ConfigError(
                "kafka.tls.key",
                f"must be the PEM key of {cert}, readable with kafka.tls.key_password, got {key} "
                f"({error.reason or 'wrong password?'})",
            ) from error
    return context


def _readable(setting: str, path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ConfigError(setting, f"must be a readable file, got {path} ({error.strerror})") from error
