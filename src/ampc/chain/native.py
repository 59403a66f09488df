"""The chain's kernels in C."""

import ctypes
import threading

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.library import c_model, c_step, load_library
from ampc.chain.options import StepSettings
from ampc.chain.parameters import ChainParameters


class _Buffers(threading.local):
    """Each thread's own workspace and single-step arrays, with their addresses."""

    def __init__(self, n: int, m: int, k: int, workspace: int) -> None:
        shapes = {
            "x": (2 * n,), "u": (m,), "ddq": (n,), "next": (2 * n,), "work": (workspace,),
            "d_ddq_dx": (n, 2 * n), "d_ddq_du": (n, m), "d_dx": (2 * n, 2 * n), "d_du": (2 * n, m),
            "position": (k, 3), "velocity": (k, 3), "d_position": (k, 3, n), "d_velocity": (k, 3, 2 * n),
        }  # fmt: skip
        self.array: dict[str, FloatArray] = {name: np.zeros(shape) for name, shape in shapes.items()}
        self.at = {name: array.ctypes.data for name, array in self.array.items()}


class NativeKernel:
    """Calls the compiled library. Thread-safe; the library runs without Python's global lock."""

    name = "c"

    def __init__(self, parameters: ChainParameters) -> None:
        """Load the library and hand it the parameters.

        Raises:
            OSError: There is no library that fits.
        """
        self._library = load_library()
        self._parameters = parameters
        self._c_model = c_model(parameters)
        self._model = ctypes.byref(self._c_model)
        bodies, motors = parameters.n_bodies, len(parameters.actuated)
        self._workspace = int(self._library.chain_workspace_size(bodies, motors))
        self._buffers = _Buffers(bodies + 1, motors, len(parameters.point_names), self._workspace)

    def acceleration(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray]:
        """Status and joint accelerations (n,)."""
        buffers = self._load(x, u)
        at = buffers.at
        status = self._library.chain_acceleration(self._model, at["x"], at["u"], at["ddq"], at["work"])
        return status, buffers.array["ddq"].copy()

    def derivatives(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Status and derivatives of the accelerations by x (n, 2n) and u (n, m)."""
        buffers = self._load(x, u)
        at = buffers.at
        status = self._library.chain_derivatives(
            self._model, at["x"], at["u"], at["ddq"], at["d_ddq_dx"], at["d_ddq_du"], at["work"]
        )
        return status, buffers.array["d_ddq_dx"].copy(), buffers.array["d_ddq_du"].copy()

    def step(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray]:
        """Status and next state (2n,); ``stages`` (substeps, 2, n) is read and written."""
        buffers = self._load(x, u)
        at = buffers.at
        status = self._library.chain_step(
            self._model, c_step(settings), at["x"], at["u"],
            None if stages is None else stages.ctypes.data, at["next"], None, None, at["work"],
        )  # fmt: skip
        return status, buffers.array["next"].copy()

    def step_with_sensitivities(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray, FloatArray, FloatArray]:
        """Status, next state (2n,) and its derivatives by x (2n, 2n) and u (2n, m)."""
        buffers = self._load(x, u)
        array, at = buffers.array, buffers.at
        status = self._library.chain_step(
            self._model, c_step(settings), at["x"], at["u"],
            None if stages is None else stages.ctypes.data, at["next"], at["d_dx"], at["d_du"], at["work"],
        )  # fmt: skip
        return status, array["next"].copy(), array["d_dx"].copy(), array["d_du"].copy()

    def step_many(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[IntArray, FloatArray]:
        """Statuses (B,) and next states (B, 2n), computed in the calling thread."""
        status: np.ndarray[tuple[int], np.dtype[np.intc]] = np.zeros(len(x), dtype=np.intc)
        following = np.empty_like(x)
        self._library.chain_step_many(
            self._model, c_step(settings), len(x), x.ctypes.data, u.ctypes.data,
            None if stages is None else stages.ctypes.data,
            following.ctypes.data, status.ctypes.data, self._buffers.at["work"],
        )  # fmt: skip
        return status.astype(np.int64), following

    def points(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Status, positions (k, 3) and velocities (k, 3)."""
        buffers = self._buffers
        array, at = buffers.array, buffers.at
        array["x"][:] = x
        status = self._library.chain_points(self._model, at["x"], at["position"], at["velocity"], None, None)
        return status, array["position"].copy(), array["velocity"].copy()

    def point_jacobians(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Status, positions, velocities and their derivatives (k, 3, n) and (k, 3, 2n)."""
        buffers = self._buffers
        array, at = buffers.array, buffers.at
        array["x"][:] = x
        status = self._library.chain_points(
            self._model, at["x"], at["position"], at["velocity"], at["d_position"], at["d_velocity"]
        )
        names = ("position", "velocity", "d_position", "d_velocity")
        position, velocity, d_position, d_velocity = (array[name].copy() for name in names)
        return status, position, velocity, d_position, d_velocity

    def _load(self, x: FloatArray, u: FloatArray) -> _Buffers:
        buffers = self._buffers
        buffers.array["x"][:] = x
        buffers.array["u"][:] = u
        return buffers
