"""Damped least squares that stays within the joint limits and sets its own damping, for many rows at once."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.robots.inverse_kinematics.damped_least_squares import damped_step
from ampc.robots.inverse_kinematics.position_kernel import PositionKernel
from ampc.robots.kinematic_chain import KinematicChain

_FIRST_DAMPING = 1e-4
_LEAST_DAMPING = 1e-12
_MOST_DAMPING = 1e4
_LARGEST_STEP = 1.0
_STATIONARY = 1e-7


@dataclass(frozen=True, eq=False)
class Descent:
    """Where B descents ended."""

    q: FloatArray
    """Joint positions of least error, within the limits (B, n) [rad]."""
    error: FloatArray
    """Distance of the end effector from the goal there (B,) [m]."""
    iterations: IntArray
    """Iterations used (B,)."""


class LimitedDescent:
    """Levenberg-Marquardt form of damped least squares with joint limits.

    The step is that of `DampedLeastSquares` with alpha = 1; the damping of each row falls tenfold after a
    step that reduced the error and grows fivefold after one that did not, which is then taken back
    (Marquardt 1963). Near a regular solution this is Newton's method; at a singularity it still descends.
    Joints at a limit that the gradient pushes outwards are held for the step, and every step is clipped to
    the limits, so that what it finds needs no repair afterwards.
    """

    def __init__(self, chain: KinematicChain, limits: FloatArray, reach: float) -> None:
        """Prepare.

        Args:
            chain: Kinematics.
            limits: Lower and upper joint positions (n, 2) [rad], may be infinite.
            reach: A length of the order of the arm [m]; it makes damping and stopping independent of size.
        """
        self._kernel = PositionKernel(chain)
        self._lower, self._upper = limits[:, 0], limits[:, 1]
        self._reach = reach

    def run(self, goals: FloatArray, starts: FloatArray, tolerance: float, max_iterations: int) -> Descent:
        """Descend from each start (B, n) towards its goal (B, 3) until the error is below ``tolerance`` [m],
        no step reduces it any further, or the budget is spent.
        """
        lower, upper = self._lower, self._upper
        best_q = np.clip(starts, lower, upper)
        position, jacobian = self._kernel(best_q)
        residual = goals - position
        best_error = np.sqrt(np.einsum("bi,bi->b", residual, residual))
        iterations = np.zeros(len(best_q), dtype=np.int64)

        rows = np.arange(len(best_q))
        q, error = best_q, best_error
        damping = np.full(len(rows), _FIRST_DAMPING)
        for _ in range(max_iterations):
            gradient = (residual[:, None, :] @ jacobian)[:, 0, :]
            held = ((q <= lower) & (gradient < 0.0)) | ((q >= upper) & (gradient > 0.0))
            slope = np.abs(np.where(held, 0.0, gradient)).max(axis=1)
            going = (
                (error > tolerance) & (slope > _STATIONARY * self._reach * error) & (damping < _MOST_DAMPING)
            )
            if not going.all():
                best_q[rows], best_error[rows] = q, error
                rows, goals, q, error = rows[going], goals[going], q[going], error[going]
                residual, jacobian = residual[going], jacobian[going]
                damping, held = damping[going], held[going]
                if rows.size == 0:
                    break
            step = damped_step(np.where(held[:, None, :], 0.0, jacobian), residual, damping * self._reach**2)
            step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
            trial = np.clip(q + step, lower, upper)
            trial_position, trial_jacobian = self._kernel(trial)
            trial_residual = goals - trial_position
            trial_error = np.sqrt(np.einsum("bi,bi->b", trial_residual, trial_residual))
            better = trial_error < error
            q = np.where(better[:, None], trial, q)
            residual = np.where(better[:, None], trial_residual, residual)
            error = np.where(better, trial_error, error)
            damping = np.where(better, np.maximum(damping * 0.1, _LEAST_DAMPING), damping * 5.0)
            jacobian = np.where(better[:, None, None], trial_jacobian, jacobian)
            iterations[rows] += 1
        best_q[rows], best_error[rows] = q, error
        return Descent(best_q, best_error, iterations)
