"""What all controllers of an arm with flexible links share: estimate, way to the goal, and safe stops."""

from abc import ABC, abstractmethod

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.braking import Brake
from ampc.control.controller import StepRecord
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.guidance import GuidanceSettings
from ampc.control.reference_choice import Branch, ReferenceChoice
from ampc.control.situation import Situation, StateWriter
from ampc.control.stuck import StuckDetector
from ampc.errors import AmpcError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task

LONGEST_SENSOR_GAP = 0.25
"""How long the model's prediction stands in for measurements before the arm brakes [s]."""

SAME_STIFFNESS = 2e-4
"""Change of the estimated stiffness below which references are not computed anew: 0.03 mm at the tip."""


class FlexibleArmController(ABC):
    """Base of controllers that bring the end effector of an arm with flexible links to its goal.

    At the first measurement it chooses the way to rest on the goal that is quickest and freest; if the arm
    comes to rest away from its goal, the next best way is tried. Two controllers of the same settings that
    are told the same torques know the same at every step, see `Situation`.

    In the loop it never raises and never emits a non-finite torque; `last_step` says what went wrong:

    - without measurements the model's prediction is used, after `LONGEST_SENSOR_GAP` the arm brakes;
    - before the first measurement the torque is zero;
    - a goal out of reach is replaced by the nearest point where the arm can rest;
    - where the controller itself has no torque, its `_fallback` is taken: by default the arm brakes.

    A command is the torque on top of that against gravity, of which the first moments take a part only.
    """

    def __init__(self, name: str, robot: Robot, settings: GuidanceSettings, control_period: float) -> None:
        """Prepare estimator and references.

        Args:
            name: Name in tables and figures.
            robot: The model that the controller believes in, such as the flexible arm with 3 segments.
            settings: Of the estimator and the way to the goal.
            control_period: Time between two calls of `act` [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: The settings do not fit the robot.
        """
        self.name, self.control_period = name, control_period
        self._alone, self._robot = robot, robot
        self._start_time, self._route_margin = settings.start_time, settings.route_margin
        self._limits: tuple[FloatArray, ...] = tuple(robot.torque_limits.T.copy())
        self._filter = ExtendedKalmanFilter(robot, settings.estimator, control_period)
        self._choice = ReferenceChoice(robot, settings.route_margin)
        self._brake = Brake(robot, control_period)
        self._stuck = StuckDetector(settings.stuck, control_period)
        self._writer = StateWriter(robot)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.estimate: Estimate | None = None
        """What the estimator believed at the last step."""
        self.reference: FloatArray | None = None
        """Joint positions at rest that the nominal arm is sent to (n,) [rad]; None before the first step."""
        self._forget()

    def _forget(self) -> None:
        self.estimate = self.reference = None
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)
        self._gravity = np.zeros(self._robot.n_actuated)
        self._command: FloatArray | None = None
        self._since_start = 0.0
        self._branches: list[Branch] = []
        self._goal_fault = ""
        self._situation: Situation | None = None
        self._blind, self._reference_scale = 0.0, np.inf
        self._brake.release()
        self._stuck.forget()

    def reset(self, task: Task) -> None:
        """Take the task's goal and, if it has its own, its obstacles; of the task nothing else is read.

        Raises:
            TaskError: The task's obstacles are not those of the robot by number and names.
        """
        robot = among(self._alone, task)
        if robot is not self._robot:
            self._surround(robot)
        self._forget()
        try:
            self._choice.take(task.goal)
        except AmpcError as error:
            self._goal_fault = f"the arm is held where it is: {error}"

    def _surround(self, robot: Robot) -> None:
        """Take the same robot among other obstacles."""
        self._robot = robot
        self._choice = ReferenceChoice(robot, self._route_margin)
        self._writer = StateWriter(robot)

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take the torque that was sent in place of the last one, see `ObservesApplied`."""
        if np.isfinite(torque).all():
            self._torque = self._within_limits(torque)

    def watch(self, measurement: Measurement) -> None:
        """Take a measurement in without deciding on a torque; `observe_applied` has to follow."""
        faults: list[str] = []
        try:
            self._perceive(measurement, faults)
        except Exception as error:  # as in `act`
            faults.append(f"the controller failed: {error or type(error).__name__}")
        self._note(self._torque, faults)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite and within the limits."""
        faults: list[str] = []
        try:
            torque = self._decide(measurement, faults)
        except Exception as error:  # whatever happens, the arm must be left with a safe torque
            faults.append(f"the controller failed: {error or type(error).__name__}")
            torque = self._last_resort(faults)
        if not np.isfinite(torque).all():
            faults.append("torque is not finite: arm is held up as it was")
            torque = self._gravity
        self._torque = self._within_limits(torque)
        self._note(self._torque, faults)
        return self._torque.copy()

    def _within_limits(self, torque: FloatArray) -> FloatArray:
        lower, upper = self._limits
        return np.minimum(np.maximum(torque, lower), upper)

    def _last_resort(self, faults: list[str]) -> FloatArray:
        """Torque (m,) [N m] where the controller's own steps raise errors."""
        if self.estimate is None:
            return np.zeros_like(self._torque)
        try:
            return self._fallback(self.estimate, faults)
        except Exception as error:  # an estimate with which not even braking works
            faults.append(f"the arm is held up as it was: {error or type(error).__name__}")
            return self._gravity

    def _note(self, torque: FloatArray, faults: list[str]) -> None:
        """Write down what this step did."""
        self.last_step = StepRecord(
            command=torque - self._gravity if self._command is None else self._command,
            corrective_torque=torque - self._gravity,
            compensation_torque=self._gravity,
            status="fallback" if faults else "ok",
            reason="; ".join(faults),
            situation=self._situation,
        )

    def _decide(self, measurement: Measurement, faults: list[str]) -> FloatArray:
        situation = self._perceive(measurement, faults)
        if self.estimate is None:
            return np.zeros_like(self._torque)
        if situation is None:
            return self._brake.torque(self.estimate.x)
        torque = self._torque_for(self.estimate, situation, faults)
        if torque is None:
            return self._fallback(self.estimate, faults)
        self._brake.release()
        self._command = torque - self._gravity
        self._since_start += self.control_period
        share = min(1.0, self._since_start / self._start_time) if self._start_time else 1.0
        return self._gravity + share * self._command

    @abstractmethod
    def _torque_for(self, estimate: Estimate, situation: Situation, faults: list[str]) -> FloatArray | None:
        """The torque (m,) [N m] that brings the arm on; None, with the reason among the faults, for none."""

    def _fallback(self, estimate: Estimate, faults: list[str]) -> FloatArray:
        """Torque (m,) [N m] in place of the controller's own."""
        faults.append("braking")
        return self._brake.torque(estimate.x)

    def _begin(self, branch: Branch, estimate: Estimate) -> None:
        """A branch was chosen: what follows is to lead there."""
        motors = self._robot.actuated
        self._brake.prepare(estimate.q[motors], branch.reference[motors])
        self.reference, self._reference_scale = branch.reference, np.inf
        self._since_start = 0.0

    def _perceive(self, measurement: Measurement, faults: list[str]) -> Situation | None:
        """What is known now; None where that is not enough to act on, with the reason among the faults."""
        self._situation = self._command = None
        estimate = self._estimate(measurement, faults)
        if estimate is None:
            return None
        self._gravity = self._brake.gravity_torque(estimate.q)
        if self._goal_fault:
            faults.append(self._goal_fault)
            return None
        if self._choice.objection:
            faults.append(self._choice.objection)
        self._choose(estimate)
        scale = estimate.stiffness_scale
        if abs(scale - self._reference_scale) > SAME_STIFFNESS:
            self._q_ref, self._reference_scale = self._branches[0].at(scale), scale
        self._situation = Situation(self._writer.state(estimate), self._q_ref, self._choice.goal)
        if self._blind > LONGEST_SENSOR_GAP:
            faults.append("and has been missing for too long: braking")
            return None
        return self._situation

    def _estimate(self, measurement: Measurement, faults: list[str]) -> Estimate | None:
        if self.estimate is None:
            try:
                self.estimate = self._filter.reset(measurement)
            except MeasurementError as error:
                faults.append(f"zero torque: {error}")
            return self.estimate
        self.estimate = estimate = self._advance(measurement)
        self._blind = 0.0 if estimate.n_used else self._blind + self.control_period
        if estimate.restarted:
            faults.append(f"estimator {estimate.restarted}")
        elif self._blind:
            faults.append("no measurement")
        return estimate

    def _advance(self, measurement: Measurement) -> Estimate:
        """The estimate a control period later."""
        return self._filter.step(self._torque, measurement)

    def _choose(self, estimate: Estimate) -> None:
        """Choose a branch at the start, and another one if the arm is stuck."""
        motors = self._robot.actuated
        if not self._branches:
            self._branches = self._choice.branches(estimate.q[motors])
            self._begin(self._branches[0], estimate)
        if self._stuck.update(estimate.end_effector, self._choice.goal) and len(self._branches) > 1:
            self._branches.append(self._branches.pop(0))
            self._begin(self._branches[0], estimate)
