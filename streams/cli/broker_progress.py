"""Starting the local broker where somebody watches: a bar on a terminal, lines in a pipe, nothing when all is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.jars import JarProgress
from streams.kafka.local_broker import LocalBroker

_MB = 1_000_000
_LINES = 4
"""In a pipe, one at each quarter."""


def start_broker(settings: LocalBrokerSettings, console: Console | None = None) -> LocalBroker:
    """Start it (or find it running) and show the one-time download on `console`, standard error by default.

    Raises BrokerError. The caller stops it: `with start_broker(…):` works, a second start only finds the first.
    """
    console = console or Console(stderr=True)
    with _downloads(console) as report:
        broker = LocalBroker(settings, report=report)
        broker.start()
    return broker


@contextmanager
def _downloads(console: Console) -> Iterator[Callable[[JarProgress], None]]:
    if not console.is_terminal:
        yield _plain(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Kafka", total=None, visible=False)

        def report(progress: JarProgress) -> None:
            text = f"downloading Kafka, once: jar {progress.jars_done} of {progress.jars}"
            bar.update(task, description=text, total=progress.bytes, completed=progress.bytes_done, visible=True)

        yield report


def _plain(console: Console) -> Callable[[JarProgress], None]:
    told = -1

    def report(progress: JarProgress) -> None:
        nonlocal told
        quarter = progress.bytes_done * _LINES // progress.bytes
        if quarter > told:
            told = quarter
            console.print(
                f"downloading Kafka, once: {progress.jars_done} of {progress.jars} jars, "
                f"{progress.bytes_done / _MB:.0f} of {progress.bytes / _MB:.0f} MB",
                highlight=False,
                soft_wrap=True,
            )

    return report
