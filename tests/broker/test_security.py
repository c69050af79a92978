"""What leaves for the broker as proof of identity, and what never does."""

from __future__ import annotations

import ssl

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from pydantic import SecretStr, ValidationError

from streams.config import KafkaConfig, SaslConfig
from streams.errors import BrokerError, ConfigError
from streams.kafka.security import client_settings, faust_brokers, faust_credentials

SASL = {"username": "mill", "password": "race"}


def test_a_plain_connection_sends_no_credentials(configure):
    """The default is an address and nothing else."""
    config = configure("kafka-1:9092, kafka-2:9092")

    assert client_settings(config) == {
        "bootstrap_servers": ["kafka-1:9092", "kafka-2:9092"],
        "security_protocol": "PLAINTEXT",
    }
    assert faust_credentials(config) is None
    assert faust_brokers(config) == ["kafka://kafka-1:9092", "kafka://kafka-2:9092"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_travels_over_tls(configure, certificates, mechanism):
    """All three clients are told to encrypt, with the same mechanism and user."""
    config = configure(kafka={"tls": {"ca": certificates.ca}, "sasl": SASL | {"mechanism": mechanism}})

    settings = client_settings(config)
    credentials = faust_credentials(config)

    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert settings["ssl_context"].check_hostname
    assert (settings["sasl_mechanism"], settings["sasl_plain_username"], settings["sasl_plain_password"]) == (
        mechanism,
        "mill",
        "race",
    )
    assert isinstance(credentials, SASLCredentials)
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_SSL", mechanism)
    assert credentials.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert (credentials.username, credentials.password) == ("mill", "race")


def test_tls_alone_and_with_a_certificate_of_our_own(configure, certificates):
    """TLS without a user is SSL for every client; the encrypted key of the certificate is opened with its password."""
    tls = {"ca": certificates.ca, "cert": certificates.client_cert, "key": certificates.client_key}
    for extra in ({}, {"key_password": certificates.password}):
        chosen = {"ca": certificates.ca} if not extra else tls | extra
        config = configure(kafka={"tls": chosen})
        assert client_settings(config)["security_protocol"] == "SSL"
        credentials = faust_credentials(config)
        assert isinstance(credentials, SSLCredentials)
        assert credentials.context.verify_mode is ssl.CERT_REQUIRED


def test_only_the_named_authority_is_trusted(configure, certificates):
    """Whoever names a CA does not want the browser's hundred besides."""
    named = client_settings(configure(kafka={"tls": {"ca": certificates.ca}}))["ssl_context"]

    assert [dict(part[0] for part in each["subject"]) for each in named.get_ca_certs()] == [
        {"commonName": "millrace test authority"}
    ]
    assert named.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_password_without_tls_is_refused_when_the_config_is_read(configure):
    """The refusal names the setting that accepts it."""
    with pytest.raises(ValidationError, match=r"kafka\.allow_plaintext_credentials = true"):
        configure(kafka={"sasl": SASL})


@pytest.mark.parametrize("door", [client_settings, faust_credentials])
def test_a_password_without_tls_is_refused_again_where_it_would_leave(configure, door):
    """A config that went round its own check still sends nothing: Faust would, without a word."""
    unchecked = KafkaConfig.model_construct(
        **dict(configure().kafka) | {"sasl": SaslConfig(username="mill", password=SecretStr("race"))}
    )
    config = configure().model_copy(update={"kafka": unchecked})

    with pytest.raises(ConfigError, match=r"kafka\.allow_plaintext_credentials = true") as caught:
        door(config)

    assert "race" not in str(caught.value)


def test_a_password_without_tls_travels_only_if_that_is_allowed_by_name(configure):
    """Some networks are trusted; the setting says so where everybody reads it."""
    config = configure(kafka={"sasl": SASL, "allow_plaintext_credentials": True})

    assert client_settings(config)["security_protocol"] == "SASL_PLAINTEXT"
    assert faust_credentials(config).protocol.value == "SASL_PLAINTEXT"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ca": "absent.pem"}, r"kafka\.tls\.ca must be a readable file, got .*absent\.pem"),
        ({"ca": "client_key"}, r"kafka\.tls\.ca must be a PEM file of certificates"),
        ({"cert": "absent.pem"}, r"kafka\.tls\.cert must be a readable file"),
        ({"key_password": "wrong"}, r"kafka\.tls\.key must be the PEM key of .*kafka\.tls\.key_password"),
        ({"key_password": None}, r"kafka\.tls\.key must be the PEM key of .*kafka\.tls\.key_password"),
        ({"key": "server_key", "key_password": None}, r"kafka\.tls\.key must be the PEM key of"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_setting(configure, certificates, change, problem):
    """OpenSSL's own words name neither; and it never asks for a password on the terminal."""
    tls = {
        "ca": certificates.ca,
        "cert": certificates.client_cert,
        "key": certificates.client_key,
        "key_password": certificates.password,
    }
    tls |= {key: getattr(certificates, value or "", value) for key, value in change.items()}

    with pytest.raises(ConfigError, match=problem) as caught:
        client_settings(configure(kafka={"tls": tls}))

    assert certificates.password not in str(caught.value)


@pytest.mark.parametrize("kafka", [{"tls": {}}, {"sasl": SASL, "tls": {}}])
def test_the_local_broker_knows_neither_users_nor_certificates(configure, kafka):
    """Settings that would silently do nothing are refused."""
    with pytest.raises(ConfigError, match=r"^kafka\.(tls|sasl) must be absent with kafka.bootstrap = \"local\""):
        faust_credentials(configure("local", kafka=kafka))


def test_the_local_broker_that_does_not_run_is_an_error_with_the_command_that_starts_it(configure):
    """A newcomer's first mistake has its answer in the message."""
    with pytest.raises(BrokerError, match=r"it is stopped; 'millrace broker start' starts it"):
        client_settings(configure("local"))


@pytest.mark.parametrize("address", ["", "kafka", "kafka:", "kafka:99999", "http://kafka:9092", "a:1,b"])
def test_an_address_that_is_none_is_refused(configure, address):
    """Before a client tries for half a minute."""
    with pytest.raises(ConfigError, match=r"^kafka\.bootstrap must be"):
        client_settings(configure(address))
