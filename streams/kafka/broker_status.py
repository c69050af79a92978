"""Whether the broker of a folder runs, and where: for anybody, not only its starter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from streams.kafka.broker_record import BrokerRecord, LastExit
from streams.kafka.ports import kafka_answers


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """What is known about the folder's broker."""

    state: Literal["running", "starting", "stopping", "stopped", "crashed"]
    """`starting` also means: does not answer. `crashed`: ended without having been asked to."""
    folder: Path
    bootstrap: str | None = None
    pid: int | None = None
    """Of the supervisor; `java_pid` is Kafka's own."""
    java_pid: int | None = None
    attached: bool | None = None
    kafka: str | None = None
    rss_bytes: int | None = None
    """Resident memory of Kafka and its supervisor."""
    started_ms: int | None = None


def broker_status(folder: Path) -> BrokerStatus:
    """Looks at the folder, the processes and the port; takes at most a second."""
    folder = folder.resolve()
    record = BrokerRecord.read(folder)
    alive = record.processes() if record else []
    if record is None or not alive:
        last = LastExit.read(folder)
        crashed = record is not None or (last is not None and last.reason == "ended by itself")
        return BrokerStatus(state="crashed" if crashed else "stopped", folder=folder)
    answers = not record.stopping and kafka_answers(record.port)
    return BrokerStatus(
        state="stopping" if record.stopping else "running" if answers else "starting",
        folder=folder,
        bootstrap=record.bootstrap,
        pid=record.pid,
        java_pid=record.java_pid,
        attached=record.attached,
        kafka=record.kafka,
        rss_bytes=sum(_rss_bytes(process) for process in alive),
        started_ms=record.started_ms,
    )


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
