"""The watchdog: how far every input's log goes, whether anything moves, and the end of a process that is stuck.

Ends are asked by a connection of their own: a fetch that hangs would say that there is nothing more to fetch. Two
things may be stuck: the work, which the event loop sees, and the loop itself, which a thread sees.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.errors import StalledError
from streams.kafka.reading import reader
from streams.observability.health import GAP_S

if TYPE_CHECKING:
    from streams.kafka.member import Member

log = structlog.get_logger()

LOOK_S = 1.0
ASK_S = 5.0
ANSWER_S = 10.0
GRACE_S = 30.0
"""For a process that ends: what hangs may hang there, too."""
EXIT_CODE = 75


async def watch_progress(
    member: Member,
    *,
    look_s: float = LOOK_S,
    ask: Callable[[Member], Coroutine[Any, Any, None]] | None = None,
    end: Callable[[float], None] | None = None,
) -> None:
    """Look every second, for ever; `ask` and `end` stand in for what asks Kafka and what ends a process for good.

    Raises:
        StalledError: nothing has moved for `health.end_after` although more and more waits.
    """
    end_s = member.config.health.end_after_ms / 1000
    guard = LoopGuard(end_s) if end_s else None
    asking = asyncio.create_task((ask or ask_ends)(member))
    try:
        while True:
            await asyncio.sleep(look_s)
            if guard is not None:
                guard.beat()
            lag = member.lag()
            member.progress.look(time.monotonic(), member.places(), sum(lag.values()), member.excuse())
            if end_s and member.progress.stalled_s >= end_s:
                text = (
                    f"could not move for {member.progress.stalled_s:.0f} s although {sum(lag.values())} records wait "
                    "and Kafka and the store answer: the process ends, the next start goes on from the last checkpoint"
                )
                log.error("stalled", reason=text)  # now: what hangs may hold up the process's own last word
                (end or end_after)(GRACE_S)
                raise StalledError(text)
    finally:
        asking.cancel()
        if guard is not None:
            guard.stop()


async def ask_ends(member: Member) -> None:
    """Keep `member.ends` current, as well as Kafka answers."""
    while True:
        try:
            async with reader(member.connection) as consumer:
                while True:
                    places = [TopicPartition(*tp) for tp in member.inputs()]
                    if places:
                        ends = await asyncio.wait_for(consumer.end_offsets(places), ANSWER_S)
                        member.ends = {TP(*place): end for place, end in ends.items()}
                    await asyncio.sleep(ASK_S)
        except (KafkaError, OSError, TimeoutError):
            await asyncio.sleep(ASK_S)


def end_after(seconds: float) -> None:
    """End this process in any case: a thread that never returns would hold its exit up for ever."""
    timer = threading.Timer(seconds, os._exit, (EXIT_CODE,))
    timer.daemon = True
    timer.start()


class LoopGuard:
    """Ends the process when nothing has beaten for `silence_s`; time in which the process was stopped does not count.

    `end` and `look_s` are for tests.
    """

    def __init__(self, silence_s: float, end: Callable[[float], None] | None = None, look_s: float = LOOK_S) -> None:
        self._silence_s, self._end, self._look_s = silence_s, end or _end, look_s
        self._beats = 0
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        """The loop is well."""
        self._beats += 1

    def stop(self) -> None:
        """No more."""
        self._stopped.set()

    def _watch(self) -> None:
        silent_s, heard, looked_at = 0.0, -1, time.monotonic()
        while not self._stopped.wait(self._look_s):
            now = time.monotonic()
            passed, looked_at = min(now - looked_at, GAP_S), now
            if self._beats != heard:
                silent_s, heard = 0.0, self._beats
                continue
            silent_s += passed
            if silent_s >= self._silence_s:
                self._end(silent_s)
                return


def _end(silent_s: float) -> None:
    """Not by the log: the loop may hold its lock."""
    text = (
        f"error: could not go on: the event loop has not turned for {silent_s:.0f} s. Where it is:\n"
        "(the next start goes on from the last checkpoint)\n"
    )
    os.write(2, text.encode())
    faulthandler.dump_traceback(all_threads=True)
    os._exit(EXIT_CODE)
