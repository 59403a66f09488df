"""Controllers that do harm, to test what protects an arm from them."""

from typing import Literal, get_args

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, ObservesApplied, StepRecord
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task

Hostility = Literal["random", "bang-bang", "saturated", "obstacles", "untrained", "nan", "frozen", "raises"]
HOSTILITIES: tuple[Hostility, ...] = get_args(Hostility)

HOLD = 0.04
"""Time for which a random torque is held [s]."""
FREEZE = 0.2
"""Time after which the frozen controller repeats its torque [s]."""
HIDDEN = 32
"""Neurons of the untrained network's hidden layer."""


class HostileController:
    """Proposes the worst that it can.

    - ``random``: torques uniform within the limits, each held for `HOLD`;
    - ``bang-bang``: every torque at its lower or upper limit, drawn anew after `HOLD`;
    - ``saturated``: every torque at one of its limits for ever;
    - ``obstacles``: full torque in the direction in which the end effector gets nearest to an obstacle, the
      obstacle drawn at random for each task;
    - ``untrained``: a network with random weights, drawn for each task, of joint positions, velocities and
      the goal;
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
        self.control_period, self._kind = control_period, kind
        self._alone, self._robot = robot, robot
        self._dynamics = RobotDynamics(robot)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self._begin(0, np.zeros(3))

    def _begin(self, seed: int, goal: FloatArray) -> None:
        self._goal = np.asarray(goal, dtype=np.float64)
        self._rng = np.random.default_rng([seed, HOSTILITIES.index(self._kind)])
        self._obstacle = int(self._rng.integers(max(1, len(self._robot.obstacles))))
        self._steps = 0
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)
        seen = 2 * self._robot.n_actuated + len(self._goal)
        self._layers = (
            self._rng.normal(0.0, 1.0 / np.sqrt(seen), (HIDDEN, seen)),
            self._rng.normal(0.0, 2.0 / np.sqrt(HIDDEN), (self._robot.n_actuated, HIDDEN)),
        )

    def reset(self, task: Task) -> None:
        """Draw anew, from the task's seed; obstacles are the task's, if it has its own."""
        self._robot = among(self._alone, task)
        self._begin(task.seed, task.goal)

    def act(self, measurement: Measurement) -> FloatArray:
        """The torque (m,) [N m]."""
        time, first = self._steps * self.control_period, self._steps == 0
        self._steps += 1
        again = (self._steps - 1) % max(1, round(HOLD / self.control_period)) == 0
        lower, upper = self._robot.torque_limits.T
        match self._kind:
            case "raises":
                raise RuntimeError("no torque")
            case "nan":
                self._torque = np.full_like(self._torque, np.nan)
            case "obstacles":
                self._torque = self._against(measurement)
            case "untrained":
                self._torque = self._network(measurement)
            case "bang-bang" | "saturated" if first or (again and self._kind == "bang-bang"):
                self._torque = np.where(self._rng.random(len(lower)) < 0.5, lower, upper)
            case "random" | "frozen" if again and (self._kind == "random" or time < FREEZE):
                self._torque = np.asarray(self._rng.uniform(lower, upper))
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

    def _network(self, measurement: Measurement) -> FloatArray:
        hidden, out = self._layers
        seen = np.concatenate([measurement.q, measurement.dq, self._goal])
        lower, upper = self._robot.torque_limits.T
        share = np.tanh(out @ np.tanh(hidden @ np.nan_to_num(seen)))
        return np.asarray(0.5 * (upper + lower) + 0.5 * (upper - lower) * share)


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
