"""What an arm does without a new plan: it follows the last one, then brakes and stays where it is."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.plane import PlanarStatics
from ampc.chain.yaw_chain import YawChain
from ampc.robots import Robot, RobotDynamics
from ampc.solvers.optimal_control import OptimalControlProblem, Plan

_BRAKING_TIME = 0.1
"""Time constant with which the motors brake the arm as if it were rigid [s]; with this damping the motors
also take up the slowest vibration of the links."""
_HOLDING_TIME = 0.2
"""Time constant with which a deviation from the place that is held goes back [s]."""
_STOPPED = 0.1
"""Speed of all motors below which the place is held [rad/s]."""
_LOST = 0.3
"""Deviation of a motor from the plan beyond which the plan is not followed [rad]."""


class Brake:
    """Stops an arm by damping at the motors, against gravity, and then holds it where it stopped."""

    def __init__(self, robot: Robot) -> None:
        """Prepare for a robot."""
        self._robot, self._dynamics = robot, RobotDynamics(robot)
        self._held: FloatArray | None = None

    def release(self) -> None:
        """Forget the place that is held."""
        self._held = None

    def gravity_torque(self, q: FloatArray) -> FloatArray:
        """Torque of the motors against gravity (m,) [N m] at joint positions (n,) [rad]."""
        still = np.zeros_like(q)
        return self._dynamics.inverse_dynamics(q, still, still)[self._robot.actuated]

    def torque(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Torque (m,) [N m] at an estimated state, each (n,); not cut to the limits."""
        motors = self._robot.actuated
        if self._held is None and np.abs(dq[motors]).max() < _STOPPED:
            self._held = q[motors].copy()
        held = q[motors] if self._held is None else self._held
        return self.gravity_torque(q) + self.towards(q, dq, held, np.zeros_like(held))

    def towards(
        self, q: FloatArray, dq: FloatArray, position: FloatArray, velocity: FloatArray
    ) -> FloatArray:
        """Feedback torque (m,) [N m] towards positions and velocities of the motors (m,)."""
        motors = self._robot.actuated
        damping = np.diag(self._dynamics.mass_matrix(q))[motors] / _BRAKING_TIME
        return np.asarray(damping * ((position - q[motors]) / _HOLDING_TIME + (velocity - dq[motors])))


class LastPlan:
    """The last plan that keeps clear of all obstacles, as time goes on."""

    def __init__(self, problem: OptimalControlProblem, period: float) -> None:
        """Nothing is planned yet.

        Args:
            problem: The problem whose plans are kept.
            period: Time between two calls of `age` [s].
        """
        self._times, self._period = problem.times, period
        self._motors, self._n = problem.robot.actuated, problem.robot.n_joints
        self._obstacles = problem.robot.obstacles
        self._plane = PlanarStatics(YawChain.from_robot(problem.robot).parameters)
        self.forget()

    def forget(self) -> None:
        """Drop the plan."""
        self._plan: Plan | None = None
        self._passed = 0

    def offer(self, plan: Plan) -> None:
        """Keep a new plan if it stays out of all obstacles, or if there is none that is still going on."""
        if self._plan is None or self.over or self.clearance(plan) >= 0.0:
            self._plan, self._passed = plan, 0

    def age(self) -> None:
        """One control period has passed."""
        self._passed += 1

    @property
    def over(self) -> bool:
        """Whether the plan has come to its end, or there is none."""
        return self._plan is None or self._passed * self._period >= self._times[-1] - 1e-9

    def clearance(self, plan: Plan) -> float:
        """Least distance of the plan's obstacle points from the obstacles [m], the first state left out."""
        q = plan.x[1:, : self._n]
        points = self._plane.positions(q[:, 0], self._plane.angles(q[:, 1:]))
        return min((float(each.distance(points).min()) for each in self._obstacles), default=np.inf)

    def at_hand(self, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Torque (m,), motor positions (m,) and velocities (m,) now.

        None if the plan is over, or the arm at joint positions (n,) is not where the plan has it.
        """
        if self._plan is None or self.over:
            return None
        time = self._passed * self._period
        k = int(np.searchsorted(self._times, time + 1e-9, side="right")) - 1
        share = (time - self._times[k]) / (self._times[k + 1] - self._times[k])
        x = (1.0 - share) * self._plan.x[k] + share * self._plan.x[k + 1]
        position, velocity = x[self._motors], x[self._n + self._motors]
        if np.abs(position - q[self._motors]).max() > _LOST:
            return None
        return self._plan.u[k], position, velocity
