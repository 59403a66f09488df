"""The expert as a feedback law that keeps the joints within their position and speed limits."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import ErrorFeedback, Reference
from ampc.robots.robot import Robot
from ampc.solvers.double_integrator import JointMPCSettings
from ampc.solvers.limited_joint_mpc import LimitedJointMPC, LimitSettings


class LimitedMPC(ErrorFeedback):
    """`JointMPC` with the robot's position and speed limits as constraints; see `LimitedJointMPC`."""

    def __init__(self, settings: JointMPCSettings, limits: LimitSettings, robot: Robot) -> None:
        """Make the law.

        Args:
            settings: Horizon, weights and limit of the command.
            limits: Which part of the robot's limits is used, and how strictly.
            robot: The arm.
        """
        super().__init__("MPC with limits", robot.n_joints, settings.command_limit)
        self._solver = LimitedJointMPC(settings, limits.penalty)
        self._lower = robot.position_limits[:, 0] + limits.position_margin
        self._upper = robot.position_limits[:, 1] - limits.position_margin
        self._speeds = limits.speed_factor * robot.velocity_limits
        self._bounds: FloatArray = np.full((robot.n_joints, 2), np.nan)

    def reset(self, reference: Reference) -> None:
        """Take the joint reference; where it is near a limit, the bound makes room for it.

        Raises:
            SolverError: If there is none.
        """
        super().reset(reference)
        lower, upper = self._lower - self._q_ref, self._upper - self._q_ref
        self._bounds = np.stack([lower.clip(max=0.0), upper.clip(min=0.0)], axis=1)

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """First input of the optimal plan (n,) [rad/s^2].

        Raises:
            SolverError: If the state is not finite, the law was not reset, or the solver fails.
        """
        return self._solver.first_input(q - self._q_ref, dq, self._bounds, self._speeds)
