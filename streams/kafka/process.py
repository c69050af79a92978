"""From a configuration to a running worker or monitor process: connection, identity, state store, signals, exit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import structlog

from streams.config import Config
from streams.errors import BrokerError
from streams.kafka.admin import Admin
from streams.kafka.durable import Identity
from streams.kafka.security import client_settings
from streams.kafka.topics import topic_specs
from streams.state.from_config import open_store
from streams.state.store import Store
from streams.supervise import STOP_ON_EOF

log = structlog.get_logger()

AGAIN_S = 1.0


class Ground(NamedTuple):
    """What every long-running process stands on."""

    config: Config
    connection: Mapping[str, Any]
    identity: Identity
    store: Store


def prepare(config: Config) -> Ground:
    """Reach the broker (at most 10 s), see that the topics exist, open the store.

    Raises:
        BrokerError: no broker, or topics are missing: the message names the command that makes them.
    """
    with Admin(config) as admin:
        wanted = [spec.name for spec in topic_specs(config)]
        found = admin.topics(wanted)
        missing = [topic for topic in wanted if topic not in found]
        if missing:
            raise BrokerError(
                f"could not find {len(missing)} of the pipeline's {len(wanted)} topics ({', '.join(missing)}): "
                "`millrace topics create` makes them"
            )
        ids = {topic: state.topic_id for topic, state in found.items() if state.topic_id is not None}
        identity = Identity(cluster_id=admin.cluster_id(), topic_ids=ids)
    return Ground(config, client_settings(config), identity, open_store(config))


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `main(stop)` on uvloop; SIGINT and SIGTERM set `stop`, another one after a second ends at once."""

    async def guarded() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        asked_at = 0.0

        def ask() -> None:
            nonlocal asked_at
            if not stop.is_set():
                asked_at = time.monotonic()
                stop.set()
            elif time.monotonic() - asked_at > AGAIN_S:  # a terminal and a supervisor may both send the first one
                log.warning("stopped_at_once", state="as of the last checkpoint")
                os._exit(130)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ask)
        if os.environ.get(STOP_ON_EOF):
            threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
        await main(stop)

    _use_uvloop()
    with asyncio.Runner() as runner:
        runner.run(guarded())


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Whoever started us has gone, or wants us to stop."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin: a daemon thread inside its lock would abort the interpreter's end
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop.set)


def _use_uvloop() -> None:
    """As the policy and not for one loop: Faust makes another one, for the thread that fetches."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
