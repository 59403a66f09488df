"""Dynamics, implicit steps with sensitivities, and points of a yaw joint that carries a planar chain."""

import dataclasses
import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.backend import Kernel, choose_kernel
from ampc.chain.options import Scheme, StepSettings
from ampc.chain.parameters import ChainParameters, chain_parameters
from ampc.errors import SettingsError, SolverError
from ampc.robots.robot import Robot
from ampc.workers import count_cores

_FAILURES = {
    1: "Newton's method did not converge; a shorter step or more substeps help",
    2: "a value is NaN or infinite",
    3: "an argument is out of range",
}


class YawChain:
    """A yaw joint that carries a planar chain of N bodies: n = N + 1 joints, m motors, k points.

    The state is ``x = [q, dq]`` (2n,), in the model's joint order, relative positions [rad] and velocities
    [rad/s]; ``u`` (m,) are the motors' torques [N m]. Instances are immutable and may be shared by threads.
    Arrays that come back are the caller's own. docs/chain.md has the equations.
    """

    def __init__(self, parameters: ChainParameters) -> None:
        """Make a chain of parameters; `from_robot` reads them from a robot.

        Raises:
            SettingsError: The environment asks for a backend that does not exist.
            OSError: It asks for C, which was not built.
        """
        self.parameters = parameters
        self._kernel: Kernel = choose_kernel(parameters)
        self._n, self._m = parameters.n_bodies + 1, len(parameters.actuated)

    @classmethod
    def from_robot(cls, robot: Robot, stiffness_scale: float = 1.0) -> "YawChain":
        """Read the chain from a robot's model.

        Args:
            robot: A yaw joint about world z that carries a chain whose joints are parallel and whose links,
                with their centres of mass, lie in one plane through the yaw axis.
            stiffness_scale: Multiplies the springs of joints without a motor (Young's modulus).

        Raises:
            RobotError: The robot is not such an arm; the message names what does not fit.
        """
        return cls(chain_parameters(robot, stiffness_scale))

    def with_stiffness_scale(self, stiffness_scale: float) -> "YawChain":
        """The same chain with the springs of its passive joints at ``stiffness_scale`` times the model's."""
        return YawChain(dataclasses.replace(self.parameters, stiffness_scale=float(stiffness_scale)))

    @property
    def backend(self) -> str:
        """``c`` or ``numpy``."""
        return self._kernel.name

    @property
    def n_joints(self) -> int:
        """Number of joints n."""
        return self._n

    @property
    def n_actuated(self) -> int:
        """Number of motors m."""
        return self._m

    @property
    def actuated(self) -> IntArray:
        """Joint of each motor (m,)."""
        return self.parameters.actuated

    @property
    def point_names(self) -> tuple[str, ...]:
        """Sites that `points` speaks of, the end effector first (k)."""
        return self.parameters.point_names

    def acceleration(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """Joint accelerations (n,) [rad/s2] at x (2n,) under torque u (m,).

        Raises:
            SolverError: A value is not finite.
        """
        status, ddq = self._kernel.acceleration(self._state(x), self._torque(u))
        _check(status, "acceleration")
        return ddq

    def derivatives(self, x: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of the accelerations by x (n, 2n) and by u (n, m).

        Raises:
            SolverError: A value is not finite.
        """
        status, d_dx, d_du = self._kernel.derivatives(self._state(x), self._torque(u))
        _check(status, "derivatives")
        return d_dx, d_du

    def step(
        self,
        x: FloatArray,
        u: FloatArray,
        dt: float,
        *,
        scheme: Scheme = "gauss-legendre",
        substeps: int = 2,
        warm_start: FloatArray | None = None,
        tolerance: float = 1e-10,
        max_iterations: int = 20,
    ) -> FloatArray:
        """State (2n,) a time dt after x (2n,), under constant torque u (m,).

        Args:
            x: State.
            u: Torque.
            dt: Length of the step [s].
            scheme: ``gauss-legendre`` (2 stages, order 4) or ``radau`` (IIA, 2 stages, order 3, for stiff
                chains).
            substeps: Equal parts that dt is divided into.
            warm_start: First guess of the stage accelerations, overwritten by the solution; see `warm_start`.
            tolerance: Largest last change of a velocity in Newton's method, relative to 1 rad/s + the largest
                velocity.
            max_iterations: Of Newton's method, in each substep.

        Raises:
            SettingsError: An option is out of range.
            SolverError: Newton's method did not converge, or a value is not finite; warm_start is then zero.
        """
        settings = _settings(dt, scheme, substeps, tolerance, max_iterations)
        stages = self._stages(warm_start, settings)
        status, following = self._kernel.step(self._state(x), self._torque(u), settings, stages)
        _check(status, "step")
        return following

    def step_with_sensitivities(
        self,
        x: FloatArray,
        u: FloatArray,
        dt: float,
        *,
        scheme: Scheme = "gauss-legendre",
        substeps: int = 2,
        warm_start: FloatArray | None = None,
        tolerance: float = 1e-10,
        max_iterations: int = 20,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What `step` returns, and its derivatives by x (2n, 2n) and by u (2n, m), with the same arguments.

        They are exact derivatives of the discrete step, by the implicit function theorem.
        """
        settings = _settings(dt, scheme, substeps, tolerance, max_iterations)
        stages = self._stages(warm_start, settings)
        status, following, d_dx, d_du = self._kernel.step_with_sensitivities(
            self._state(x), self._torque(u), settings, stages
        )
        _check(status, "step")
        return following, d_dx, d_du

    def step_many(
        self,
        x: FloatArray,
        u: FloatArray,
        dt: float,
        *,
        scheme: Scheme = "gauss-legendre",
        substeps: int = 2,
        warm_start: FloatArray | None = None,
        tolerance: float = 1e-10,
        max_iterations: int = 20,
        threads: int | None = None,
    ) -> tuple[FloatArray, IntArray]:
        """Independent steps of many arms on many cores.

        Args:
            x: States (B, 2n).
            u: Torques (B, m).
            dt: Length of the step [s].
            scheme: As in `step`.
            substeps: As in `step`.
            warm_start: Stage accelerations (B, substeps, 2, n), overwritten.
            tolerance: As in `step`.
            max_iterations: As in `step`.
            threads: Number of threads; by default that of the processor's cores.

        Returns:
            States after dt (B, 2n), equal to those of `step` one by one, and a status for each (B,): 0, or 1
            (not converged) or 2 (not finite), where the state is NaN. One bad arm does not stop the others.
        """
        x, u = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(u, np.float64)
        if x.ndim != 2 or x.shape[1] != 2 * self._n or u.shape != (len(x), self._m):
            raise SettingsError(
                f"x has shape {x.shape} and u {u.shape}; they have to be (B, {2 * self._n}) and "
                f"(B, {self._m})"
            )
        settings = _settings(dt, scheme, substeps, tolerance, max_iterations)
        stages = self._stages(warm_start, settings, len(x))
        count = min(threads or count_cores(), len(x))
        if count <= 1:
            status, following = self._kernel.step_many(x, u, settings, stages)
            return following, status
        bounds = np.linspace(0, len(x), count + 1).astype(int)
        parts = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]

        def run(part: slice) -> tuple[IntArray, FloatArray]:
            return self._kernel.step_many(
                x[part], u[part], settings, None if stages is None else stages[part]
            )

        results = list(_pool(count).map(run, parts))
        return np.concatenate([states for _, states in results]), np.concatenate([s for s, _ in results])

    def warm_start(self, substeps: int = 2, count: int | None = None) -> FloatArray:
        """Zero stage accelerations, (substeps, 2, n) or (count, substeps, 2, n), to pass to the steps."""
        shape = (substeps, 2, self._n)
        return np.zeros(shape if count is None else (count, *shape))

    def points(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions (k, 3) [m] and velocities (k, 3) [m/s] of the points at x (2n,), world frame.

        Raises:
            SolverError: A value is not finite.
        """
        status, position, velocity = self._kernel.points(self._state(x))
        _check(status, "points")
        return position, velocity

    def point_jacobians(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """What `points` returns, then d position/dq (k, 3, n) and d velocity/dx (k, 3, 2n)."""
        status, position, velocity, d_position, d_velocity = self._kernel.point_jacobians(self._state(x))
        _check(status, "points")
        return position, velocity, d_position, d_velocity

    def _state(self, x: FloatArray) -> FloatArray:
        return _vector(x, 2 * self._n, "state x = [q, dq]")

    def _torque(self, u: FloatArray) -> FloatArray:
        return _vector(u, self._m, "torque u")

    def _stages(
        self, warm_start: FloatArray | None, settings: StepSettings, count: int | None = None
    ) -> FloatArray | None:
        if warm_start is None:
            return None
        shape: tuple[int, ...] = (settings.substeps, 2, self._n)
        shape = shape if count is None else (count, *shape)
        flags = warm_start.flags
        if (
            warm_start.shape != shape
            or warm_start.dtype != np.float64
            or not (flags.c_contiguous and flags.writeable)
        ):
            raise SettingsError(
                f"warm_start is {warm_start.dtype} of shape {warm_start.shape}; it has to be contiguous, "
                f"writeable float64 of shape {shape}, as from YawChain.warm_start"
            )
        return warm_start


def _vector(values: FloatArray, size: int, what: str) -> FloatArray:
    if values.shape != (size,):
        raise SettingsError(f"{what} has shape {values.shape}; it has to be ({size},)")
    return values


@functools.lru_cache(maxsize=256)
def _settings(
    dt: float, scheme: Scheme, substeps: int, tolerance: float, max_iterations: int
) -> StepSettings:
    return StepSettings(dt, scheme, substeps, tolerance, max_iterations)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="ampc-chain")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork; their pool would wait for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _check(status: int, what: str) -> None:
    if status:
        raise SolverError(f"{what} of the chain failed: {_FAILURES[status]}")
