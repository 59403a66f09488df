"""A policy of an arm with flexible links in the loop: estimate, way to the goal, law, safe stops."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.estimator import Estimate
from ampc.control.feedback import ObservesCommand, Reference
from ampc.control.flexible_arm_controller import FlexibleArmController
from ampc.control.guidance import GuidanceSettings
from ampc.control.situation import Situation
from ampc.robots import Robot


class SituatedLaw(Protocol):
    """A feedback law that acts on the state of a `Situation`, with a joint reference that may change."""

    name: str
    """Name in tables and figures."""
    saturated: bool
    """Whether the last command was cut to its limit after being computed."""

    def reset(self, reference: Reference) -> None:
        """Take a new goal and forget the past."""

    def refer(self, q: FloatArray) -> None:
        """Take another joint reference (n,) [rad] in the middle of an episode."""

    def command(self, *state: FloatArray) -> FloatArray:
        """Torque on top of that against gravity (m,) [N m] for a state; may raise."""


class PolicyController(FlexibleArmController):
    """Drives by a law on what `NonlinearMPCController` acts on too, see `FlexibleArmController`.

    Where the law raises an error, or returns what is not finite, the arm brakes and is held; it goes on as
    soon as the law has a command again.
    """

    def __init__(
        self,
        robot: Robot,
        law: SituatedLaw,
        settings: GuidanceSettings | None = None,
        control_period: float = 0.004,
    ) -> None:
        """Make a controller.

        Args:
            robot: The model that the estimator believes in: that of the expert which the law imitates.
            law: The policy.
            settings: Of the estimator and the way to the goal: those of the expert.
            control_period: Time between two calls of `act` [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: The settings do not fit the robot.
        """
        self._law = law
        self._observes = law if isinstance(law, ObservesCommand) else None
        super().__init__(law.name, robot, settings or GuidanceSettings(), control_period)

    def _forget(self) -> None:
        super()._forget()
        self._referred: FloatArray | None = None
        self._saturated = False

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take what was sent in place of the last torque, see `ObservesApplied`."""
        super().observe_applied(torque, command)
        if self._observes is not None and np.isfinite(command).all():
            self._observes.observe_command(command)

    def _torque_for(self, estimate: Estimate, situation: Situation, faults: list[str]) -> FloatArray | None:
        if self._referred is None:
            self._law.reset(Reference(situation.goal, situation.reference))
        elif self._referred is not situation.reference:
            self._law.refer(situation.reference)
        self._referred = situation.reference
        command = self._law.command(situation.state)
        self._saturated = self._law.saturated
        return self._gravity + command

    def _note(self, torque: FloatArray, faults: list[str]) -> None:
        super()._note(torque, faults)
        if self._saturated:
            self.last_step, self._saturated = replace(self.last_step, command_saturated=True), False
        if self._command is None and self._observes is not None and self._referred is not None:
            self._observes.observe_command(self.last_step.command)  # it was not the law's own
