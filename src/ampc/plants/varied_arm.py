"""The arm of one task's plant as the numerical core has it, and how it hangs at the task's start."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.statics import rest_shapes
from ampc.errors import SolverError, TaskError
from ampc.plants.variation import vary
from ampc.robots.robot import Robot
from ampc.tasks.obstacles import among
from ampc.tasks.task import PlantVariation, Task

_TOUCHING = 1e-9

PUBLISHED_NOISE = PlantVariation(position_noise=1.7e-3, velocity_noise=45e-3, end_effector_noise=10e-3)
"""Sensors of the published flexible arm: 1.7 mrad, 45 mrad/s, 10 mm."""


@dataclass(frozen=True, eq=False)
class VariedArm:
    """A yaw joint that carries a planar chain, with a task's variation applied."""

    robot: Robot
    """The arm with the varied model."""
    variation: PlantVariation
    """What was varied of the model."""
    chain: YawChain
    """Its dynamics and statics."""

    @classmethod
    def make(cls, robot: Robot, variation: PlantVariation) -> "VariedArm":
        """Apply a variation to a nominal arm.

        Raises:
            TaskError: The variation does not fit the robot.
            RobotError: The robot is not a yaw joint that carries a planar chain.
        """
        variation = model_variation(variation)
        varied = replace(robot, model=vary(robot, variation))
        return cls(varied, variation, YawChain.from_robot(varied))


def model_variation(variation: PlantVariation) -> PlantVariation:
    """The part of a variation that changes the model, so that it tells whose models are the same."""
    return replace(variation, position_noise=0.0, velocity_noise=0.0, end_effector_noise=0.0, input_delay=0.0)


def hang_at_rest(nominal: VariedArm, varied: VariedArm, tasks: Sequence[Task]) -> FloatArray:
    """Joint positions at rest with the motors at the tasks' starts, in a varied arm (B, n) [rad].

    A start is refused where the nominal arm would rest inside an obstacle of its task. A softer one may sag
    into it: that is then a violation of this plant, not an error of the task.

    Raises:
        TaskError: A start has another number of joints or is in violation, the obstacles of a task are not
            those of the robot by number and names, or the arm is too soft to rest.
    """
    robot = nominal.robot
    for task in tasks:
        if np.shape(task.start) != (robot.n_actuated,):
            raise TaskError(
                f"task {task.index} starts with {np.size(task.start)} joints; robot '{robot.name}' has "
                f"{robot.n_actuated} with motors"
            )
    starts = np.array([task.start for task in tasks])
    try:
        at_rest = rest_shapes(nominal.chain, starts)
        _refuse_violations(nominal, tasks, at_rest)
        return at_rest if varied is nominal else rest_shapes(varied.chain, starts)
    except SolverError as error:
        raise TaskError(f"tasks {tasks[0].index} to {tasks[-1].index} cannot start: {error}") from error


def _refuse_violations(arm: VariedArm, tasks: Sequence[Task], q: FloatArray) -> None:
    points = np.array([arm.chain.points(np.concatenate([row, np.zeros_like(row)]))[0] for row in q])
    for task, own in zip(tasks, points, strict=True):
        for obstacle in among(arm.robot, task).obstacles:
            distance = obstacle.distance(own)
            if distance.min() < -_TOUCHING:
                point = int(distance.argmin())
                raise TaskError(
                    f"task {task.index} starts with {arm.robot.obstacle_points[point]} "
                    f"{-distance[point]:.4g} m inside {obstacle.name!r}; start in free space"
                )
