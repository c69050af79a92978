"""The broker's supervisor: runs Java, and sees to it that Java never outlives its purpose.

Started by file name and with the standard library alone, in its own session, so that Ctrl-C in the terminal does not
reach Kafka before its clients are done. It holds the folder's lock as long as it lives (the open file is inherited),
and stops Kafka

- on SIGTERM,
- attached: when standard input ends, which the system does for a starter that was killed, too,
- attached: when its parent is another than at the start (a sibling may hold the pipe open),
- and on Linux the system kills Kafka if this very process is killed.

    python broker_process.py --folder F --token T --record JSON [--attached] --grace SECONDS -- java …
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORD = "broker.json"
LAST_EXIT = "last_exit.json"

_LOOK_S = 1.0
_PR_SET_PDEATHSIG = 1


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Whole or not at all."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)


def _die_with_parent() -> Callable[[], None] | None:
    """To run in the child before Java: the system then kills it when this process is gone. Linux only.

    The signal follows the *thread* that forks, so this belongs to the main thread.
    """
    if sys.platform != "linux":
        return None
    libc, mine = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != mine:  # gone between the fork and the request
            os._exit(1)

    return ask


def _wake_on_signals() -> int:
    """A file that becomes readable at SIGTERM or when Java ends."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return readable


def _wait_for_reason(java: subprocess.Popen[bytes], wakeup: int, *, attached: bool) -> str:
    """Blocks until Java ends by itself or should end; says why."""
    parent = os.getppid()
    watched = [wakeup, sys.stdin.fileno()] if attached else [wakeup]
    while True:
        ready, _, _ = select.select(watched, [], [], _LOOK_S)
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 512):
            return "asked to stop"
        if java.poll() is not None:
            return "ended by itself"
        if attached and sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 512):
            return "its starter ended"
        if attached and os.getppid() != parent:
            return "its starter was killed"


def _end(java: subprocess.Popen[bytes], grace_s: float) -> int:
    if java.poll() is None:
        java.terminate()
    try:
        return java.wait(grace_s)
    except subprocess.TimeoutExpired:
        java.kill()
        return java.wait()


def supervise(arguments: argparse.Namespace) -> None:
    """Run Java until it ends or must end, and leave word of how it went."""
    folder: Path = arguments.folder
    wakeup = _wake_on_signals()
    java = subprocess.Popen(  # noqa: S603  the starter's own command
        arguments.command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=sys.stdout.fileno(),
        stderr=subprocess.STDOUT,
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  one thread, so nothing can deadlock
    )
    record = json.loads(arguments.record)
    started = {"token": arguments.token, "pid": os.getpid(), "java_pid": java.pid, "started_ms": _now_ms()}
    write_json(folder / RECORD, record | started)
    reason = _wait_for_reason(java, wakeup, attached=arguments.attached)
    write_json(folder / RECORD, record | started | {"stopping": True})  # nobody may rely on it any more
    returncode = _end(java, arguments.grace)
    ended = {"token": arguments.token, "reason": reason, "returncode": returncode, "time_ms": _now_ms()}
    write_json(folder / LAST_EXIT, ended)
    (folder / RECORD).unlink(missing_ok=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Read the command line; without `--attached` become a process of its own first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--attached", action="store_true")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    if not arguments.attached and os.fork():
        os._exit(0)
    supervise(arguments)


if __name__ == "__main__":
    main()
