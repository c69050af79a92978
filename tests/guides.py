"""Pages of documentation as something to be run: their fenced blocks, and a walk through their shell commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
STEP_S = 120
UP = "millrace up"
UP_READY = "worker and monitor started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    language: str
    """All behind the fence: `sh`, `python notest` …"""
    text: str
    line: int
    """Of its opening fence, counting from 1."""


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page in order, of one language or all."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(language=match[1], text=match[2], line=text.count("\n", 0, match.start()) + 1)
        for match in re.finditer(r"(?ms)^```(.*?)\n(.*?)^```$", text)
    ]
    return [block for block in found if language in {None, block.language}]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))


def session_lines(page: Path) -> list[str]:
    """Commands of the `console` blocks: what stands behind `$ `, without comments."""
    lines = [line for block in blocks(page, "console") for line in block.text.splitlines()]
    return [line[2:].partition("    #")[0].strip() for line in lines if line.startswith("$ ")]


class Walk:
    """A person at a terminal in `folder`: runs blocks one after the other, `millrace up` in a terminal beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_CONFIG")}
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        self.beside: subprocess.Popen[str] | None = None
        self.heard: list[str] = []
        self._ready = threading.Event()

    def run(self, command: str) -> str:
        """What it prints on stdout; a failure shows everything it said."""
        if command.strip() == UP:
            self._start()
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.env,
            text=True,
            capture_output=True,
            timeout=STEP_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\nended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self) -> None:
        self.beside = subprocess.Popen(
            UP.split(), cwd=self.folder, env=self.env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._listener = threading.Thread(target=self._listen, args=(self.beside,), daemon=True)
        self._listener.start()
        assert self._ready.wait(STEP_S), "".join(self.heard)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self.heard.append(line)
                if UP_READY in line:
                    self._ready.set()

    def stop(self) -> int | None:
        """Ctrl-C in the other terminal; its exit code."""
        if self.beside is None:
            return None
        self.beside.send_signal(signal.SIGINT)
        try:
            return self.beside.wait(60)
        except subprocess.TimeoutExpired:
            self.beside.kill()
            raise
        finally:
            self._listener.join(10)


@contextmanager
def walking(folder: Path) -> Iterator[Walk]:
    """A walk that leaves nothing running."""
    walk = Walk(folder)
    try:
        yield walk
    finally:
        if walk.beside is not None and walk.beside.poll() is None:
            walk.stop()
