"""The one thing that pyproject.toml cannot say: a compiled kernel that is built where there is a C compiler.

Optional: without a compiler, or Python's headers, the installation is whole and River itself does the arithmetic.
"""

import sys

from setuptools import Extension, setup

# Contracting a * b + c would give other bits than River's, see learners/_fused.c. These come after $CFLAGS.
FLAGS = [] if sys.platform == "win32" else ["-O2", "-fno-fast-math", "-ffp-contract=off"]

FUSED = Extension(
    "learners._fused",
    ["learners/_fused.c"],
    depends=["learners/_fused_rows.h"],
    optional=True,
    extra_compile_args=FLAGS,
)

setup(ext_modules=[FUSED])
