"""What the environments of single arms have in common."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.environments.observation import Observation
from ampc.environments.score import Score, ScoreSettings, TrueMotion
from ampc.plants import Measurement
from ampc.robots import HalfSpace, Robot
from ampc.tasks import Task

Action = NDArray[np.float32]

LARGEST_TASK_SEED = 2**31
"""Each episode's task is drawn with a seed below this, from the environment's own generator."""

_ONLY = np.zeros(1, dtype=np.int64)


class _Plant(Protocol):
    control_period: float
    dq: FloatArray
    applied_torque: FloatArray
    unstable: bool

    def reset(self, task: Task) -> Measurement: ...
    def step(self, torque: FloatArray) -> Measurement: ...


class ReachingEnv(gymnasium.Env[FloatArray, Action], ABC):
    """One arm that has to bring its end effector to a goal and keep it there.

    The reward of a step is minus the true distance of the end effector from the goal [m], less a penalty
    where an obstacle is violated. Episodes do not terminate; they are truncated by the time limit that
    `gymnasium.make` adds, or when the simulation fails. ``reset(options={"task": task})`` runs a given task.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own attribute

    def __init__(self, robot: Robot, plant: _Plant, score: ScoreSettings) -> None:
        self.robot = robot
        self.metadata = {**type(self).metadata, "render_fps": round(1.0 / plant.control_period)}
        self._plant = plant
        self._observation = Observation(robot)
        self._score = Score(robot, 1, plant.control_period, score)
        self.observation_space = self._observation.space
        self.action_space = Box(-1.0, 1.0, (robot.n_actuated,), np.float32)
        self._seen: FloatArray = np.zeros(self._observation.size)
        self._surroundings: FloatArray = np.zeros(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start the next episode, with a task from the environment's generator or ``options["task"]``.

        Raises:
            TaskError: The given task is not for this arm.
        """
        super().reset(seed=seed)
        task = (options or {}).get("task")
        if task is None:
            task = self._draw(int(self.np_random.integers(LARGEST_TASK_SEED)))
        self._goal, self._obstacles = task.goal[None], task.obstacles
        self._measurement = self._plant.reset(task)
        self._surroundings = self._observation.surroundings(task)
        info = self._score.begin(_ONLY, [task], self._motion())
        return self._look(), _of_one_arm(info)

    def step(self, action: Action) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Hold an action (m,) for one control period."""
        self._measurement = self._plant.step(self._torque(np.asarray(action, dtype=np.float64)))
        reward, info = self._score.step(_ONLY, self._goal, self._motion())
        return self._look(), float(reward[0]), False, self._plant.unstable, _of_one_arm(info)

    @property
    def measurement(self) -> Measurement:
        """What the sensors said last."""
        return self._measurement

    @property
    def goal(self) -> FloatArray:
        """Where the end effector has to go (3,) [m]."""
        return np.asarray(self._goal[0])

    @property
    def obstacles(self) -> tuple[HalfSpace, ...] | None:
        """The task's own obstacles; None where they are the robot's."""
        return self._obstacles

    @abstractmethod
    def _draw(self, seed: int) -> Task:
        """A task."""

    @abstractmethod
    def _torque(self, action: FloatArray) -> FloatArray:
        """Torque (m,) [N m] of an action (m,)."""

    @abstractmethod
    def _points(self) -> FloatArray:
        """True positions of the obstacle points (k, 3) [m]."""

    @abstractmethod
    def _seen_end_effector(self) -> FloatArray:
        """End effector as the sensors have it (3,) [m]."""

    def _look(self) -> FloatArray:
        measured = self._measurement
        if not self._plant.unstable:
            self._seen = self._observation.assemble(
                measured.q, measured.dq, self._seen_end_effector(), self._goal[0], self._surroundings
            )
        return self._seen.copy()

    def _motion(self) -> TrueMotion:
        plant = self._plant
        return TrueMotion(
            self._points()[None],
            plant.dq[None],
            plant.applied_torque[None],
            np.array([plant.unstable]),
        )


def _of_one_arm(info: dict[str, Any]) -> dict[str, Any]:
    return {name: values[0].item() for name, values in info.items()}
