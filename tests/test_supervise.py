"""Children of one terminal: restarted when they fall, stopped with their parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil

from streams.supervise import RESTARTS_MAX, Child, Children

PARENT = """
import sys, time
from streams.supervise import Child
one = Child("worker", [], print)
one.command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
one.start()
print(one.process.pid)
time.sleep(60)
"""


def child(code, heard=None):
    made = Child("worker", [], (heard if heard is not None else []).append)
    made.command = [sys.executable, "-u", "-c", code]
    return made


def ended_for_good(one, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (code := one.check()) is not None:
            return code
        time.sleep(0.02)
    return None


def test_a_child_that_keeps_falling_is_given_up():
    """Five restarts in a minute, then its exit code ends the command: no endless loop at 3 a.m."""
    heard = []
    one = child("import sys; sys.exit(70)", heard)
    with Children([one]):
        assert ended_for_good(one) == 70
    assert sum(line.event == "restarted" for line in heard) == RESTARTS_MAX


def test_an_error_that_a_restart_cannot_mend_is_not_restarted():
    """Exit code 1 is the operator's: a wrong config stays wrong."""
    heard = []
    one = child("import sys; print('error: no', file=sys.stderr); sys.exit(1)", heard)
    with Children([one]):
        assert ended_for_good(one) == 1
    assert [line.text for line in heard] == ["error: no"]


def test_log_lines_come_with_their_fields():
    """JSON lines are read, anything else is passed on as it is."""
    heard = []
    one = child("""import sys; print('{"event": "ready", "level": "info"}\\nplain', file=sys.stderr)""", heard)
    with Children([one]):
        one.process.wait(10)
    assert [(line.event, line.level, line.text) for line in heard] == [
        ("ready", "info", '{"event": "ready", "level": "info"}'),
        ("", "", "plain"),
    ]


def test_children_end_when_their_parent_is_killed():
    """SIGKILL leaves the parent no time: the closed pipe tells the child."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            PARENT,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)
    assert not psutil.pid_exists(pid)
