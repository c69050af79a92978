"""`millrace dashboard`: the live page."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.browser import browse
from streams.cli.option_lists import spread
from streams.cli.options import Process
from streams.cli.terminal import note, say, warn
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.config import Config
    from streams.observability.server import Source
    from streams.web.guard import Door
    from streams.web.server import Site

app = typer.Typer(no_args_is_help=False)

PORT = 8321
TOKEN = "MILLRACE_DASHBOARD_TOKEN"  # noqa: S105 - the variable's name
_CHANGES_MAX = 2_000
"""Applied to the view without a pause for whoever waits for a page."""


@app.command(
    epilog="Examples:  millrace dashboard   |   millrace dashboard --open   |   millrace dashboard --port 9000"
)
@spread
def dashboard(
    host: Annotated[str, typer.Option("--host", help="Another address than 127.0.0.1 needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="0: any that is free.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar=TOKEN, help="Asked for once, as ?token=… or a bearer. Best in the variable."),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Everybody who can reach the address may look.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name the page may be called by. Repeatable."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser, if there is one here.")] = False,
    *,
    process: Process,
) -> None:
    """Serve the live page: scores beside baselines, incidents, drift of every feature, the ledger, dead letters.

    It reads topics and checkpoints and changes nothing; start and stop it as you like. Ctrl-C stops it.
    """
    from streams.cli.long_running import run_to_the_end
    from streams.web.guard import Door, is_loopback

    loaded = process.begin()
    door = Door(host=host, token=token, open_to_all=no_token, names=tuple(allow_host or ()))
    if not is_loopback(host) and no_token:
        warn(f"everybody who can reach {host} can see this pipeline's features, scores and alerts")
    with _listening(host, port) as listener:
        address, figures = _address(host, listener.getsockname()[1]), process.metrics_port
        run_to_the_end(
            lambda stop: _serve(loaded, process.config, door, listener, stop, address, open_=open_, figures=figures)
        )


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            "--port" if port else "--host", f"must be free to listen on, got {host} port {port} ({error.strerror})"
        ) from error
    with listener:
        yield listener


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


def _source(site: Site) -> Source:
    """Figures of the pipeline as the page sees it, on a port of their own: they need no token."""
    from streams.observability.server import Source
    from streams.observability.view_figures import view_condition, view_figures

    def now_ms() -> int:
        return int(time.time() * 1000)

    return Source(
        lambda: view_figures(site.view, now_ms(), site.listeners), lambda: view_condition(site.view, now_ms())
    )


async def _serve(
    config: Config,
    path: Path,
    door: Door,
    listener: socket.socket,
    stop: asyncio.Event,
    address: str,
    *,
    open_: bool,
    figures: int | None,
) -> None:
    """Until stopped: two threads read, the loop owns the view and answers."""
    import structlog
    import uvicorn

    from streams.cli.long_running import serving_source
    from streams.kafka.viewing import Change, Viewing
    from streams.web.server import Site
    from streams.web.view import View

    class Server(uvicorn.Server):
        """Signals are ours: the one handler of every long-running command."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave them alone."""
            yield

    view, loop = View(config), asyncio.get_running_loop()
    site = Site(view, door, str(path))

    def change(changes: list[Change]) -> None:
        for each in changes:
            each(view)

    def apply(changes: list[Change]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            for start in range(0, len(changes), _CHANGES_MAX):
                loop.call_soon_threadsafe(change, changes[start : start + _CHANGES_MAX])

    settings = uvicorn.Config(
        site.app(),
        access_log=False,  # it would write addresses, and a token is in one
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        limit_concurrency=256,
    )
    server = Server(settings)
    with Viewing(config, apply), serving_source(config, figures, lambda: _source(site)):
        await site.warm()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        structlog.get_logger().info("dashboard_ready", address=address)
        say(address)
        if open_ and not browse(address):
            note("there is no browser here (ssh, or no display): open this address in yours")
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        site.stopping.set()
        server.should_exit = True
        await serving
