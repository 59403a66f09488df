"""What an arm does without a new plan: it follows the last one, then brakes and stays where it is."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.plane import PlanarStatics
from ampc.chain.statics import rest_shape, rest_shapes
from ampc.chain.yaw_chain import YawChain
from ampc.control.rest_feedback import rest_gain
from ampc.robots import Robot, RobotDynamics
from ampc.solvers.optimal_control import OptimalControlProblem, Plan

_WEIGHTS = (100.0, 1.0, 1.0)
"""Of the motors' positions [1/rad^2], velocities [s^2/rad^2] and torques [1/(N m)^2]."""
_GAINS = 3
"""Shapes between start and goal for which feedback is prepared."""
_STOPPED = 0.1
"""Speed of all motors below which the place is held [rad/s]."""
_LOST = 0.3
"""Deviation of a motor from the plan beyond which the plan is not followed [rad]."""


class Brake:
    """Stops an arm against gravity by feedback at the motors, and then holds it where it stopped.

    The feedback is an LQR: damping that knows of links and sampling only as an inertia would shake a real
    strip, the piece of which next to a motor weighs next to nothing.
    """

    def __init__(self, robot: Robot, period: float) -> None:
        """Prepare for a robot, around its home.

        Args:
            robot: The arm.
            period: Time for which a torque is held [s].
        """
        self._robot, self._period = robot, period
        self._dynamics, self._chain = RobotDynamics(robot), YawChain.from_robot(robot)
        self._held: FloatArray | None = None
        self.prepare(robot.home[robot.actuated], robot.home[robot.actuated])

    def prepare(self, start: FloatArray, goal: FloatArray) -> None:
        """Compute feedback for motor positions (m,) [rad] between start and goal."""
        motors = np.linspace(start, goal, _GAINS)
        shapes = rest_shapes(self._chain, motors)
        self._places = motors
        self._gains = [rest_gain(self._chain, self._dynamics, q, self._period, _WEIGHTS) for q in shapes]

    def release(self) -> None:
        """Forget the place that is held."""
        self._held = None

    def gravity_torque(self, q: FloatArray) -> FloatArray:
        """Torque of the motors against gravity (m,) [N m] at joint positions (n,) [rad]."""
        return self._dynamics.holding_torque(q)[self._robot.actuated]

    def torque(self, x: FloatArray) -> FloatArray:
        """Torque (m,) [N m] at an estimated state (2n,); not cut to the limits."""
        n, motors = self._robot.n_joints, self._robot.actuated
        if self._held is None and np.abs(x[n + motors]).max() < _STOPPED:
            self._held = rest_shape(self._chain, x[motors])
        target = x[:n] if self._held is None else self._held
        return self.gravity_torque(x[:n]) + self.feedback(x, np.concatenate([target, np.zeros(n)]))

    def feedback(self, x: FloatArray, target: FloatArray) -> FloatArray:
        """Torque (m,) [N m] that drives a state towards a target, each (2n,)."""
        nearest = np.argmin(np.abs(self._places - x[self._robot.actuated]).max(axis=1))
        return np.asarray(self._gains[nearest] @ (target - x))


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
        self._plane = PlanarStatics(problem.chain.parameters)
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

    def at_hand(self, x: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Torque (m,) and state (2n,) that the plan has now.

        None if the plan is over, or the arm at state x (2n,) is not where the plan has it.
        """
        if self._plan is None or self.over:
            return None
        time = self._passed * self._period
        k = int(np.searchsorted(self._times, time + 1e-9, side="right")) - 1
        share = (time - self._times[k]) / (self._times[k + 1] - self._times[k])
        planned = (1.0 - share) * self._plan.x[k] + share * self._plan.x[k + 1]
        if np.abs(planned - x)[self._motors].max() > _LOST:
            return None
        return self._plan.u[k], planned
