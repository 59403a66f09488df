"""What all simulated arms have in common: limits, delay and noise between a controller and the physics."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.plants.signals import DelayLine, SensorNoise, describe_fault, limit_torque
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation, Task


@dataclass(frozen=True)
class PlantSettings:
    """Rates of the simulated plant."""

    physics_step: float = 0.001
    """Time step of the simulation [s]; replaces the model's own."""
    control_period: float = 0.05
    """Time for which one torque is held [s]; a whole number of physics steps."""

    def __post_init__(self) -> None:
        for name in ("physics_step", "control_period"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise SettingsError(f"plant.{name} is {value}; it must be a positive time in seconds")
        ratio = self.control_period / self.physics_step
        if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6 * ratio:
            raise SettingsError(
                f"plant.control_period {self.control_period} s is not a whole number of physics steps of "
                f"{self.physics_step} s; {max(1, round(ratio)) * self.physics_step:.9g} s would be"
            )

    @property
    def substeps(self) -> int:
        """Physics steps per control period."""
        return round(self.control_period / self.physics_step)


class SimulatedPlant(ABC):
    """An arm with torque limits, sensor noise and input delay, whatever simulates it.

    The torque is held over the control period. Sensor noise is drawn from the task's seed alone, one draw per
    control step, so that every controller meets the same sequence. An input delay counts in whole physics
    steps; until the first torque arrives, none acts.

    Attributes:
        robot: The nominal arm.
        settings: Rates.
        control_period: Time for which one torque is held [s].
        time: Time since the start of the task [s].
        q: True joint positions (n,) [rad].
        dq: True joint velocities (n,) [rad/s].
        end_effector: True end-effector position, world frame (3,) [m].
        applied_torque: Torque accepted at the last step, after limits (m,) [N m]; acts one input delay later.
        torque_saturated: Whether the last torque was cut to the limits.
        torque_rejected: Whether the last torque was not finite and was replaced by zero as a whole.
        unstable: Whether the simulation has failed in this task. The arm then stands still.
        fault: What of the last two is the case, in plain words; else empty.
    """

    q: FloatArray
    dq: FloatArray
    end_effector: FloatArray
    applied_torque: FloatArray
    torque_saturated: bool
    torque_rejected: bool
    unstable: bool
    _input: DelayLine

    def __init__(self, robot: Robot, settings: PlantSettings, senses_end_effector: bool) -> None:
        """Take the arm, the rates, and whether measurements hold the end effector."""
        self.robot = robot
        self.settings = settings
        self.control_period = settings.control_period
        self._senses_end_effector = senses_end_effector
        self._clear_signals(PlantVariation(), seed=0)

    @abstractmethod
    def reset(self, task: Task) -> Measurement:
        """Put the arm at rest at the task's start, in the task's plant; the first measurement.

        The task's witness is not read.
        """

    def step(self, torque: FloatArray) -> Measurement:
        """Hold a torque for one control period.

        Args:
            torque: Torque of the actuated joints (m,) [N m]; cut to the limits, zero if not finite.

        Returns:
            The measurement at the end of the control period.

        Raises:
            ValueError: If the torque has another shape: an error of the program, not of a controller.
        """
        if np.shape(torque) != self.applied_torque.shape:
            raise ValueError(f"torque has shape {np.shape(torque)}, expected {self.applied_torque.shape}")
        limited = limit_torque(torque, self.robot.torque_limits)
        self.applied_torque = limited.applied
        self.torque_saturated, self.torque_rejected = bool(limited.saturated), bool(limited.rejected)
        if not self.unstable:
            self._simulate(self._input.send(self.applied_torque, self.settings.substeps))
        self._steps += 1
        self.time = self._steps * self.control_period
        self.fault = describe_fault(self.torque_rejected, self.unstable)
        return self._measure()

    @abstractmethod
    def _simulate(self, torques: Iterator[tuple[FloatArray, int]]) -> None:
        """Apply torques (m,) [N m], each for its number of physics steps; set the state and `unstable`."""

    def _clear_signals(self, variation: PlantVariation, seed: int) -> None:
        """Begin a task: nothing was sent, nothing has gone wrong, and the noise starts over."""
        n_actuated = self.robot.n_actuated
        self._steps = 0
        self.time = 0.0
        self._input = DelayLine(n_actuated, round(variation.input_delay / self.settings.physics_step))
        self._noise = SensorNoise(variation, seed, n_actuated, self._senses_end_effector)
        self.applied_torque = np.zeros(n_actuated)
        self.torque_saturated = self.torque_rejected = self.unstable = False
        self.fault = ""

    def _measure(self) -> Measurement:
        actuated, m = self.robot.actuated, self.robot.n_actuated
        noise = self._noise.draw()
        q, dq = self.q[actuated] + noise[:m], self.dq[actuated] + noise[m : 2 * m]
        end_effector = self.end_effector + noise[2 * m :] if self._senses_end_effector else None
        return Measurement(self.time, q, dq, end_effector)
