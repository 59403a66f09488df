"""What the plants of a yaw joint that carries a planar chain have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.plants.measurement import Measurement
from ampc.plants.mujoco_plant import PlantSettings
from ampc.plants.signals import DelayLine, SensorNoise, describe_fault, limit_torque
from ampc.plants.varied_arm import VariedArm, hang_at_rest, model_variation
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation, Task


@dataclass(frozen=True)
class FlexiblePlantSettings(PlantSettings):
    """Rates of a flexible plant: those of the published arm."""

    control_period: float = 0.004
    """Time for which one torque is held [s]; a whole number of physics steps."""


class ChainPlant(ABC):
    """A yaw joint that carries a flexible or rigid chain, with torque limits, sensor noise and input delay.

    Joints without motors start at static equilibrium. Measured are positions and velocities of the joints
    with motors and the end-effector position, with noise from the task's seed alone: one draw per control
    step, the same for every controller. An input delay counts in whole physics steps.

    Attributes:
        robot: The nominal arm.
        settings: Rates.
        control_period: Time for which one torque is held [s].
        time: Time since the start of the task [s].
        q: True joint positions (n,) [rad].
        dq: True joint velocities (n,) [rad/s].
        end_effector: True end-effector position, world frame (3,) [m].
        points: True positions of the robot's obstacle points, end effector first, world frame (k, 3) [m].
        applied_torque: Torque accepted at the last step, after limits (m,) [N m]; acts one input delay later.
        torque_saturated: Whether the last torque was cut to the limits.
        torque_rejected: Whether the last torque was not finite and was replaced by zero as a whole.
        unstable: Whether the integration has failed in this task. The state then stays what it was before.
        fault: What of the last two is the case, in plain words; else empty.
    """

    applied_torque: FloatArray
    unstable: bool
    _input: DelayLine

    def __init__(self, robot: Robot, settings: PlantSettings | None = None) -> None:
        """Make the plant of an arm, at rest at its home.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain; the message says why.
        """
        self.robot = robot
        self.settings = settings or FlexiblePlantSettings()
        self.control_period = self.settings.control_period
        self._nominal = self._arm = VariedArm.make(robot, PlantVariation())
        self._load()
        self._restart(np.array(robot.home), PlantVariation(), seed=0)

    def reset(self, task: Task) -> Measurement:
        """Let the arm hang at rest at the task's start, in the task's plant.

        Args:
            task: The task; its start are the positions of the joints with motors (m,) [rad].

        Returns:
            The first measurement.

        Raises:
            TaskError: If the task has another number of joints, starts inside an obstacle, or its variation
                does not fit the robot.
        """
        variation = model_variation(task.variation)
        if variation != self._arm.variation:
            nominal = variation == self._nominal.variation
            self._arm = self._nominal if nominal else VariedArm.make(self.robot, variation)
            self._load()
        q = hang_at_rest(self._nominal, self._arm, [task])[0]
        self._restart(q, task.variation, task.seed)
        return self._measure()

    def step(self, torque: FloatArray) -> Measurement:
        """Hold a torque for one control period.

        Args:
            torque: Torque of the joints with motors (m,) [N m]; cut to the limits, zero if not finite.

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
            try:
                for acting, ticks in self._input.send(limited.applied, self.settings.substeps):
                    self._place(self._advance(self._state, acting, ticks))
            except SolverError:
                self.unstable = True
        self._steps += 1
        self.time = self._steps * self.control_period
        self.fault = describe_fault(self.torque_rejected, self.unstable)
        return self._measure()

    @abstractmethod
    def _load(self) -> None:
        """Prepare for another ``_arm``."""

    @abstractmethod
    def _forget(self) -> None:
        """Prepare for another task."""

    @abstractmethod
    def _advance(self, state: FloatArray, torque: FloatArray, ticks: int) -> FloatArray:
        """State (2n,) after physics steps under a torque (m,); raises SolverError where it cannot."""

    def _restart(self, q: FloatArray, variation: PlantVariation, seed: int) -> None:
        n_actuated = self.robot.n_actuated
        self._steps = 0
        self.time = 0.0
        self._input = DelayLine(n_actuated, round(variation.input_delay / self.settings.physics_step))
        self._noise = SensorNoise(variation, seed, n_actuated, end_effector=True)
        self.applied_torque = np.zeros(n_actuated)
        self.torque_saturated = self.torque_rejected = self.unstable = False
        self.fault = ""
        self._forget()
        self._place(np.concatenate([q, np.zeros_like(q)]))

    def _place(self, state: FloatArray) -> None:
        self.points = self._arm.chain.points(state)[0]
        self._state = state
        n = self.robot.n_joints
        self.q, self.dq = state[:n], state[n:]
        self.end_effector = self.points[0]

    def _measure(self) -> Measurement:
        actuated = self.robot.actuated
        m = len(actuated)
        noise = self._noise.draw()
        return Measurement(
            self.time,
            self.q[actuated] + noise[:m],
            self.dq[actuated] + noise[m : 2 * m],
            self.points[0] + noise[2 * m :],
        )
