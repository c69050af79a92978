"""A lost broker is said once and waited for; a member that has lost its group for good is ended."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from streams.errors import BrokerError
from streams.kafka.reachable import watch_broker

LOOK_S, STUCK_S = 0.001, 0.02


class Client:
    """Answers as long as `there`; after so many requests something happens."""

    def __init__(self, at=None):
        self.there, self.asked, self.at = True, 0, at or {}
        self.cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=1)])

    async def send(self, _node, _request):
        self.asked += 1
        self.at.get(self.asked, lambda _: None)(self)
        if not self.there:
            raise KafkaConnectionError


class EnoughError(Exception):
    """Ends a watch that has no end."""


def lost(client):
    client.there = False


def back(client):
    client.there = True


def enough(_client):
    raise EnoughError


def watched(client, in_group):
    with capture_logs() as logs, contextlib.suppress(EnoughError):
        asyncio.run(watch_broker(client, in_group, look_s=LOOK_S, stuck_s=STUCK_S))
    return [entry["event"] for entry in logs]


def test_an_outage_is_said_once_and_its_end_once():
    """However long it takes; a member without its group is not stuck meanwhile."""
    client = Client({3: lost, 90: back, 91: enough})
    assert watched(client, lambda: client.there) == ["broker_lost", "broker_back"]


def test_whoever_asks_is_told_each_time_whether_kafka_answers():
    """What waits for the broker is no stall: the watchdog goes by this."""
    told = []
    client = Client({2: lost, 3: back, 4: enough})
    with contextlib.suppress(EnoughError):
        asyncio.run(watch_broker(client, lambda: True, tell=told.append, look_s=LOOK_S))

    assert told == [True, False, True]


def test_a_member_that_finds_its_group_again_goes_on():
    """A look-up takes a moment after each outage."""
    client = Client({200: enough})
    assert watched(client, lambda: client.asked % 3 != 0) == []


def test_a_member_that_does_not_find_its_group_though_kafka_answers_is_ended():
    """Or it would stand still for ever, owning nothing and saying nothing."""
    with pytest.raises(BrokerError, match="could not find the group's coordinator"):
        watched(Client(), lambda: False)
