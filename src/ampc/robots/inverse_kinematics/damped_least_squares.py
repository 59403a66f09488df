"""Inverse kinematics as the paper specifies it: damped least squares with an iteration budget."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SettingsError, TaskError
from ampc.robots.inverse_kinematics.position_kernel import PositionKernel
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.robot import Robot


@dataclass(frozen=True)
class DampedLeastSquaresSettings:
    """Constants of the iteration ``dq = J^T (J J^T + lambda I)^-1 e``, ``q <- q + alpha dq``."""

    damping: float = 3e-4
    """Damping lambda, added to the diagonal of J J^T [m^2]."""
    step: float = 0.5
    """Step length alpha in (0, 1]."""
    tolerance: float = 1e-3
    """The iteration stops once the position error |e| is below this [m]."""
    max_iterations: int = 300
    """Budget. A goal that has not converged within it counts as unreachable."""

    def __post_init__(self) -> None:
        if self.damping <= 0.0:
            raise SettingsError(f"damping must be positive, got {self.damping}")
        if not 0.0 < self.step <= 1.0:
            raise SettingsError(f"step must lie in (0, 1], got {self.step}")
        if self.tolerance <= 0.0:
            raise SettingsError(f"tolerance must be positive, got {self.tolerance}")
        if self.max_iterations < 1:
            raise SettingsError(f"max_iterations must be at least 1, got {self.max_iterations}")


LITERAL_SETTINGS = DampedLeastSquaresSettings(damping=0.1, step=0.5, max_iterations=100)
"""The values read out of the paper; kept to show what they cost near the boundary and singularities."""


@dataclass(frozen=True, eq=False)
class DampedLeastSquaresResult:
    """Where B iterations ended."""

    q: FloatArray
    """Last joint positions (B, n) [rad]; neither wrapped nor held within the limits."""
    error: FloatArray
    """Distance of the end effector from the goal (B,) [m]."""
    iterations: IntArray
    """Iterations used (B,)."""
    converged: BoolArray
    """Whether the error went below the tolerance within the budget (B,)."""


class DampedLeastSquares:
    """The paper's iteration, literally, for many starts and goals at once.

    It knows neither joint limits nor that an angle comes back after a turn, and ends on whichever branch the
    start leads to. `ampc.robots.InverseKinematics` is what to use; this is what it is compared with.
    """

    def __init__(self, robot: Robot, settings: DampedLeastSquaresSettings | None = None) -> None:
        self.settings = settings or DampedLeastSquaresSettings()
        self._kernel = PositionKernel(KinematicChain.from_robot(robot))
        self._n_joints = robot.n_joints

    def solve_batch(self, goals: FloatArray, starts: FloatArray) -> DampedLeastSquaresResult:
        """Iterate from every start towards its goal.

        Args:
            goals: End-effector goals, world frame (B, 3) [m].
            starts: Joint positions to start from (B, n), or one start for all (n,) [rad].

        Raises:
            TaskError: A goal or start is not finite.
        """
        goals = np.atleast_2d(np.asarray(goals, dtype=np.float64))
        q = np.array(np.broadcast_to(starts, (len(goals), self._n_joints)), dtype=np.float64)
        if not (np.all(np.isfinite(goals)) and np.all(np.isfinite(q))):
            raise TaskError("a goal or start of inverse kinematics is not finite")
        settings = self.settings
        error = np.empty(len(q))
        iterations = np.zeros(len(q), dtype=np.int64)
        active = np.arange(len(q))
        for iteration in range(settings.max_iterations + 1):
            position, jacobian = self._kernel(q[active])
            residual = goals[active] - position
            error[active] = np.linalg.norm(residual, axis=1)
            going = error[active] >= settings.tolerance
            active, jacobian, residual = active[going], jacobian[going], residual[going]
            if active.size == 0 or iteration == settings.max_iterations:
                break
            q[active] += settings.step * damped_step(jacobian, residual, settings.damping)
            iterations[active] += 1
        return DampedLeastSquaresResult(q, error, iterations, error < settings.tolerance)


def damped_step(jacobian: FloatArray, residual: FloatArray, damping: FloatArray | float) -> FloatArray:
    """Damped least-squares steps ``J^T (J J^T + lambda I)^-1 e``.

    Args:
        jacobian: Position Jacobians (B, 3, n) [m/rad].
        residual: Position errors e (B, 3) [m].
        damping: lambda, one for all or one per row (B,) [m^2].

    Returns:
        Joint steps (B, n) [rad].
    """
    transposed = jacobian.transpose(0, 2, 1)
    normal = jacobian @ transposed
    normal[:, _DIAGONAL, _DIAGONAL] += np.broadcast_to(damping, len(residual))[:, None]
    step: FloatArray = (transposed @ np.linalg.solve(normal, residual[:, :, None]))[:, :, 0]
    return step


_DIAGONAL = np.arange(3)
