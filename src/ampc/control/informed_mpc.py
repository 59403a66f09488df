"""The expert that is told how each task's plant differs from the nominal arm."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.arm_controller import ArmController
from ampc.control.controller import StepRecord
from ampc.control.delay_prediction import DelayPrediction
from ampc.control.feedback import FeedbackLaw, TorqueLawName
from ampc.control.torque_laws import make_torque_law
from ampc.errors import SettingsError, SolverError
from ampc.plants.measurement import Measurement
from ampc.plants.variation import vary
from ampc.robots import InverseKinematics, InverseKinematicsSettings, Robot, RobotDynamics
from ampc.tasks.task import PlantVariation, Task


@dataclass(frozen=True)
class InformedSettings:
    """What the informed expert is told besides masses, inertias, damping, payload and delay."""

    true_lengths: bool = False
    """Whether inverse kinematics knows the plant's link lengths. A controller that measures joints only
    cannot find them out, so that a policy cannot imitate an expert that knows them."""
    command_limit: float = 100.0
    """What a policy has to be able to command [rad/s^2] in order to imitate it: to bear an unknown payload,
    the nominal torque law has to be told far more than the law's own limit. The expert is not cut to it."""

    def __post_init__(self) -> None:
        if not 0.0 < self.command_limit < math.inf:
            raise SettingsError(f"informed.command_limit is {self.command_limit}; it must be positive")


class InformedController:
    """A feedback law around which everything is exact: the bound on what any controller may reach.

    It reads the task's variation. Torques are computed with the dynamics of that plant, from the state that
    the plant will be in when they arrive (`DelayPrediction`). Measurement noise it cannot know.

    What it records as its command is not its law's, but the command of the *nominal* torque law that gives
    the same torque in the measured state: what a policy has to say, which is run by the nominal law, to do
    the same. It may exceed the law's own limit, by what the payload's weight asks for.

    Attributes:
        name: Name in tables and figures.
        control_period: Time between two calls of `act` [s].
        last_step: What the last call of `act` did, in terms of the nominal torque law.
    """

    def __init__(
        self,
        robot: Robot,
        law: FeedbackLaw,
        torque_law: TorqueLawName,
        inverse_kinematics: InverseKinematicsSettings,
        settings: InformedSettings,
        control_period: float,
        physics_step: float,
    ) -> None:
        """Compose the controller.

        Args:
            robot: The nominal arm.
            law: Feedback law; its name becomes the controller's.
            torque_law: How commands become torques.
            inverse_kinematics: Gives the joint reference.
            settings: What it is told.
            control_period: Time between two calls of `act` [s].
            physics_step: Time step of its predictions [s].
        """
        self.name = law.name
        self.control_period = control_period
        self._robot, self._law, self._torque_law = robot, law, torque_law
        self._settings, self._physics_step = settings, physics_step
        self._ik_settings = inverse_kinematics
        self._nominal_ik = InverseKinematics(robot, inverse_kinematics)
        self._nominal_law = make_torque_law(torque_law, RobotDynamics(robot), control_period)
        self._idle = StepRecord(*np.zeros((3, robot.n_actuated)))
        self.last_step = self._idle
        self._measured: Measurement | None = None
        self._meet(PlantVariation())

    @property
    def reference(self) -> FloatArray | None:
        """Joint reference of the current task (n,) [rad]."""
        return self._controller.reference

    def reset(self, task: Task) -> None:
        """Take the task's goal and what is special about its plant.

        Raises:
            TaskError: If the variation does not fit the robot.
        """
        self._meet(task.variation)
        self._controller.reset(task)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite."""
        if np.isfinite(measurement.q).all() and np.isfinite(measurement.dq).all():
            self._measured = measurement
        q, dq = self._delay.predict(measurement.q, measurement.dq)
        torque = self._controller.act(replace(measurement, q=q, dq=dq))
        self._delay.send(torque)
        self.last_step = self._in_nominal_terms(torque, self._controller.last_step)
        return torque

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take the torque that was sent in place of the last one: it is on its way now."""
        self._delay.resend(torque)
        self._controller.observe_applied(torque, command)

    def _meet(self, variation: PlantVariation) -> None:
        """Compose the controller of one plant."""
        varied = replace(self._robot, model=vary(self._robot, variation))
        ik = InverseKinematics(varied, self._ik_settings) if self._settings.true_lengths else self._nominal_ik
        torque_law = make_torque_law(self._torque_law, RobotDynamics(varied), self.control_period)
        self._controller = ArmController(varied, self._law, torque_law, ik, self.control_period)
        self._delay = DelayPrediction(varied, variation.input_delay, self.control_period, self._physics_step)
        self._measured = None

    def _in_nominal_terms(self, torque: FloatArray, step: StepRecord) -> StepRecord:
        """The record of a step as if the nominal torque law had made its torque."""
        if self._measured is None:
            return replace(self._idle, status=step.status, reason=step.reason)
        q, dq = self._measured.q, self._measured.dq
        try:
            command = self._nominal_law.command_for(torque, q, dq)
        except (SolverError, np.linalg.LinAlgError) as error:
            reason = "; ".join(filter(None, (step.reason, f"torque has no nominal command: {error}")))
            return replace(self._idle, corrective_torque=torque, status="fallback", reason=reason)
        corrective, compensation = self._nominal_law.split(command, q, dq)
        return replace(step, command=command, corrective_torque=corrective, compensation_torque=compensation)
