"""Many rigid arms, each with the inverse kinematics and the torque law of deployed policies."""

from collections.abc import Sequence

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.environments.loops import Views
from ampc.environments.score import TrueMotion
from ampc.episodes.setup import EpisodeSetup
from ampc.plants import MujocoPlant
from ampc.plants.measurement import Measurement
from ampc.tasks import Task


class _Told:
    """A feedback law that says what it is told to."""

    name, needs_reference, saturated = "agent", True, False

    def __init__(self, limit: FloatArray) -> None:
        self.command_limit = limit
        self.next: FloatArray = np.zeros(len(limit))

    def reset(self, reference: Reference) -> None:
        self.next = np.zeros_like(self.next)

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        return self.next


class RigidLoops:
    """`ManyLoops` of arms with a motor at every joint, one after the other."""

    def __init__(self, setup: EpisodeSetup, count: int) -> None:
        """Build plants and controllers.

        Args:
            setup: Robot, plant, torque law and inverse kinematics; its feedback law is not built.
            count: Number of arms.

        Raises:
            AmpcError: If the parts do not fit together.
        """
        self.count, self.control_period = count, setup.plant.control_period
        self.robot = setup.build_robot()
        limit = np.full(self.robot.n_actuated, setup.controller.command_limit)
        self._plants = [MujocoPlant(self.robot, setup.plant) for _ in range(count)]
        self._laws = [_Told(limit) for _ in range(count)]
        self._controllers = [setup.build_learner(law) for law in self._laws]
        self._goals: FloatArray = np.zeros((count, 3))
        self._measured: list[Measurement] = []

    def begin(self, tasks: Sequence[Task]) -> Views:
        """Start a task on every arm."""
        self._goals[:] = [task.goal for task in tasks]
        for controller, task in zip(self._controllers, tasks, strict=True):
            controller.reset(task)
        self._measured = [plant.reset(task) for plant, task in zip(self._plants, tasks, strict=True)]
        return self._views()

    def step(self, commands: FloatArray) -> Views:
        """Let commands (B, m), such as joint accelerations [rad/s^2], act for one control period."""
        for row, command in enumerate(commands):
            self._laws[row].next = command
            torque = self._controllers[row].act(self._measured[row])
            self._measured[row] = self._plants[row].step(torque)
        return self._views()

    def motion(self) -> TrueMotion:
        """What has really happened in it."""
        plants = self._plants
        return TrueMotion(
            np.array([plant.end_effector[None] for plant in plants]),
            np.array([plant.dq for plant in plants]),
            np.array([plant.applied_torque for plant in plants]),
            np.array([plant.unstable for plant in plants]),
        )

    def close(self) -> None:
        """Nothing is held."""

    def _views(self) -> Views:
        states = np.array([np.concatenate([each.q, each.dq]) for each in self._measured])
        references = np.zeros((self.count, self.robot.n_joints))
        for row, controller in enumerate(self._controllers):
            if controller.reference is not None:
                references[row] = controller.reference
        return Views(states, references, self._goals.copy())
