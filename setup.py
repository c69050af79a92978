"""The one thing that pyproject.toml cannot say: a compiled kernel that is built where there is a C compiler.

Optional: without a compiler, or Python's headers, the installation is whole and River itself does the arithmetic.
"""

import sys

from setuptools import Extension, setup

# Contracting a * b + c would give other bits than River's, see learners/_fused.c.
FLAGS = [] if sys.platform == "win32" else ["-O2", "-ffp-contract=off"]

setup(ext_modules=[Extension("learners._fused", ["learners/_fused.c"], optional=True, extra_compile_args=FLAGS)])
