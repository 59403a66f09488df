"""Newton's method for shapes at rest in the plane of a chain, many at once."""

from collections.abc import Callable

import numpy as np

from ampc.arrays import BoolArray, FloatArray
from ampc.chain.plane import ComplexArray, PlanarStatics

_MAX_STEP = 0.4
_SMALL_STEP = 1e-11
_SMALL_RESIDUAL = 1e-10
"""Both in the units of the equations: rad, m and N m."""
_MAX_ITERATIONS = 40

Conditions = Callable[[FloatArray, BoolArray], tuple[FloatArray, FloatArray]]


def shapes_at_joints(plane: PlanarStatics, q_actuated: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Angles theta (B, N) [rad] at rest with the planar motors held at q_actuated (B, m - 1) [rad]."""
    n = len(plane.links)
    turning = np.eye(n) - np.eye(n, k=-1)
    q = np.tile(plane.relaxed, (len(q_actuated), 1))
    q[:, plane.actuated] = q_actuated

    def conditions(theta: FloatArray, rows: BoolArray) -> tuple[FloatArray, FloatArray]:
        residual = plane.joints(theta)
        residual[:, plane.actuated] -= q_actuated[rows]
        jacobian = np.tile(turning, (len(theta), 1, 1))
        residual[:, plane.passive] = plane.holding_torque(theta)[:, plane.passive]
        jacobian[:, plane.passive] = plane.holding_torque_jacobian(theta)[:, plane.passive]
        return residual, jacobian

    return _newton(plane.angles(q), conditions)


def shapes_at_targets(
    plane: PlanarStatics, targets: ComplexArray, start: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Angles theta (B, N) [rad] at rest with the end effector on targets (B,) of the plane [m].

    Joint equilibrium and inverse kinematics are one system of equations; two planar joints have motors.
    """

    def conditions(theta: FloatArray, rows: BoolArray) -> tuple[FloatArray, FloatArray]:
        arms = plane.links * np.exp(1j * theta)
        miss = arms.sum(axis=-1) - targets[rows]
        residual = np.column_stack([plane.holding_torque(theta)[:, plane.passive], miss.real, miss.imag])
        jacobian = np.concatenate(
            [
                plane.holding_torque_jacobian(theta)[:, plane.passive],
                -arms.imag[:, None, :],
                arms.real[:, None, :],
            ],
            axis=1,
        )
        return residual, jacobian

    return _newton(start, conditions)


def _newton(theta: FloatArray, conditions: Conditions) -> tuple[FloatArray, BoolArray]:
    """Newton's method with a bounded step, on the rows that have not converged yet.

    Where two branches meet, steps never get small: there a small residual has to do.
    """
    theta = theta.copy()
    active = np.ones(len(theta), dtype=np.bool_)
    for _ in range(_MAX_ITERATIONS):
        residual, jacobian = conditions(theta[active], active)
        try:
            step = np.linalg.solve(jacobian, residual[..., None])[..., 0]
        except np.linalg.LinAlgError:
            step = (np.linalg.pinv(jacobian) @ residual[..., None])[..., 0]
        largest = np.abs(step).max(axis=-1)
        theta[active] -= step * np.minimum(1.0, _MAX_STEP / np.maximum(largest, 1e-300))[:, None]
        active[active] = ~(largest < _SMALL_STEP)
        if not active.any():
            return theta, ~active
    residual, _ = conditions(theta[active], active)
    active[active] = ~(np.abs(residual).max(axis=-1) < _SMALL_RESIDUAL)
    return theta, ~active
