"""The shape in which an arm with springs in place of some motors comes to rest."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.robots.dynamics import RobotDynamics

_MAX_ITERATIONS = 60
_MAX_STEP = 0.3
_CONVERGED = 1e-10
_DIFFERENCE = 1e-6


def find_rest(dynamics: RobotDynamics, q_actuated: FloatArray) -> FloatArray:
    """Joint positions at rest (n,) [rad] with the motors held at q_actuated (m,) [rad].

    Newton's method on the torque of the joints without motors, by central differences: it needs no more of
    the arm than its dynamics, so that it holds for every serial arm and every variation of its model.

    Raises:
        SolverError: The springs are too soft to hold the arm up, so that Newton's method finds no rest.
    """
    robot, model = dynamics.robot, dynamics.model
    passive = robot.passive
    q: FloatArray = np.array(model.qpos_spring, dtype=np.float64)
    q[robot.actuated] = q_actuated
    if passive.size == 0:
        return q
    still = np.zeros(robot.n_joints)

    def unbalanced(q: FloatArray) -> FloatArray:
        return (dynamics.bias(q, still) - dynamics.passive(q, still))[passive]

    for _ in range(_MAX_ITERATIONS):
        jacobian = np.empty((passive.size, passive.size))
        for column, joint in enumerate(passive):
            step = np.zeros(robot.n_joints)
            step[joint] = _DIFFERENCE
            jacobian[:, column] = (unbalanced(q + step) - unbalanced(q - step)) / (2.0 * _DIFFERENCE)
        change = np.linalg.lstsq(jacobian, unbalanced(q))[0]
        largest = float(np.abs(change).max())
        q[passive] -= change * min(1.0, _MAX_STEP / max(largest, 1e-300))
        if largest < _CONVERGED:
            return q
    raise SolverError(
        f"robot {robot.name!r} finds to no rest with its motors at {np.round(q_actuated, 4).tolist()} rad: "
        "the springs of its joints without motors are too soft"
    )
