"""The interpreter that has the rivals' packages: `make bench` makes it, and they are no dependencies of ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
RIVALS_PYTHON = Path(os.environ.get("MILLRACE_BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))


def missing(modules):
    """Module → why it cannot run here."""
    if not RIVALS_PYTHON.exists():
        return dict.fromkeys(modules, "`make bench` installs what it needs into .venv-bench, which is not there")
    absent = {}
    for module in modules:
        done = subprocess.run(
            [str(RIVALS_PYTHON), "-W", "ignore", "-c", f"import bench.rivals.{module}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        if done.returncode:
            absent[module] = done.stderr.strip().splitlines()[-1]
    return absent
