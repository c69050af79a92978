"""Worker and monitor as children of one terminal: started together, restarted when they fall, stopped together.

A child ends with its parent however that one ends: it holds the read end of a pipe, and end-of-file means stop.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

STOP_ON_EOF = "MILLRACE_STOP_ON_EOF"
"""Environment: a process that has it stops when its standard input ends."""
RESTARTS_MAX = 5
RESTARTS_WITHIN_S = 60.0
STOP_S = 20.0
PERMANENT = 1
"""Exit code of an error that a restart cannot mend: the config, the broker's absence, state that does not fit."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a child's log: its fields where it was JSON, else the text alone."""

    child: str
    text: str
    fields: dict[str, object]

    @property
    def event(self) -> str:
        """The constant name of what happened, empty for plain text."""
        return str(self.fields.get("event", ""))

    @property
    def level(self) -> str:
        """`info`, `warning` …, empty for plain text."""
        return str(self.fields.get("level", ""))


class Child:
    """One sub-command of millrace as a process; its log lines go to `hear`, in a thread of their own."""

    def __init__(self, name: str, arguments: Sequence[str], hear: Callable[[LogLine], None]) -> None:
        self.name, self.hear = name, hear
        self.command = [sys.executable, "-c", "from streams.cli.main import main; main()", *arguments]
        self.restarts: deque[float] = deque()
        self.tail: deque[str] = deque(maxlen=20)
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = False
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches the parent, who stops everything in order."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, STOP_ON_EOF: "1"},
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for raw in lines:
                text = raw.decode(errors="replace").rstrip("\n")
                self.tail.append(text)
                try:
                    fields = msgspec.json.decode(raw)
                except msgspec.DecodeError:
                    fields = {}
                self.hear(LogLine(self.name, text, fields if isinstance(fields, dict) else {}))

    def check(self) -> int | None:
        """Exit code if it has ended for good, else None: a fallen child is started again, but not for ever."""
        if self.process is None or self.stopping:
            return None
        code = self.process.poll()
        if code is None:
            return None
        now = time.monotonic()
        while self.restarts and now - self.restarts[0] > RESTARTS_WITHIN_S:
            self.restarts.popleft()
        if code == PERMANENT or len(self.restarts) >= RESTARTS_MAX:
            return code
        self.restarts.append(now)
        self._close_pipe()
        self.hear(LogLine(self.name, f"ended with {code}, started again", {"event": "restarted", "level": "warning"}))
        self.start()
        return None

    def ask_to_stop(self) -> None:
        """Close the pipe: the child saves its state and ends."""
        self.stopping = True
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def wait(self, timeout_s: float = STOP_S) -> int | None:
        """Wait for its end; killed after `timeout_s`, which loses nothing but time."""
        if self.process is None:
            return None
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self._reader is not None:
            self._reader.join(2)
        return code


class Children:
    """Several, started and stopped together; a context manager."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)

    def __enter__(self) -> Self:
        for child in self.children:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait()

    def fallen(self) -> Child | None:
        """The first that has ended for good."""
        return next((child for child in self.children if child.check() is not None), None)
