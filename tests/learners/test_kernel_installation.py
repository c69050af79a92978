"""With and without the compiled kernel: an installation is whole either way, and learns the same."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from compiled_kernel import BUILDABLE, needs_kernel

ROOT = Path(__file__).parents[2]
pytestmark = needs_kernel


def test_without_a_kernel_in_the_installation_river_does_it_all():
    """A machine without a compiler learns the same."""
    code = (
        "import sys\n"
        "if sys.argv[1] == 'without': sys.modules['learners._fused'] = None\n"
        "from learners.candidates import *\n"
        "from learners.target import Target\n"
        "from learners.kernel import kernel_state\n"
        "main = {'main': CandidateSpec(model='linear_regression')}\n"
        "candidates = Candidates(main, 'main', Target(kind='regression'), {'a': 'numeric', 'b': 'categorical'})\n"
        "for row in range(200): candidates.learn({'a': row * 0.1, 'b': str(row % 7)}, row * 0.3)\n"
        "print(kernel_state(), candidates.with_kernel, candidates.snapshot().hex())\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, how], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for how in ("with", "without")
    ]
    assert told[0].startswith("compiled ('main',)")
    assert told[1].startswith("not built ()")
    assert told[0].split()[-1] == told[1].split()[-1]


@pytest.mark.parametrize("compiler", ["there", "missing", "failing"])
def test_an_installation_never_fails_for_want_of_a_compiler(compiler, tmp_path):
    """With one there is a kernel, without one there is none, and the exit code is 0 either way."""
    if compiler == "there" and not BUILDABLE:
        pytest.skip("no C compiler or no headers of Python")
    cc = {"missing": {"CC": "no-such-compiler"}, "failing": {"CC": "false"}}.get(compiler, {})
    folders = ["--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")]
    run = subprocess.run(
        [sys.executable, "setup.py", "build_ext", *folders],
        cwd=ROOT,
        env=os.environ | cc,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert bool(list(tmp_path.rglob("_fused*" + str(sysconfig.get_config_var("EXT_SUFFIX"))))) is (compiler == "there")
