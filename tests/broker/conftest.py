"""Configs, folders and brokers of these tests."""

from __future__ import annotations

import pytest

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
