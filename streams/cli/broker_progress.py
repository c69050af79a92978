"""Starting the local broker where somebody watches: a bar while its jars are downloaded, nothing if they are there."""

from __future__ import annotations

from contextlib import ExitStack

from streams.cli.terminal import Update, note, progress
from streams.kafka.broker_settings import LocalBrokerSettings
from streams.kafka.jars import JarProgress
from streams.kafka.local_broker import LocalBroker

_MB = 1_000_000


def start_broker(settings: LocalBrokerSettings) -> LocalBroker:
    """Start it, or find it running; raises BrokerError.

    The caller stops it: `with start_broker(…):` works, a second start only finds the first.
    """
    with ExitStack() as bar:
        shown: list[Update] = []

        def report(so_far: JarProgress) -> None:  # of one thread at a time
            if not shown:
                note(f"downloading Kafka, once: {so_far.jars} jars, {so_far.bytes / _MB:.0f} MB")
                shown.append(bar.enter_context(progress("Kafka")))
            text = f"{so_far.jars_done} of {so_far.jars} jars, {so_far.bytes_done / _MB:.0f} MB"
            shown[0](so_far.bytes_done / so_far.bytes, text)

        broker = LocalBroker(settings, report=report)
        broker.start()
    return broker
