"""What an agent sees: what the arm's sensors say, where it has to go, and what is in the way."""

import numpy as np
from gymnasium.spaces import Box

from ampc.arrays import FloatArray
from ampc.robots import KinematicChain, Robot
from ampc.robots.inverse_kinematics import arm_length
from ampc.tasks import Task, among

_MOST_TURNS = 4
_BEYOND_POSITION_LIMIT = 1.0
_TIMES_SPEED_LIMIT = 10.0
_UNLIMITED_SPEED = 100.0
_TIMES_ARM_LENGTH = 1.5


class Observation:
    """Joint positions, joint velocities, end effector, goal, and normal and point of every obstacle.

    Sensors have a range: readings beyond the bounds of the space stand at the bounds.

    Attributes:
        space: The observation space of one arm.
        size: Its number of entries.
    """

    def __init__(self, robot: Robot) -> None:
        """Lay out the observation of a robot."""
        joints = robot.actuated
        limits, speed = robot.position_limits[joints], robot.velocity_limits[joints]
        turns = 2.0 * np.pi * _MOST_TURNS
        low = np.where(np.isfinite(limits[:, 0]), limits[:, 0] - _BEYOND_POSITION_LIMIT, -turns)
        high = np.where(np.isfinite(limits[:, 1]), limits[:, 1] + _BEYOND_POSITION_LIMIT, turns)
        fastest = np.where(np.isfinite(speed), _TIMES_SPEED_LIMIT * speed, _UNLIMITED_SPEED)
        farthest = np.full(3, _TIMES_ARM_LENGTH * arm_length(KinematicChain.from_robot(robot)))
        self._robot = robot
        obstacle_bounds = [
            part for o in robot.obstacles for part in (np.ones(3), np.maximum(farthest, np.abs(o.point)))
        ]
        upper = np.concatenate([high, fastest, farthest, farthest, *obstacle_bounds])
        lower = np.concatenate([low, -upper[len(high) :]])
        self.space = Box(lower, upper, dtype=np.float64)
        self.size = upper.size

    def surroundings(self, task: Task) -> FloatArray:
        """Normals and points of the obstacles in a task (6 k,).

        Raises:
            TaskError: The task's obstacles are not those of the robot by number and names.
        """
        obstacles = among(self._robot, task).obstacles
        return np.concatenate([np.zeros(0), *(part for o in obstacles for part in (o.normal, o.point))])

    def assemble(
        self,
        q: FloatArray,
        dq: FloatArray,
        end_effector: FloatArray,
        goal: FloatArray,
        surroundings: FloatArray,
    ) -> FloatArray:
        """Observations (..., size).

        Args:
            q: Measured joint positions (..., m).
            dq: Measured joint velocities (..., m).
            end_effector: Measured (..., 3).
            goal: Of the end effector (..., 3).
            surroundings: Of the task, see `surroundings` (..., 6 k).
        """
        seen = np.concatenate([q, dq, end_effector, goal, surroundings], axis=-1)
        return np.asarray(np.clip(seen, self.space.low, self.space.high))
