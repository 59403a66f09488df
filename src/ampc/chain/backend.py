"""Which kernels a chain runs on: the C library, or NumPy where it was not built."""

import functools
import os
import warnings
from typing import Protocol

from ampc.arrays import FloatArray, IntArray
from ampc.chain.fallback import NumpyKernel
from ampc.chain.native import NativeKernel
from ampc.chain.options import StepSettings
from ampc.chain.parameters import ChainParameters
from ampc.errors import SettingsError

BACKEND_VARIABLE = "AMPC_CHAIN_BACKEND"
"""Environment variable: ``c`` or ``numpy`` forces that backend; by default C is used where it was built."""


class Kernel(Protocol):
    """What `YawChain` asks of its kernels: each call returns a status first, 0 if all went well."""

    @property
    def name(self) -> str:
        """``c`` or ``numpy``."""

    def acceleration(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray]:
        """Joint accelerations (n,)."""

    def derivatives(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Their derivatives by x (n, 2n) and u (n, m)."""

    def step(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray]:
        """Next state (2n,); ``stages`` (substeps, 2, n) is read and written."""

    def step_with_sensitivities(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray, FloatArray, FloatArray]:
        """Next state and its derivatives by x (2n, 2n) and u (2n, m)."""

    def step_many(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[IntArray, FloatArray]:
        """Statuses (B,) and next states (B, 2n)."""

    def points(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Positions and velocities (k, 3)."""

    def point_jacobians(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Positions, velocities and their derivatives (k, 3, n) and (k, 3, 2n)."""


def choose_kernel(parameters: ChainParameters) -> Kernel:
    """Kernels for the parameters, as the environment or the installation has it.

    Raises:
        SettingsError: The environment asks for a backend that does not exist.
        OSError: It asks for C, and there is no library that fits.
    """
    wanted = os.environ.get(BACKEND_VARIABLE, "")
    if wanted not in ("", "c", "numpy"):
        raise SettingsError(f"{BACKEND_VARIABLE} is {wanted!r}; it has to be 'c' or 'numpy'")
    if wanted == "numpy":
        return NumpyKernel(parameters)
    try:
        return NativeKernel(parameters)
    except OSError as error:
        if wanted == "c":
            raise
        _warn_once(str(error))
        return NumpyKernel(parameters)


@functools.cache
def _warn_once(reason: str) -> None:
    warnings.warn(
        f"the chain's compiled library is missing, so that steps take some hundred times longer in NumPy: "
        f"{reason}. Install a C compiler and then this package again; {BACKEND_VARIABLE}=numpy silences this",
        RuntimeWarning,
        stacklevel=2,
    )
