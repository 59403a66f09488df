"""What the nonlinear MPC minimises, as a rate at one moment: the measure of who drives better than it."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.plane import PlanarStatics
from ampc.control.nonlinear_mpc import GOAL_ROOM
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.situation import StateWriter
from ampc.environments.loops import Views
from ampc.robots import Robot
from ampc.solvers.optimal_control import Limit, OptimalControlProblem

_INSTANT = 1e-5
"""Time by which points are moved to and fro for their velocity [s]; errors are its square."""


class ExpertCost:
    """Stage cost of `ampc.solvers.optimal_control`, of what is believed about B arms and what is done there.

    With the state x = [q, dq], the torque u, the end effector p and what exceeds a limit, s_i::

        1/2 |x - x_ref|^2_Q + 1/2 |u - u_ref|^2_R + P/2 |p - goal|^2 + sum_i (l1_i s_i + l2_i/2 s_i^2)

    It is what the expert's plan pays per second between its first and its last node: states are those of the
    model that the expert believes in, references, obstacles and margins those that it would have. Integrated
    over an episode it says how well that was driven by the expert's own standard; a horizon has no part in
    it.
    """

    def __init__(self, robot: Robot, settings: NonlinearMPCControllerSettings) -> None:
        """Take the model that is believed in, and the expert.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain.
            SettingsError: The weights do not fit the robot.
        """
        problem = OptimalControlProblem(robot, settings.problem)
        self._robot, self._n = robot, robot.n_joints
        self._plane = PlanarStatics(problem.chain.parameters)
        self._state_weights, self._torque_weights = problem.stage_weights, problem.torque_weights
        self._end_effector_weight = problem.end_effector_weights[0]
        self._limits = problem.stage_limits
        self._nearest_margin = settings.nearest_margin
        self._surroundings = StateWriter(robot).blank()[2 * robot.n_joints + 1 :]

    def rate(self, views: Views, torque: FloatArray) -> FloatArray:
        """Cost per second (B,) of what policies of B arms see, and of torques (B, m) [N m]."""
        return np.asarray(sum(self.parts(views, torque).values()))

    def parts(self, views: Views, torque: FloatArray) -> dict[str, FloatArray]:
        """What `rate` (B,) consists of: ``joints``, ``torque``, ``end effector`` and ``limits``."""
        n = self._n
        q, dq, reference = views.states[:, :n], views.states[:, n : 2 * n], views.references
        deviation = np.concatenate([q - reference, dq], axis=1)
        excess = torque - self._holding_torque(reference)
        points = self._points(q)
        distance = points[:, 0] - views.goals
        velocities = (self._points(q + _INSTANT * dq) - self._points(q - _INSTANT * dq)) / (2.0 * _INSTANT)
        rest, beyond = self._points(reference), np.zeros(len(q))
        surroundings = views.states[:, 2 * n + 1 :]
        elsewhere = None if (surroundings == self._surroundings).all() else surroundings
        for limit in self._limits:
            slack = self._beyond(limit, q, dq, points, velocities, rest, elsewhere)
            beyond += limit.penalty.l1 * slack + 0.5 * limit.penalty.l2 * slack**2
        return {
            "joints": 0.5 * deviation**2 @ self._state_weights,
            "torque": 0.5 * excess**2 @ self._torque_weights,
            "end effector": 0.5 * self._end_effector_weight * (distance**2).sum(axis=1),
            "limits": beyond,
        }

    def _beyond(
        self,
        limit: Limit,
        q: FloatArray,
        dq: FloatArray,
        points: FloatArray,
        velocities: FloatArray,
        rest: FloatArray,
        elsewhere: FloatArray | None,
    ) -> FloatArray:
        """By how much a limit is exceeded (B,).

        ``elsewhere``: normals and heights of the obstacles (B, 4 k), unless all are where the robot has them.
        """
        if limit.kind in ("position", "velocity"):
            value = (q if limit.kind == "position" else dq)[:, limit.index]
            return np.maximum(np.maximum(limit.lower - value, value - limit.upper), 0.0)
        resting, here, velocity = (each[:, limit.index] for each in (rest, points, velocities))
        if elsewhere is None:
            obstacle = self._robot.obstacles[limit.obstacle]
            at_rest, distance = obstacle.distance(resting), obstacle.distance(here)
            speed = velocity @ obstacle.normal
        else:
            first = 4 * limit.obstacle
            normal, height = elsewhere[:, first : first + 3], elsewhere[:, first + 3]
            at_rest, distance, speed = ((each * normal).sum(axis=1) for each in (resting, here, velocity))
            at_rest, distance = at_rest - height, distance - height
        # As `NonlinearMPCController` has it: near an obstacle, goals leave less room than usual.
        least = min(limit.margin, self._nearest_margin)
        margin = np.clip(at_rest - GOAL_ROOM, least, limit.margin)
        room = distance - margin
        if limit.kind == "approach":
            room = speed + limit.slope * room
        return np.maximum(-room, 0.0)

    def _points(self, q: FloatArray) -> FloatArray:
        """Obstacle points (B, k, 3) [m] at joint positions (B, n) [rad]."""
        return self._plane.positions(q[:, 0], self._plane.angles(q[:, 1:]))

    def _holding_torque(self, q: FloatArray) -> FloatArray:
        """Torque of the motors (B, m) [N m] against gravity at joint positions (B, n) [rad]."""
        planar = self._plane.holding_torque(self._plane.angles(q[:, 1:]))
        yaw = [[self._plane.yaw_torque(each)] for each in q[:, 0].tolist()]
        return np.concatenate([yaw, planar], axis=1)[:, self._robot.actuated]
