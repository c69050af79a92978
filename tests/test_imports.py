"""What the processes load, seen from outside: import contracts say who imports, this says what came with it."""

import subprocess
import sys

import pytest

LISTING = "import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"


def loaded_by(module):
    command = [sys.executable, "-c", LISTING.format(module=module)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["streams.kafka.worker", "streams.kafka.monitor"])
def test_worker_and_monitor_never_load_evidently(module):
    """It costs 6.7 s of CPU and 270 MB, which only the process that renders a report may pay."""
    loaded = loaded_by(module)

    assert {"streams", "faust", "river"} <= loaded
    assert not loaded & {"evidently", "plotly", "litestar", "matplotlib"}


def test_the_command_line_answers_without_models_and_stream_processing():
    """`--help` and a wrong option are told at once: no River, no Faust, no pandas."""
    assert not loaded_by("streams.cli.main") & {"river", "faust", "pandas", "numpy", "evidently"}
