"""`/metrics`, `/healthz` and `/readyz`: a small server in threads of its own, which asks the event loop.

What is told is gathered in the loop, where nothing changes meanwhile; a loop that does not answer is unhealthy. No
framework: a worker that nobody watches imports none of this.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from streams.config_observing import MetricsConfig
from streams.errors import ConfigError
from streams.observability.families import Figures
from streams.observability.health import Condition
from streams.web.guard import Door, is_loopback

log = structlog.get_logger()

ANSWER_S = 5.0
"""An event loop that takes longer is stuck; Prometheus itself waits 10 s."""
REQUESTS_MAX = 16
"""At a time; more are turned away."""
POLL_S = 0.1
CONNECTION_S = 5.0
"""A connection that says nothing for so long is closed."""

T = TypeVar("T")


class Source:
    """What a process can be asked; both are called in its event loop."""

    def __init__(self, figures: Callable[[], Figures], condition: Callable[[], Condition]) -> None:
        self.figures, self.condition = figures, condition


class _Collector:
    """Our figures as a collector of prometheus-client's."""

    def __init__(self, gather: Callable[[], Figures]) -> None:
        self._gather = gather

    def collect(self) -> Iterable[Any]:
        return self._gather().families()


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


def _text(status: int, text: str) -> _Answer:
    return _Answer(status, text.encode() + b"\n", {"Content-Type": "text/plain; charset=utf-8"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = REQUESTS_MAX

    def __init__(self, address: tuple[str, int], source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.loop, self.source = loop, source
        self.door = Door(host=address[0]) if is_loopback(address[0]) else None
        """On this machine alone a name that is not ours is a foreign page's (DNS rebinding); elsewhere all may ask."""
        self.room = threading.BoundedSemaphore(REQUESTS_MAX)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        super().__init__(address, _Handler)
        self.registry.register(_Collector(lambda: self.ask(source.figures)))

    def ask(self, question: Callable[[], T]) -> T:
        """The loop's answer; TimeoutError if it does not come."""

        async def answered() -> T:
            return question()

        coming = asyncio.run_coroutine_threadsafe(answered(), self.loop)
        try:
            return coming.result(ANSWER_S)
        finally:
            coming.cancel()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        if not self.room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """A client that went away is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "millrace", ""
    timeout = CONNECTION_S

    def do_GET(self) -> None:
        """One of three pages."""
        try:
            answer = self._page(self.path.partition("?")[0])
        except TimeoutError:
            answer = _text(503, "The event loop does not answer.")
        except Exception as error:  # noqa: BLE001 - a figure of ours that fails must not look like a lost connection
            log.warning("metrics_failed", error=f"{type(error).__name__}: {error}")
            answer = _text(500, "These figures could not be gathered; the log says why.")
        self.send_response(answer.status)
        told = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
        for name, value in (told | {"Content-Length": str(len(answer.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        """The same without its body."""
        self.do_GET()

    def _page(self, path: str) -> _Answer:
        if self.server.door is not None and not self.server.door.knows(self.headers.get("Host", "")):
            return _text(421, "Only this machine's own names lead here.")
        if path == "/metrics":
            return self._metrics()
        if path in {"/healthz", "/readyz"}:
            status, told = self.server.ask(self.server.source.condition).answer(ready=path == "/readyz")
            return _Answer(status, json.dumps(told).encode() + b"\n", {"Content-Type": "application/json"})
        return _text(404, "There are /metrics, /healthz and /readyz.")

    def _metrics(self) -> _Answer:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        body = encode(self.server.registry)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=3)
            headers["Content-Encoding"] = "gzip"
        return _Answer(200, body, headers)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the parent's
        """No line for each scrape."""


@contextmanager
def serving(settings: MetricsConfig, port: int | None, source: Source) -> Iterator[str | None]:
    """Serve while inside, from the running loop; gives the address, None where nobody asked for a port.

    `port` is what the command line says: exactly that one, 0 any that is free. Without it the first free one of the
    settings' range is taken.

    Raises:
        ConfigError: there is no free port.
    """
    if port is None and settings.port is None:
        yield None
        return
    server = _listening(settings, port, source)
    threading.Thread(target=server.serve_forever, args=(POLL_S,), name="metrics", daemon=True).start()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{server.server_address[1]}"
    log.info("metrics_ready", address=f"{address}/metrics")
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


def _listening(settings: MetricsConfig, port: int | None, source: Source) -> _Server:
    first = settings.port or 0
    last = min(first + settings.ports, 65_536)
    wanted = range(first, last) if port is None else range(port, port + 1)
    loop, problem = asyncio.get_running_loop(), ""
    for number in wanted:
        try:
            return _Server((settings.host, number), source, loop)
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
    shown = f"{wanted[0]} to {wanted[-1]}" if len(wanted) > 1 else str(wanted[0])
    path = "metrics.port" if port is None else "--metrics-port"
    raise ConfigError(path, f"must be free to listen on, got {settings.host} port {shown} ({problem})")
