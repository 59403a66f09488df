"""What a controller of an arm with flexible links acts on, in the form in which a policy learns from it."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.estimator import Estimate
from ampc.robots import Robot


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What a robot knows at a control step; nothing else may decide its torque."""

    state: FloatArray
    """Joint positions (n,) and velocities (n,) as estimated, the logarithm of the estimated stiffness, and
    each obstacle's normal (3,) and height along it: (2n + 1 + 4 k,)."""
    reference: FloatArray
    """Joint positions at rest that the arm is sent to, for the estimated stiffness (n,) [rad]."""
    goal: FloatArray
    """Where the end effector is sent, world frame (3,) [m]."""


def surroundings_of(robot: Robot) -> tuple[str, ...]:
    """Names of the numbers that follow positions and velocities in a state."""
    parts = ("normal.x", "normal.y", "normal.z", "height")
    return ("stiffness.log", *(f"{each.name}.{part}" for each in robot.obstacles for part in parts))


class StateWriter:
    """Writes states of `Situation`."""

    def __init__(self, robot: Robot) -> None:
        """Note the obstacles around a robot."""
        self._n = n = robot.n_joints
        surroundings = [[*each.normal, each.normal @ each.point] for each in robot.obstacles]
        self._state = np.concatenate([np.zeros(2 * n + 1), np.ravel(surroundings)])

    def blank(self) -> FloatArray:
        """State (2n + 1 + 4 k,) of which only the obstacles are written."""
        return self._state.copy()

    def state(self, estimate: Estimate) -> FloatArray:
        """State (2n + 1 + 4 k,) of an estimate."""
        return self.written(estimate.q, estimate.dq, estimate.stiffness_scale)

    def written(self, q: FloatArray, dq: FloatArray, stiffness_scale: float) -> FloatArray:
        """State (2n + 1 + 4 k,) of positions (n,) [rad], velocities (n,) [rad/s] and relative stiffness."""
        n, state = self._n, self._state.copy()
        state[:n], state[n : 2 * n] = q, dq
        state[2 * n] = np.log(stiffness_scale)
        return state
