"""What a step was worth: distance to the goal, violations, success; for one arm or many."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SettingsError
from ampc.robots import Robot

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

    def begin(self, rows: IntArray, goals: FloatArray, motion: TrueMotion) -> Info:
        """Info of arms (b,) at the start of episodes with goals (b, 3) [m]."""
        self._steps_at_goal[rows] = 0
        return self._judge(rows, goals, motion)

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
        for obstacle in robot.obstacles:
            inside = obstacle.distance(motion.points) < 0.0
            for point, name in enumerate(robot.obstacle_points):
                info[f"violation/{name}/{obstacle.name}"] = inside[:, point]
            info["violation"] = info["violation"] | inside.any(axis=-1)
        return info
