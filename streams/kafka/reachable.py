"""Whether Kafka answers: said once when it stops to, and once when it does again.

The clients reconnect by themselves and say nothing that people see; without these lines a worker that waits for its
broker looks like one that has nothing to do.

And they do not always: after several outages in a row, a look-up of the group's coordinator in aiokafka was seen to
wait for ever, and with it every fetch and heartbeat of the process. Such a process is ended, for a supervisor to start
anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from streams.errors import BrokerError

log = structlog.get_logger()

LOOK_S = 1.0
ANSWER_S = 5.0
"""A broker that takes longer than this to say which versions it speaks is gone, for all that a pipeline can tell."""


STUCK_S = 30.0
"""A member that has found no coordinator for so long, while Kafka answers, will not find one any more."""


async def watch_broker(
    client: Any,
    in_group: Callable[[], bool],
    *,
    tell: Callable[[bool], None] = lambda _: None,
    look_s: float = LOOK_S,
    stuck_s: float = STUCK_S,
) -> None:
    """Ask any broker that `client` (aiokafka's) knows, every second for ever: a small request on an open connection.

    `tell` hears each time whether one has answered.

    Raises:
        BrokerError: `in_group` was false for `stuck_s`, and Kafka answered all the time.
    """
    answered_at, lost = time.monotonic(), False
    well_at = time.monotonic()
    while True:
        await asyncio.sleep(look_s)
        answers = await _answers(client)
        tell(answers)
        if not answers or in_group():
            well_at = time.monotonic()
        elif time.monotonic() - well_at > stuck_s:
            raise BrokerError(f"could not find the group's coordinator for {stuck_s:g} s although Kafka answers")
        if answers:
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
        except (
            KafkaError,
            OSError,
            TimeoutError,
            RuntimeError,
        ):  # the last is uvloop's word for a connection just closed
            continue
        return True
    return False
