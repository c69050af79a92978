"""How whatever runs until it is stopped serves its figures and ends: its exit code says if another start may help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
import typer

from streams.cli.main import BROKER_LOST, INTERNAL
from streams.cli.terminal import complain
from streams.errors import BrokerError, MillraceError, StalledError
from streams.kafka.process import run_until_stopped
from streams.state.place import StoreAwayError

if TYPE_CHECKING:
    from streams.config import Config
    from streams.kafka.member import Member
    from streams.observability.server import Source

log = structlog.get_logger()


def run_to_the_end(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until stopped; whatever ends it before becomes an exit code.

    A lost broker or store is worth another try, an error of our own too: the state is in the checkpoints. What the
    operator must mend is raised as it is.
    """
    try:
        run_until_stopped(main)
    except (BrokerError, StoreAwayError, StalledError) as error:  # the broker was there at the start
        complain(str(error))
        raise typer.Exit(BROKER_LOST) from error
    except MillraceError:
        raise
    except Exception as error:
        log.exception("ended_unexpectedly", error=type(error).__name__)
        raise typer.Exit(INTERNAL) from error


def serving_figures(member: Member, port: int | None) -> AbstractContextManager[object]:
    """Figures and health of a worker or monitor, served while inside if anybody asked for a port."""

    def source() -> Source:
        from streams.kafka.member_figures import member_source

        return member_source(member)

    return serving_source(member.config, port, source)


def serving_source(config: Config, port: int | None, source: Callable[[], Source]) -> AbstractContextManager[object]:
    """The same of any process; nothing is imported where nobody asked."""
    if port is None and config.metrics.port is None:
        return nullcontext()
    from streams.observability.server import serving

    return serving(config.metrics, port, source())
