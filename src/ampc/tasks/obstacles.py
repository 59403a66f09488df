"""Obstacles of a task's own, in place of the robot's, and the walls that are drawn for tasks."""

from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError, TaskError
from ampc.robots.robot import HalfSpace, Robot
from ampc.tasks.task import Task

_UPRIGHT = 1e-3
"""Largest vertical component of the normal of an obstacle that counts as a wall."""


@dataclass(frozen=True)
class WallSettings:
    """A wall that stands elsewhere in each task.

    It is upright, and drawn anew for each task by how far from the axis of joint 1 and in which direction it
    stands. What is drawn for joint 1 turns with it: a task whose wall has the robot's own distance is one
    with the robot's wall in a world that is turned about that axis.
    """

    distance: tuple[float, float]
    """Least and largest distance from the axis of joint 1 [m]."""
    direction: tuple[float, float] = (-pi / 2, -pi / 2)
    """Directions in which it stands, seen from that axis: first and last angle from world x about world z
    [rad]."""
    name: str = "wall"
    """Which of the robot's obstacles it takes the place of."""

    def __post_init__(self) -> None:
        for name in ("distance", "direction"):
            low, high = getattr(self, name)
            if not -np.inf < low <= high < np.inf:
                raise SettingsError(
                    f"walls.{name} has the range [{low}, {high}]; its ends must be in ascending order"
                )
        if self.distance[0] <= 0.0:
            raise SettingsError(
                f"walls.distance begins at {self.distance[0]} m; the axis of joint 1 is to stand free"
            )

    def replaced(self, robot: Robot) -> int:
        """Place among the robot's obstacles of the one that the wall replaces.

        Raises:
            SettingsError: The robot has no such obstacle, or it is no wall.
        """
        names = [obstacle.name for obstacle in robot.obstacles]
        if self.name not in names:
            raise SettingsError(
                f"walls.name is {self.name!r}; the obstacles of {robot.name!r} are: {', '.join(names) or '-'}"
            )
        place = names.index(self.name)
        if abs(robot.obstacles[place].normal[2]) > _UPRIGHT:
            raise SettingsError(f"walls.name: {self.name!r} of {robot.name!r} is not upright")
        return place

    def draw(self, generator: np.random.Generator, axis: FloatArray) -> HalfSpace:
        """A wall near a vertical axis through a point (3,) [m]."""
        distance, direction = (float(generator.uniform(*ends)) for ends in (self.distance, self.direction))
        towards = np.array([cos(direction), sin(direction), 0.0])
        return HalfSpace(self.name, -towards, axis + distance * towards)


def direction_of(wall: HalfSpace) -> float:
    """Direction in which a wall stands, from world x about world z [rad]."""
    return float(np.arctan2(-wall.normal[1], -wall.normal[0]))


def among(robot: Robot, task: Task) -> Robot:
    """The robot among the obstacles of a task; the same robot where the task has none of its own.

    Raises:
        TaskError: The task's obstacles are not, by number and names, those of the robot.
    """
    if task.obstacles is None:
        return robot
    given, own = ([obstacle.name for obstacle in each] for each in (task.obstacles, robot.obstacles))
    if given != own:
        raise TaskError(
            f"task {task.index} has {len(given)} obstacles ({', '.join(given) or '-'}), robot {robot.name!r} "
            f"has {len(own)} ({', '.join(own) or '-'}); a task may place each of the robot's obstacles "
            "elsewhere, but policies and datasets have room for these alone"
        )
    return replace(robot, obstacles=task.obstacles)


def obstacles_to_plain(task: Task) -> list[dict[str, Any]] | None:
    """A task's own obstacles as plain values; None where it has the robot's."""
    if task.obstacles is None:
        return None
    return [
        {"name": each.name, "normal": [*map(float, each.normal)], "point": [*map(float, each.point)]}
        for each in task.obstacles
    ]


def obstacles_from_plain(values: list[dict[str, Any]] | None) -> tuple[HalfSpace, ...] | None:
    """What `obstacles_to_plain` was given."""
    if values is None:
        return None
    return tuple(
        HalfSpace(each["name"], *(np.array(each[name], dtype=np.float64) for name in ("normal", "point")))
        for each in values
    )
