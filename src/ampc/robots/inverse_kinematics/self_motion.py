"""Motion of a redundant arm that leaves its end effector in place, towards a preferred configuration."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.inverse_kinematics.limited_descent import LimitedDescent
from ampc.robots.inverse_kinematics.position_kernel import PositionKernel
from ampc.robots.kinematic_chain import KinematicChain

_STEPS = 12
_RESTORING_ITERATIONS = 12
_REGULARISATION = 1e-9


class SelfMotion:
    """Minimises ``|(q - preferred) / width|^2`` subject to ``f(q) = goal`` and the joint limits.

    Sequential quadratic programming: the linearised problem has the closed solution
    ``q+ = p + D J^T (J D J^T)^-1 (e + J (q - p))`` with p the preferred configuration and
    ``D = diag(width^2)``; joints that it would take beyond a limit are fixed there and the rest is solved
    again. A descent then puts the end effector back on the goal. Steps that did not bring the arm
    nearer are taken back and halved.
    """

    def __init__(
        self,
        chain: KinematicChain,
        descent: LimitedDescent,
        limits: FloatArray,
        preferred: FloatArray,
        width: FloatArray,
    ) -> None:
        self._kernel = PositionKernel(chain)
        self._descent = descent
        self._lower, self._upper = limits[:, 0], limits[:, 1]
        self._preferred = preferred
        self._weight = width**2

    def cost(self, q: FloatArray) -> FloatArray:
        """What is minimised, for configurations (..., n)."""
        value: FloatArray = ((q - self._preferred) ** 2 / self._weight).sum(axis=-1)
        return value

    def slide(self, q: FloatArray, goals: FloatArray, tolerance: float) -> tuple[FloatArray, FloatArray]:
        """Bring solutions (B, n) of the goals (B, 3) nearer to the preferred configuration.

        Returns:
            Solutions of no greater cost (B, n) [rad] and their distances from the goals (B,) [m].
        """
        q = q.copy()
        error = np.linalg.norm(goals - self._kernel(q)[0], axis=1)
        cost = self.cost(q)
        length = np.ones(len(q))
        for _ in range(_STEPS):
            target = self._nearest_on_tangent(q, goals)
            moved = self._descent.run(
                goals, q + length[:, None] * (target - q), tolerance, _RESTORING_ITERATIONS
            )
            moved_cost = self.cost(moved.q)
            better = (moved.error <= tolerance) & (moved_cost < cost)
            q[better], error[better], cost[better] = moved.q[better], moved.error[better], moved_cost[better]
            length = np.where(better, np.minimum(2.0 * length, 1.0), 0.5 * length)
        return q, error

    def _nearest_on_tangent(self, q: FloatArray, goals: FloatArray) -> FloatArray:
        """The q+ of the class docstring (B, n)."""
        position, jacobian = self._kernel(q)
        residual = goals - position
        fixed = np.zeros(q.shape, dtype=np.bool_)
        target = np.broadcast_to(self._preferred, q.shape)
        for _ in range(q.shape[1]):
            anchor = np.where(fixed, target, self._preferred)
            weight = np.where(fixed, 0.0, self._weight)
            weighted = weight[:, :, None] * jacobian.transpose(0, 2, 1)
            normal = jacobian @ weighted
            scale = np.trace(normal, axis1=1, axis2=2) + 1e-12
            normal[:, range(3), range(3)] += _REGULARISATION * scale[:, None]
            gap = residual[:, :, None] + jacobian @ (q - anchor)[:, :, None]
            free = anchor + (weighted @ np.linalg.solve(normal, gap))[:, :, 0]
            target = np.where(fixed, anchor, np.clip(free, self._lower, self._upper))
            newly_fixed = ~fixed & (target != free)
            if not newly_fixed.any():
                break
            fixed |= newly_fixed
        return target
