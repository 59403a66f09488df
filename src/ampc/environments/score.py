"""What a step was worth: distance to the goal, violations, success; for one arm or many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SettingsError
from ampc.robots import HalfSpace, Robot
from ampc.tasks import Task, among

Info = dict[str, NDArray[Any]]
"""What happened to b arms: each quantity by its name (b,)."""


@dataclass(frozen=True)
class ScoreSettings:
    """What counts as success, and what a violation costs."""

    violation_penalty: float = 0.0
    """Cost of every control step in which an obstacle point is inside an obstacle [m of distance]."""
    success_tolerance: float = 0.01
    """End-effector error that counts as being at the goal [m]."""
    success_window: float = 0.3
    """Time for which the end effector has to stay there, both ends included [s]."""

    def __post_init__(self) -> None:
        for name in ("violation_penalty", "success_tolerance", "success_window"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise SettingsError(f"{name} is {value}; it must be finite and not negative")


@dataclass(frozen=True)
class TrueMotion:
    """What really happened to b arms in a control step."""

    points: FloatArray
    """Obstacle points, end effector first (b, k, 3) [m]."""
    dq: FloatArray
    """Velocities of all joints (b, n) [rad/s]."""
    applied_torque: FloatArray
    """Torques after limits (b, m) [N m]."""
    unstable: BoolArray
    """Whether the simulation failed (b,)."""


class Score:
    """Rewards and infos of B arms, from their true states."""

    def __init__(self, robot: Robot, count: int, control_period: float, settings: ScoreSettings) -> None:
        """Keep the score of ``count`` arms."""
        self._robot, self._settings = robot, settings
        self._steps_at_goal = np.zeros(count, dtype=np.int64)
        self._steps_wanted = round(settings.success_window / control_period) + 1
        self._distance: FloatArray = np.zeros(count)
        self._elsewhere: dict[int, tuple[HalfSpace, ...]] = {}
        """Obstacles of the arms whose tasks have their own."""

    def begin(self, rows: IntArray, tasks: Sequence[Task], motion: TrueMotion) -> Info:
        """Info of arms (b,) at the start of tasks (b,).

        Raises:
            TaskError: The obstacles of a task are not those of the robot by number and names.
        """
        self._steps_at_goal[rows] = 0
        for row, task in zip(rows.tolist(), tasks, strict=True):
            self._elsewhere.pop(row, None)
            if task.obstacles is not None:
                self._elsewhere[row] = among(self._robot, task).obstacles
        return self._judge(rows, np.array([task.goal for task in tasks]).reshape(-1, 3), motion)

    def step(self, rows: IntArray, goals: FloatArray, motion: TrueMotion) -> tuple[FloatArray, Info]:
        """Rewards (b,) and infos, each (b,), of arms (b,) after a control step."""
        info = self._judge(rows, goals, motion)
        reward: FloatArray = -info["distance"] - self._settings.violation_penalty * info["violation"]
        return reward, info

    def _judge(self, rows: IntArray, goals: FloatArray, motion: TrueMotion) -> Info:
        robot = self._robot
        distance = np.linalg.norm(motion.points[:, 0] - goals, axis=-1)
        # A simulation that has failed may have left a state that is not finite: the arm is where it was.
        distance = np.where(np.isfinite(distance), distance, self._distance[rows])
        self._distance[rows] = distance
        at_goal = distance < self._settings.success_tolerance
        self._steps_at_goal[rows] = np.where(at_goal, self._steps_at_goal[rows] + 1, 0)
        lower, upper = robot.torque_limits.T
        torque = motion.applied_torque
        info: Info = {
            "distance": distance,
            "success": self._steps_at_goal[rows] >= self._steps_wanted,
            "violation": np.zeros(len(rows), dtype=np.bool_),
            "overspeed": np.any(np.abs(motion.dq) > robot.velocity_limits, axis=-1),
            "torque_at_limit": np.any((torque <= lower) | (torque >= upper), axis=-1),
            "failed": motion.unstable.copy(),
        }
        for place, obstacle in enumerate(robot.obstacles):
            inside = self._inside(place, rows, motion.points)
            for point, name in enumerate(robot.obstacle_points):
                info[f"violation/{name}/{obstacle.name}"] = inside[:, point]
            info["violation"] = info["violation"] | inside.any(axis=-1)
        return info

    def _inside(self, place: int, rows: IntArray, points: FloatArray) -> BoolArray:
        """Which points (b, k, 3) of arms (b,) are inside the robot's obstacle of that place (b, k)."""
        inside: BoolArray = self._robot.obstacles[place].distance(points) < 0.0
        for i, row in enumerate(rows.tolist()):
            if row in self._elsewhere:
                inside[i] = self._elsewhere[row][place].distance(points[i]) < 0.0
        return inside
