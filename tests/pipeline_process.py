"""A pipeline of real processes for a test: config, topics, worker and monitor, each of which ends with the test.

Everything that waits here is bounded; a process that is not what the test expects shows the end of its log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import tomlkit

from streams.cli.main import run

MILLRACE = str(Path(sys.executable).with_name("millrace"))
POLL_S = 0.02
PATIENCE_S = 300.0
"""For what must come, or for its next step: no promise of speed. On a machine that does ten things at once all takes
long; what moves is waited for."""
STOPPED_S = 120.0
"""A member that is told to stop has bounds of its own: 15 s for its states, 15 s for its group."""
TAIL_LINES = 15


class Process:
    """One `millrace` command in a process of its own, its log on file as JSON lines."""

    def __init__(self, command, log, folder, env=None):
        self.log, self.command = log, command
        self._lines, self._read = [], 0
        with log.open("ab") as sink:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, "COLUMNS": "200", **(env or {})},
            )

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        """All it has written."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def events(self, name=None):
        """Its log lines as dicts, those called `name` only."""
        with self.log.open("rb") as log:  # only what is new: who waits asks fifty times a second
            log.seek(self._read)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._read += len(whole + newline)
        for line in whole.decode(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                self._lines.append(json.loads(line))
        return [event for event in self._lines if name is None or event.get("event") == name]

    def wait_for(self, name, timeout_s=PATIENCE_S, count=1, **fields):
        """The `count`-th log line of this name with these fields; fails if the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.popen.poll() is not None
            found = [event for event in self.events(name) if fields.items() <= event.items()]
            if len(found) >= count:
                return found[count - 1]
            assert not ended, f"{self._shown} ended before it said {name}:\n{self._tail()}"
            assert time.monotonic() < deadline, f"{self._shown} has not said {name} {fields}:\n{self._tail()}"
            time.sleep(POLL_S)

    def kill(self):
        """SIGKILL: no chance to save anything."""
        self.popen.kill()
        return self.popen.wait(10)

    def stop(self, timeout_s=STOPPED_S):
        """SIGTERM; its exit code. Fails if it takes longer."""
        self.popen.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s):
        """Its exit code, once it ends by itself."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._shown} has not ended in {timeout_s} s:\n{self._tail()}") from None

    def end(self):
        """Whatever the state of the test: gone afterwards."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)

    @property
    def _shown(self):
        return f"{' '.join(self.command[1:3])} (process {self.pid})"

    def _tail(self):
        return "\n".join(self.text().splitlines()[-TAIL_LINES:])


def until(true, timeout_s, what, poll_s=POLL_S, moved=lambda: None):
    """Wait until `true()`; the test fails with `what` after the time, which begins anew when `moved()` is another."""
    deadline, before = time.monotonic() + timeout_s, moved()
    while not (answer := true()):
        if (now := moved()) != before:
            deadline, before = time.monotonic() + timeout_s, now
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what() if callable(what) else what}"
        time.sleep(poll_s)
    return answer


class Pipeline:
    """A folder with a millrace.toml, and the processes that run it; a context manager that ends them all."""

    def __init__(self, folder, bootstrap, name, **tables):
        self.folder, self.bootstrap, self.name = Path(folder), bootstrap, name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / ".millrace" / "state"
        self.processes = []
        self.settings = settings(bootstrap, name, tables)
        self.config = self.folder / "millrace.toml"
        self.config.write_text(tomlkit.dumps(self.settings), encoding="utf-8")

    @property
    def partitions(self):
        return self.settings["topics"]["partitions"]

    @property
    def shards(self):
        return self.settings["topics"].get("shards", 1)

    def topic(self, role):
        return f"{self.name}.{role}"

    def create_topics(self):
        """As a user does."""
        assert run(["topics", "create", "--config", str(self.config)]) == 0
        return self

    def start(self, role, *arguments, env=None):
        """`worker` or `monitor`, at once."""
        log = self.folder / f"{role}-{len(self.processes)}.log"
        command = [MILLRACE, role, "--config", str(self.config), "--log-json", *arguments]
        self.processes.append(Process(command, log, self.folder, env))
        return self.processes[-1]

    def logs(self):
        """All that its processes have ever written."""
        return "\n".join(process.text() for process in self.processes)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.end()


def settings(bootstrap, name, tables):
    """A small pipeline of two numbers with short times, as a TOML document; `tables` are laid over it."""
    base = {
        "name": name,
        "kafka": {"bootstrap": bootstrap, "session_timeout": "2s"},
        "topics": {"partitions": 2},
        "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
        "features": {"x": "numeric", "y": "numeric"},
        "labels": {"wait": "3s", "early": "2s", "grace": "500ms"},
        "models": {"publish_every": "500ms", "candidates": {"champion": {"model": "logistic_regression"}}},
        "drift": {"reference": {"rows": 300}, "window_rows": 200, "slide_rows": 50, "rows_min": 50},
        "reports": {"on_incident": False},
        "state": {"checkpoint_every": "200ms"},
    }
    for table, content in tables.items():
        base[table] = base.get(table, {}) | content if isinstance(content, dict) else content
    return base
