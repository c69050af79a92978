"""`--open` asks a browser of this screen, and none where nobody would see it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOBODY = {"SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize(
    ("screen", "shown"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "w"}, True),
        ({}, False),
        ({"DISPLAY": ":0", "SSH_TTY": "t"}, False),
    ],
)
def test_a_browser_is_asked_where_there_is_a_screen(screen, shown, tmp_path):
    """Over ssh a browser in text would take the terminal, and the dashboard's loop with it."""
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(0o700)
    around = {name: value for name, value in os.environ.items() if name not in NOBODY}
    code = "from streams.cli.browser import browse; print(browse('http://127.0.0.1:8321/'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=around | {"BROWSER": f"{browser} %s"} | screen,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == str(shown)
    assert (seen.read_text() if seen.exists() else "") == ("http://127.0.0.1:8321/" if shown else "")
