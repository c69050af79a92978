"""Whether the installation here could build the compiled kernel: what needs it is skipped only where it could not."""

import shutil
import sysconfig
from pathlib import Path

import pytest

from learners.kernel import kernel_state

BUILDABLE = (
    shutil.which(str(sysconfig.get_config_var("CC") or "cc").split()[0]) is not None
    and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()
)
"""There is a C compiler, and Python's headers."""
needs_kernel = pytest.mark.skipif(
    kernel_state() == "not built" and not BUILDABLE,
    reason="the installation found no C compiler or no headers of Python",
)
