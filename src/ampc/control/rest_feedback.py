"""Linear quadratic regulators about shapes at rest."""

import numpy as np
from scipy.linalg import solve_discrete_are

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.robots import RobotDynamics


def rest_gain(
    chain: YawChain,
    dynamics: RobotDynamics,
    q: FloatArray,
    period: float,
    weights: tuple[float, float, float],
) -> FloatArray:
    """Gain K (m, 2n) of the discrete-time LQR ``u = u_rest - K (x - x_rest)`` about a shape at rest.

    Args:
        chain: The arm.
        dynamics: Of the same arm.
        q: The shape (n,) [rad].
        period: Time for which a torque is held [s].
        weights: Of the motors' positions [1/rad^2] and velocities [s^2/rad^2], and of torque [1/(N m)^2].
    """
    n, motors = len(q), chain.actuated
    state, still = np.concatenate([q, np.zeros(n)]), np.zeros(n)
    torque = dynamics.inverse_dynamics(q, still, still)[motors]
    _, A, B = chain.step_with_sensitivities(state, torque, period, scheme="radau", substeps=1)
    position, velocity, effort = weights
    # The Riccati equation wants every state weighted, however little.
    diagonal = np.full(2 * n, 1e-6 * position)
    diagonal[motors], diagonal[n + motors] = position, velocity
    R = effort * np.eye(len(motors))
    cost_to_go = solve_discrete_are(A, B, np.diag(diagonal), R)
    return np.asarray(np.linalg.solve(R + B.T @ cost_to_go @ B, B.T @ cost_to_go @ A))
