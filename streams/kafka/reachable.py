"""Whether Kafka answers: said once when it stops to, and once when it does again.

The clients reconnect by themselves and say nothing that people see; without these lines a worker that waits for its
broker looks like one that has nothing to do.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

log = structlog.get_logger()

LOOK_S = 1.0
ANSWER_S = 5.0
"""A broker that takes longer than this to say which versions it speaks is gone, for all that a pipeline can tell."""


async def watch_broker(client: Any) -> None:
    """Ask any broker that `client` (aiokafka's) knows, every second for ever: a small request on an open connection."""
    answered_at, lost = time.monotonic(), False
    while True:
        await asyncio.sleep(LOOK_S)
        if await _answers(client):
            if lost:
                log.info("broker_back", seconds=round(time.monotonic() - answered_at, 1))
            answered_at, lost = time.monotonic(), False
        elif not lost:
            lost = True
            log.warning("broker_lost", doing="waiting for it; nothing is lost")


async def _answers(client: Any) -> bool:
    for broker in client.cluster.brokers():
        try:
            await asyncio.wait_for(client.send(broker.nodeId, ApiVersionRequest()), ANSWER_S)
        except (KafkaError, OSError, TimeoutError):
            continue
        return True
    return False
