"""Build of the C library of chain, solvers and policies; all else about the package stands in pyproject.toml.

The library is plain C without Python in it, and the package works without it, slower: a machine that cannot
compile it gets a message, not a failed installation. It is built three times, portably and for processors
with AVX2 and AVX-512; which one is used is decided when it is loaded.
"""

import os
import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = [
    Path("src/ampc", folder) for folder in ("chain/src", "solvers/src", "policies/src", "policies/loop")
]
PORTABLE = "ampc.chain._core"
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [f"-mavx512{part}" for part in ("f", "vl", "dq", "bw")]
PROCESSORS = {
    PORTABLE: [],
    "ampc.chain._core_avx2": AVX2,
    "ampc.chain._core_avx512": [*AVX2, *AVX512, "-mprefer-vector-width=256", "-mtune=icelake-server"],
}
"""Compiler flags by library. Of AVX-512 the registers are wanted, twice as many, not their width: wider
vectors fit the small matrices worse."""
FAST = [
    *("-O3", "-std=c99", "-ffp-contract=fast", "-fno-wrapv"),
    *("-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math"),
]
FLAGS = [FAST, ["-O2"], []]
"""Compiler flags by preference; the next set is tried where a compiler refuses one. No flag here may assume
that numbers are finite: the kernels look for NaN. ISO C alone would forbid fused multiply-adds, and Python's
own `-fwrapv`, which comes first, costs a tenth of a step of the nonlinear MPC."""


class BuildLibrary(build_ext):
    """Build shared libraries that are loaded by ctypes, under names of no Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        """Path of the library in the package."""
        return os.path.join(*fullname.split(".")) + ".so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """None beyond those that the sources mark."""
        return []

    def build_extension(self, ext: Extension) -> None:
        """Compile with the first set of flags that works; without one, say so and go on."""
        # Objects of the libraries have the same names.
        self.build_temp = str(Path(self.build_temp).with_name(ext.name.rpartition(".")[2]))
        error: Exception | None = None
        for flags in FLAGS:
            ext.extra_compile_args = [*flags, *PROCESSORS[ext.name]]
            try:
                super().build_extension(ext)
                return
            except Exception as failure:  # every compiler has its own
                error = failure
        if ext.name == PORTABLE:
            self.warn(
                f"ampc: the C library {ext.name} was not built: {error}\n"
                "ampc: the package works without it, but the dynamics of the flexible arm run in NumPy,\n"
                "ampc: some hundred times slower, and neither nonlinear MPC nor policies in C run at all.\n"
                "ampc: To have it, install a C compiler (such as gcc) and then this package again.",
            )


def library(name: str) -> Extension:
    """All sources under a name."""
    return Extension(
        name,
        sources=[str(path) for folder in SOURCES for path in sorted(folder.glob("*.c"))],
        depends=[str(path) for folder in SOURCES for path in sorted(folder.glob("*.h"))],
        libraries=[] if os.name == "nt" else ["m"],
        optional=True,
    )


setup(
    ext_modules=[
        library(name) for name in PROCESSORS if name == PORTABLE or platform.machine() in ("x86_64", "AMD64")
    ],
    cmdclass={"build_ext": BuildLibrary},
)
