"""Calls on the store that outlive a medium which refuses for a while: a full disk, a bucket that does not answer.

Work goes on meanwhile, and nothing that rests on the call is told: it has not answered yet. Calls that come before any
work, such as the claim of a start, do without it: a store that refuses then is more likely a setting than an accident.
Only for calls that may be repeated.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog

from streams.state.place import StoreAwayError

log = structlog.get_logger()

AGAIN_S = 1.0
OUTAGE_S = 120.0
"""How long a lost store is waited for before the process ends with its error; as long as a lost broker."""

_WAITING: set[object] = set()
"""Calls of this process that wait for their store."""

P = ParamSpec("P")
T = TypeVar("T")


async def kept(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `call` answers on a thread; called again each second while the store is away.

    Raises:
        StoreAwayError: for two minutes.
    """
    return await repeated(functools.partial(call, *arguments, **named), AGAIN_S, OUTAGE_S)


async def repeated(call: Callable[[], T], again_s: float, outage_s: float) -> T:
    """As `kept`, with these times."""
    away_at: float | None = None
    try:
        while True:
            try:
                answer = await asyncio.to_thread(call)
            except StoreAwayError as error:
                now = time.monotonic()
                if away_at is None:
                    away_at = now
                    _WAITING.add(call)
                    log.warning("store_lost", reason=str(error), doing="waiting for it; nothing is lost")
                elif now - away_at > outage_s:
                    raise
                await asyncio.sleep(again_s)
            else:
                if away_at is not None:
                    log.info("store_back", seconds=round(time.monotonic() - away_at, 1))
                return answer
    finally:
        _WAITING.discard(call)


def store_away() -> bool:
    """Whether any call waits for its store."""
    return bool(_WAITING)
