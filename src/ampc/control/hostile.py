"""Controllers that do harm, to test what protects an arm from them."""

from typing import Literal, get_args

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, ObservesApplied, StepRecord
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics
from ampc.tasks.task import Task

Hostility = Literal["random", "obstacles", "nan", "frozen", "raises"]
HOSTILITIES: tuple[Hostility, ...] = get_args(Hostility)

HOLD = 0.04
"""Time for which a random torque is held [s]."""
FREEZE = 0.2
"""Time after which the frozen controller repeats its torque [s]."""


class HostileController:
    """Proposes the worst that it can; it never looks at the goal.

    - ``random``: torques uniform within the limits, each held for `HOLD`;
    - ``obstacles``: full torque in the direction in which the end effector gets nearest to an obstacle, the
      obstacle drawn at random for each task;
    - ``nan``: no number;
    - ``frozen``: random torques until `FREEZE`, and then the last one for ever;
    - ``raises``: an exception.
    """

    def __init__(self, kind: Hostility, robot: Robot, control_period: float = 0.004) -> None:
        """Prepare for an arm.

        Raises:
            SettingsError: There is no such kind, or no obstacle to run against.
        """
        if kind not in HOSTILITIES:
            raise SettingsError(f"unknown hostile controller {kind!r}; choose from {', '.join(HOSTILITIES)}")
        if kind == "obstacles" and not robot.obstacles:
            raise SettingsError(f"robot {robot.name!r} has no obstacle to run against")
        self.name: str = kind
        self.control_period, self._kind, self._robot = control_period, kind, robot
        self._dynamics = RobotDynamics(robot)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self._begin(0)

    def _begin(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, HOSTILITIES.index(self._kind)])
        self._obstacle = int(self._rng.integers(max(1, len(self._robot.obstacles))))
        self._steps = 0
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)

    def reset(self, task: Task) -> None:
        """Draw anew, from the task's seed."""
        self._begin(task.seed)

    def act(self, measurement: Measurement) -> FloatArray:
        """The torque (m,) [N m]."""
        time = self._steps * self.control_period
        self._steps += 1
        if self._kind == "raises":
            raise RuntimeError("no torque")
        if self._kind == "nan":
            self._torque = np.full_like(self._torque, np.nan)
        elif self._kind == "obstacles":
            self._torque = self._against(measurement)
        elif self._kind == "random" or time < FREEZE:
            every = max(1, round(HOLD / self.control_period))
            if (self._steps - 1) % every == 0:
                self._torque = np.asarray(self._rng.uniform(*self._robot.torque_limits.T))
        self.last_step = StepRecord(self._torque, self._torque, np.zeros_like(self._torque))
        return self._torque.copy()

    def _against(self, measurement: Measurement) -> FloatArray:
        """Full torque towards the obstacle, as far as joint sensors show where that is."""
        q = np.zeros(self._robot.n_joints)
        q[self._robot.actuated] = measurement.q
        jacobian = self._dynamics.jacobian(q)[:, self._robot.actuated]
        approach = -self._robot.obstacles[self._obstacle].normal @ jacobian
        lower, upper = self._robot.torque_limits.T
        return np.asarray(np.where(approach > 0.0, upper, lower))


class SignFlipped:
    """A controller whose corrective torque has the wrong sign."""

    def __init__(self, controller: Controller) -> None:
        """Take the controller."""
        self._controller = controller
        self.name, self.control_period = f"{controller.name}, sign flipped", controller.control_period
        self.last_step = controller.last_step

    @property
    def reference(self) -> FloatArray | None:
        """Joint reference of the controller (n,) [rad]; None if it has none."""
        return getattr(self._controller, "reference", None)

    def reset(self, task: Task) -> None:
        """Pass the task on."""
        self._controller.reset(task)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque (m,) [N m], its corrective part flipped."""
        self._controller.act(measurement)
        self.last_step = self._controller.last_step
        torque = self.last_step.compensation_torque - self.last_step.corrective_torque
        if isinstance(self._controller, ObservesApplied):
            self._controller.observe_applied(torque, -self.last_step.command)
        return np.asarray(torque)

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Pass on what was applied."""
        if isinstance(self._controller, ObservesApplied):
            self._controller.observe_applied(torque, command)
