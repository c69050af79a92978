"""What every test may ask for: the session's one real Kafka, and pipeline names nobody else uses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.local_broker import LocalBroker

# No test times itself: on a busy machine any example may take long.
settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")


@pytest.fixture(autouse=True)
def logs_as_by_default() -> Iterator[None]:
    """What a command binds to its test's stderr ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def broker(tmp_path_factory) -> Iterator[str]:
    """Address of a real Kafka, started for the first test that asks and stopped after the last.

    It is attached: a killed test run leaves nothing behind. Its jars stay in the user's cache folder.
    """
    folder: Path = tmp_path_factory.mktemp("kafka")
    with LocalBroker(LocalBrokerSettings(folder=folder, start_timeout_s=300)) as running:
        bootstrap = running.status().bootstrap
        assert bootstrap is not None
        yield bootstrap


@pytest.fixture
def pipeline_name(request) -> str:
    """A name for this test's pipeline: its own topics and groups on the shared broker, in any test order."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:40]
    return f"{readable}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path) -> Iterator[Any]:
    """A config and topics of this test's own, and processes that end with it."""
    from pipeline_process import Pipeline  # noqa: PLC0415 - only for those that ask

    with Pipeline(tmp_path, broker, pipeline_name).create_topics() as made:
        yield made
