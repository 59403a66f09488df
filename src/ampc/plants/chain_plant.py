"""What the plants of a yaw joint that carries a planar chain have in common."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.plants.measurement import Measurement
from ampc.plants.simulated_plant import PlantSettings, SimulatedPlant
from ampc.plants.varied_arm import VariedArm, hang_at_rest, model_variation
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation, Task


@dataclass(frozen=True)
class FlexiblePlantSettings(PlantSettings):
    """Rates of a flexible plant: those of the published arm."""

    control_period: float = 0.004
    """Time for which one torque is held [s]; a whole number of physics steps."""


class ChainPlant(SimulatedPlant):
    """A yaw joint that carries a flexible or rigid chain.

    Joints without motors start at static equilibrium; the end effector is measured as well. Where the
    integration fails, the state stays what it was before.

    Attributes:
        points: True positions of the robot's obstacle points, end effector first, world frame (k, 3) [m].
    """

    def __init__(self, robot: Robot, settings: PlantSettings | None = None) -> None:
        """Make the plant of an arm, at rest at its home.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain; the message says why.
        """
        super().__init__(robot, settings or FlexiblePlantSettings(), senses_end_effector=True)
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

    @abstractmethod
    def _load(self) -> None:
        """Prepare for another ``_arm``."""

    @abstractmethod
    def _forget(self) -> None:
        """Prepare for another task."""

    @abstractmethod
    def _advance(self, state: FloatArray, torque: FloatArray, ticks: int) -> FloatArray:
        """State (2n,) after physics steps under a torque (m,); raises SolverError where it cannot."""

    def _simulate(self, torques: Iterator[tuple[FloatArray, int]]) -> None:
        try:
            for torque, ticks in torques:
                self._place(self._advance(self._state, torque, ticks))
        except SolverError:
            self.unstable = True

    def _restart(self, q: FloatArray, variation: PlantVariation, seed: int) -> None:
        self._clear_signals(variation, seed)
        self._forget()
        self._place(np.concatenate([q, np.zeros_like(q)]))

    def _place(self, state: FloatArray) -> None:
        self.points = self._arm.chain.points(state)[0]
        self._state = state
        n = self.robot.n_joints
        self.q, self.dq = state[:n], state[n:]
        self.end_effector = self.points[0]
