"""Inverse kinematics, feedback law and torque law as one controller that never fails in the loop."""

import math

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import StepRecord
from ampc.control.feedback import Coasts, FeedbackLaw, ObservesCommand, Reference
from ampc.control.torque_laws import TorqueLaw
from ampc.errors import UnreachableGoalError
from ampc.plants.measurement import Measurement
from ampc.robots import InverseKinematics, Robot
from ampc.tasks.task import Task

BRAKING_TIME = 0.1
"""Time constant of the braking that replaces a failed feedback law [s]."""

LONGEST_SENSOR_GAP = 0.25
"""How long the last valid measurement stands in for missing ones before the arm is only held up [s]."""


class ArmController:
    """Brings the end effector of a fully actuated arm to its goal with any feedback law.

    In the loop it never raises and never emits a non-finite torque. Whenever it cannot do its job it does
    something safe and says so in `last_step`:

    - a non-finite measurement is replaced by the last valid one, or by the law's own prediction if it
      `Coasts`; if none comes for `LONGEST_SENSOR_GAP`, the arm is held up by the compensation torque alone,
      and the law begins anew when measurements return: what it remembers is no longer the recent past;
    - a feedback law that raises or returns a non-finite command is replaced by braking, command = -dq / T;
    - if the goal has no inverse-kinematics solution, the arm stays where it is.
    """

    def __init__(
        self,
        robot: Robot,
        law: FeedbackLaw,
        torque_law: TorqueLaw,
        inverse_kinematics: InverseKinematics,
        control_period: float,
    ) -> None:
        """Compose a controller.

        Args:
            robot: The nominal arm that the controller believes in.
            law: Feedback law; its name becomes the controller's.
            torque_law: Turns the law's commands into torques.
            inverse_kinematics: Gives the joint reference, where the law needs one.
            control_period: Time between two calls of `act` [s].
        """
        self.name = law.name
        self.control_period = control_period
        self._robot = robot
        self._law = law
        self._torque_law = torque_law
        self._inverse_kinematics = inverse_kinematics
        self.reference: FloatArray | None = None
        """Joint reference of the current task (n,) [rad]; None if the law does without."""
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self._forget()

    def _forget(self) -> None:
        self._valid_q: FloatArray | None = None
        self._valid_dq = np.zeros(self._robot.n_actuated)
        self._valid_since = 0.0
        self._unreachable = ""
        self._is_stale = False

    def reset(self, task: Task) -> None:
        """Take the task's goal; of the task nothing else is read."""
        self._forget()
        self.reference = None
        if self._law.needs_reference:
            try:
                self.reference = self._inverse_kinematics.solve(task.goal).q
            except UnreachableGoalError as error:
                self._unreachable = str(error)
                return
        self._goal = Reference(task.goal, self.reference)
        self._law.reset(self._goal)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite."""
        faults: list[str] = []
        measured = bool(np.isfinite(measurement.q).all() and np.isfinite(measurement.dq).all())
        if measured:
            self._valid_q, self._valid_dq = measurement.q, measurement.dq
            self._valid_since = measurement.time
        else:
            faults.append("measurement is not finite")
        if self._valid_q is None:
            zero = np.zeros(self._robot.n_actuated)
            self.last_step = StepRecord(zero, zero, zero, "fallback", "no valid measurement yet: zero torque")
            return zero

        q, dq = self._valid_q, self._valid_dq
        gap = measurement.time - self._valid_since
        if not gap <= LONGEST_SENSOR_GAP:
            faults.append(f"for {gap:.3g} s: arm is held up only")
            command, saturated = np.zeros(self._robot.n_actuated), False
            self._is_stale = True
        else:
            command, saturated = self._command(q, dq, measured, faults)
        corrective, compensation = self._torque_law.split(command, q, dq)
        torque = corrective + compensation
        if not math.isfinite(torque.sum()):
            # Finite but absurd measurements (1e200 rad) overflow in the dynamics.
            faults.append("torque overflows: zero torque")
            torque = corrective = compensation = np.zeros(self._robot.n_actuated)
        self.last_step = StepRecord(
            command=command,
            corrective_torque=corrective,
            compensation_torque=compensation,
            status="fallback" if faults else "ok",
            reason="; ".join(faults),
            command_saturated=saturated,
        )
        return torque

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Tell the law what was sent in place of its last command, if it keeps a history of commands."""
        if isinstance(self._law, ObservesCommand):
            self._law.observe_command(command)

    def _command(
        self, q: FloatArray, dq: FloatArray, measured: bool, faults: list[str]
    ) -> tuple[FloatArray, bool]:
        """The law's command and whether the law cut it, or braking with the reason appended to `faults`."""
        if self._unreachable:
            faults.append(self._unreachable)
        else:
            try:
                if self._is_stale:
                    self._law.reset(self._goal)
                    self._is_stale = False
                if not measured and isinstance(self._law, Coasts):
                    command = self._law.coast()
                else:
                    command = self._law.command(q, dq)
            except Exception as error:  # whatever a law does, the arm must be left with a safe torque
                faults.append(f"{self._law.name} failed, braking: {error or type(error).__name__}")
            else:
                if math.isfinite(command.sum()):
                    return command, self._law.saturated
                faults.append(f"{self._law.name} returned a non-finite command, braking")
        limit = self._law.command_limit
        braking: FloatArray = np.clip(-dq / BRAKING_TIME, -limit, limit)
        if isinstance(self._law, ObservesCommand):
            self._law.observe_command(braking)
        return braking, False
