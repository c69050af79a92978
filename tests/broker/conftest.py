"""Configs, folders and brokers of these tests."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from streams.config import Config
from streams.kafka.broker_settings import LocalBrokerSettings


@pytest.fixture
def configure(pipeline_name, tmp_path):
    """A whole config of which the test cares about a few tables."""

    def build(bootstrap: str = "127.0.0.1:9092", **tables) -> Config:
        kafka = {"bootstrap": bootstrap} | tables.pop("kafka", {})
        return Config.model_validate(
            {
                "name": pipeline_name,
                "kafka": kafka,
                "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
                "features": {"amount": "numeric"},
                "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
                "root": tmp_path,
            }
            | tables
        )

    return build


@pytest.fixture
def settings(tmp_path):
    """Of a broker in this test's own folder, whose name needs care in every file format on the way."""
    return LocalBrokerSettings(folder=tmp_path / "kafka, größer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """An authority of this test session, and what it has signed, as PEM files."""

    ca: Path
    server_cert: Path
    """For 127.0.0.1."""
    server_key: Path
    client_cert: Path
    client_key: Path
    """Encrypted with `password`."""
    password: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """Keys of 2048 bits, valid for a day."""
    folder = tmp_path_factory.mktemp("certificates")
    now = dt.datetime.now(dt.UTC)

    def write(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    def key_and_name(name: str):
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        return key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def signed(public_key, subject, issuer, issuer_key, *, authority: bool) -> bytes:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def pem(key, protection) -> bytes:
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)

    plain, password = serialization.NoEncryption(), "open sesame"
    ca_key, ca_name = key_and_name("millrace test authority")
    server_key, server_name = key_and_name("broker")
    client_key, client_name = key_and_name("worker")
    sealed = serialization.BestAvailableEncryption(password.encode())
    return Certificates(
        ca=write("ca.pem", signed(ca_key.public_key(), ca_name, ca_name, ca_key, authority=True)),
        server_cert=write("server.pem", signed(server_key.public_key(), server_name, ca_name, ca_key, authority=False)),
        server_key=write("server.key", pem(server_key, plain)),
        client_cert=write("client.pem", signed(client_key.public_key(), client_name, ca_name, ca_key, authority=False)),
        client_key=write("client.key", pem(client_key, sealed)),
        password=password,
    )
