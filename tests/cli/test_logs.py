"""What may stand in a log."""

import subprocess
import sys

import pytest

CODE = """
import structlog
from streams.cli.logs import set_up_logs
set_up_logs(as_json={as_json})
payload = "card 4711"
try:
    raise KeyError("amount")
except KeyError:
    structlog.get_logger().exception("ended_unexpectedly")
"""


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_places_and_never_what_variables_held(as_json):
    """The locals of a frame hold payloads; a log may be read by anybody."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(as_json=as_json)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "KeyError" in done.stderr
    assert "ended_unexpectedly" in done.stderr
    assert "4711" not in done.stderr.replace('payload = "card 4711"', "")


SWAPPED = """
import io, sys
import structlog
from streams.cli.logs import set_up_logs
real, sys.stderr = sys.stderr, io.StringIO()
set_up_logs()
log = structlog.get_logger()
log.info("first")
sys.stderr.close()
sys.stderr = real
log.info("second")
"""


def test_a_logger_outlives_the_stream_it_was_set_up_with():
    """A command called inside another program may find stderr replaced for a while; later lines go where it is then."""
    done = subprocess.run([sys.executable, "-c", SWAPPED], capture_output=True, text=True, timeout=30, check=True)

    assert "second" in done.stderr
    assert "first" not in done.stderr
