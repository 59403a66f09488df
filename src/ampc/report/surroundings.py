"""Where a task has a wall of its own: the arm's picture with the wall there."""

import copy
from dataclasses import replace

import mujoco
import numpy as np

from ampc.robots.robot import Robot
from ampc.tasks.obstacles import among, direction_of
from ampc.tasks.task import Task


def drawn_among(robot: Robot, task: Task) -> Robot:
    """A robot to draw: upright obstacles stand where the task has them, in its model too.

    The model has a geometry of the obstacle's name; it is turned about world z and moved along its normal.

    Raises:
        TaskError: The task's obstacles are not, by number and names, those of the robot.
    """
    if task.obstacles is None:
        return robot
    moved, model = among(robot, task), copy.copy(robot.model)
    for before, after in zip(robot.obstacles, moved.obstacles, strict=True):
        if np.allclose([before.normal, before.point], [after.normal, after.point]):
            continue
        geometry = model.geom(after.name)
        turn, quaternion, position = np.zeros(4), np.zeros(4), np.zeros(3)
        mujoco.mju_axisAngle2Quat(turn, np.array([0.0, 0.0, 1.0]), direction_of(after) - direction_of(before))
        mujoco.mju_rotVecQuat(position, geometry.pos, turn)
        mujoco.mju_mulQuat(quaternion, turn, geometry.quat)
        depth = before.normal @ (geometry.pos - before.point)
        geometry.pos[:] = position + (depth - after.normal @ (position - after.point)) * after.normal
        geometry.quat[:] = quaternion
    return replace(moved, model=model)
