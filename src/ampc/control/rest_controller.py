"""From rest to rest: estimator, path through shapes at rest, and LQR about it."""

from dataclasses import dataclass, field

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.statics import StaticEquilibrium
from ampc.control.controller import StepRecord
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.estimator_settings import EstimatorSettings
from ampc.control.rest_feedback import rest_gain
from ampc.control.rest_path import MotionSettings, RestPath, Route
from ampc.control.rest_routes import Destination, choose_plan, destination, nearest_turn
from ampc.errors import AmpcError, RobotError, SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task

_SOFTER = 0.9
"""Stiffness of the second path; other paths are interpolated between it and the first in 1 / stiffness."""
_GAINS = 5
"""Points of the path at which the feedback gain is computed; in between it is interpolated."""
_SAME_BRANCH = 0.5
"""Largest joint distance between equilibria of arms of both stiffnesses that belong together [rad]."""


@dataclass(frozen=True)
class RestSettings:
    """Path, feedback and estimator of the rest-to-rest controller."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    """How fast it moves."""
    margin: float = 0.03
    """Distance that the path should keep from obstacles [m]."""
    position_weight: float = 100.0
    """Of the actuated joints' deviation from the path [1/rad^2]."""
    velocity_weight: float = 1.0
    """Of the actuated joints' velocity deviation [s^2/rad^2]."""
    torque_weight: float = 1.0
    """Of the torque's deviation from what holds the shape [1/(N m)^2]."""
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    """The state estimator."""

    def __post_init__(self) -> None:
        for name in ("position_weight", "velocity_weight", "torque_weight"):
            value = getattr(self, name)
            if not 0.0 < value < np.inf:
                raise SettingsError(f"{name} is {value}; it has to be positive and finite")


class RestController:
    """Moves an arm with elastic links to its goal through shapes at rest.

    The torque is what the motion along the path takes, plus LQR feedback of the estimated state about it; the
    passive joints of that state bend as gravity and the motion's own inertia make them. Where the estimator
    finds the links softer or stiffer than the model, path and goal move with them, so that no steady error
    remains.

    In the loop it never raises and never emits a non-finite torque; `last_step` says what went wrong:
    before the first measurement the torque is zero, a goal out of reach is replaced by the nearest point
    where the arm can rest, without a goal the arm is held where it is, without measurements the model's
    prediction is followed.
    """

    def __init__(
        self, robot: Robot, settings: RestSettings | None = None, control_period: float = 0.004
    ) -> None:
        """Make a controller.

        Args:
            robot: The model that the controller believes in, such as the flexible arm with 3 segments.
            settings: Path, feedback and estimator.
            control_period: Time between two calls of `act` [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors, or a
                passive joint has no spring.
            SettingsError: The control period is not positive.
        """
        self.name = "rest to rest"
        self.control_period = control_period
        self._alone, self._robot = robot, robot
        self._settings = settings or RestSettings()
        chain = YawChain.from_robot(robot)
        self._chains = chain, chain.with_stiffness_scale(_SOFTER)
        self._statics = StaticEquilibrium(robot), StaticEquilibrium(robot, _SOFTER)
        self._filter = ExtendedKalmanFilter(robot, self._settings.estimator, control_period)
        self._dynamics = RobotDynamics(robot)
        joints = [robot.model.joint(robot.joint_names[i]).id for i in robot.passive]
        self._springs = robot.model.jnt_stiffness[joints].copy()
        self._relaxed = robot.model.qpos_spring[robot.model.jnt_qposadr[joints]].copy()
        if not (self._springs > 0.0).all():
            raise RobotError(f"robot {robot.name!r} has joints with neither motor nor spring")
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.estimate: Estimate | None = None
        """What the estimator believed at the last step."""
        self.reference: FloatArray | None = None
        """Equilibrium that the path leads to (n,) [rad]; None before the first step or without one."""
        self._forget()

    def _forget(self) -> None:
        self.estimate = self.reference = None
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)
        self._paths: tuple[RestPath, RestPath] | None = None
        self._gains: FloatArray = np.empty(0)
        self._elapsed = 0.0
        self._destination: Destination | None = None
        self._objection = ""

    def reset(self, task: Task) -> None:
        """Take the task's goal and, if it has its own, its obstacles; of the task nothing else is read.

        Raises:
            TaskError: The task's obstacles are not those of the robot by number and names.
        """
        robot = among(self._alone, task)
        if robot is not self._robot:
            self._robot = robot
            self._statics = StaticEquilibrium(robot), StaticEquilibrium(robot, _SOFTER)
        self._forget()
        try:
            self._destination = destination(self._statics[0], task.goal)
            self._objection = self._destination.objection
        except AmpcError as error:
            self._objection = f"{error}: the arm is held where it is"

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite."""
        faults: list[str] = []
        try:
            feedback, holding = self._split(measurement, faults)
        except Exception as error:  # whatever happens, the arm must be left with a safe torque
            faults.append(f"the last torque is held: {error or type(error).__name__}")
            feedback, holding = np.zeros_like(self._torque), self._torque
        if not np.isfinite(feedback + holding).all():
            faults.append("the last torque is held: the new one is not finite")
            feedback, holding = np.zeros_like(self._torque), self._torque
        lower, upper = self._robot.torque_limits.T
        self._torque = np.clip(feedback + holding, lower, upper)
        self.last_step = StepRecord(
            command=feedback,
            corrective_torque=self._torque - holding,
            compensation_torque=holding,
            status="fallback" if faults else "ok",
            reason="; ".join(faults),
        )
        return self._torque.copy()

    def _split(self, measurement: Measurement, faults: list[str]) -> tuple[FloatArray, FloatArray]:
        """Feedback and holding torque (m,), with reasons appended to `faults`."""
        estimate = self._estimate(measurement, faults)
        if estimate is None:
            return np.zeros_like(self._torque), np.zeros_like(self._torque)
        self._paths = paths = self._paths or self._plan(estimate)
        if self._objection:
            faults.append(self._objection)
        state, holding = self._motion(paths, estimate.stiffness_scale)
        gain = self._gain(paths[0].progress(self._elapsed)[0])
        self._elapsed += self.control_period
        return -gain @ (estimate.x - state), holding

    def _motion(self, paths: tuple[RestPath, RestPath], scale: float) -> tuple[FloatArray, FloatArray]:
        """State (2n,) of the path now for a stiffness, and the motor torque (m,) that the motion takes."""
        share = (1.0 / scale - 1.0) / (1.0 / _SOFTER - 1.0)
        q, dq, ddq = (
            value + share * (other - value)
            for value, other in zip(*(path.at(self._elapsed) for path in paths), strict=True)
        )
        torque = self._dynamics.inverse_dynamics(q, dq, ddq)
        # What is left at the passive joints, their springs have to give.
        springs, passive = self._springs, self._robot.passive
        missing = torque[passive] + (scale - 1.0) * springs * (q[passive] - self._relaxed)
        q[passive] -= missing / (scale * springs)
        return np.concatenate([q, dq]), torque[self._robot.actuated]

    def _estimate(self, measurement: Measurement, faults: list[str]) -> Estimate | None:
        if self.estimate is None:
            try:
                self.estimate = self._filter.reset(measurement)
            except MeasurementError as error:
                faults.append(f"zero torque: {error}")
            return self.estimate
        self.estimate = self._filter.step(self._torque, measurement)
        if self.estimate.restarted:
            faults.append(f"estimator {self.estimate.restarted}")
        elif not self.estimate.n_used:
            faults.append("no measurement: the model's prediction is followed")
        return self.estimate

    def _plan(self, estimate: Estimate) -> tuple[RestPath, RestPath]:
        """Paths for both stiffnesses to an equilibrium on the goal, or of staying; sets the gains too."""
        robot, settings, motors = self._robot, self._settings, self._robot.actuated
        start = estimate.q[motors]
        route = softer_route = Route(start, start, np.zeros_like(start))
        if self._destination is not None:
            plan = choose_plan(
                self._chains[0], robot, start, self._destination.equilibria, settings.motion, settings.margin
            )
            self.reference, route = plan.reference, plan.route
            softer_goal = self._softer_goal(self._destination.goal, plan.reference)
            softer_route = Route(start, softer_goal, route.bow)
        path = RestPath(self._chains[0], robot, route, settings.motion)
        indices = np.linspace(0, len(path.q) - 1, _GAINS).round().astype(int)
        weights = settings.position_weight, settings.velocity_weight, settings.torque_weight
        self._gains = np.array(
            [
                rest_gain(self._chains[0], self._dynamics, path.q[i], self.control_period, weights)
                for i in indices
            ]
        )
        return path, RestPath(self._chains[1], robot, softer_route, settings.motion)

    def _softer_goal(self, goal: FloatArray, reference: FloatArray) -> FloatArray:
        """Motor positions of the same branch of a softer arm (m,); the same where that has no such branch."""
        motors = self._robot.actuated
        candidates = [nearest_turn(each.q, reference[0]) for each in self._statics[1].candidates(goal)]
        near = [q for q in candidates if np.abs(q - reference)[motors].max() < _SAME_BRANCH]
        best = min(near, key=lambda q: float(np.abs(q - reference).max()), default=reference)
        return best[motors]

    def _gain(self, progress: float) -> FloatArray:
        position = progress * (_GAINS - 1)
        i = min(int(position), _GAINS - 2)
        return np.asarray((1.0 + i - position) * self._gains[i] + (position - i) * self._gains[i + 1])
