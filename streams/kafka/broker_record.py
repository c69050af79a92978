"""What a broker's folder tells about the broker: who runs it, on which port, how the last one ended.

A process is recognised by a random token in its command line, written down when it was started. A pid alone proves
nothing: the system gives it to the next process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import psutil

from streams.kafka.broker_process import LAST_EXIT, RECORD

PORTS = "ports.json"
"""Outlives the broker: the next start takes the same ones if they are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRecord:
    """Of a broker that was started in the folder and has not ended in order."""

    token: str
    pid: int
    """Of the supervisor."""
    java_pid: int
    port: int
    attached: bool
    kafka: str
    started_ms: int
    stopping: bool = False

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None if there is no record, or none that can be read."""
        found = _read_json(folder / RECORD)
        try:
            return cls(**found) if found else None
        except TypeError:
            return None

    @property
    def bootstrap(self) -> str:
        """For `bootstrap_servers`."""
        return f"127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """Those of supervisor and Java that live, the supervisor first; never somebody else's."""
        return [process for pid in (self.pid, self.java_pid) if (process := _ours(pid, self.token))]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExit:
    """How the last broker of the folder ended."""

    token: str
    reason: Literal["asked to stop", "ended by itself", "its starter ended", "its starter was killed"]
    returncode: int
    """Of Java; 143 after an orderly SIGTERM, negative for a signal that killed it."""
    time_ms: int

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None if no broker has ended here yet."""
        found = _read_json(folder / LAST_EXIT)
        try:
            return cls(**found) if found else None
        except TypeError:
            return None


def remembered_ports(folder: Path) -> tuple[int, int] | None:
    """(broker's port, controller's port) of the last start."""
    found = _read_json(folder / PORTS)
    try:
        return (int(found["port"]), int(found["controller_port"])) if found else None
    except (KeyError, TypeError, ValueError):
        return None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _ours(pid: int, token: str) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and any(token in word for word in process.cmdline()):
            return process
    except (psutil.Error, ValueError, OverflowError):
        pass
    return None
