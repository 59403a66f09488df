"""Goals that a user names: the task of reaching one, and what is to be said about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import TaskError, UnreachableGoalError
from ampc.robots.inverse_kinematics import IKSolution, InverseKinematics
from ampc.robots.robot import Robot
from ampc.tasks.task import Task

_DEGREES = 180.0 / np.pi


def task_for_goal(robot: Robot, goal: FloatArray, start: FloatArray | None = None, seed: int = 0) -> Task:
    """The task of reaching one goal on the nominal plant.

    Args:
        robot: The arm.
        goal: End-effector goal, world frame (3,) [m].
        start: Joint positions at the start (n,) [rad]; home where left out.
        seed: Seed of the plant's measurement noise.

    Raises:
        UnreachableGoalError: No configuration within the joint limits reaches the goal.
        TaskError: The goal or start is not finite or of the wrong size, the start lies outside the limits,
            or start or goal lies inside an obstacle.
    """
    solver = InverseKinematics(robot)
    solution = solver.solve(goal)
    start = robot.home if start is None else np.asarray(start, dtype=np.float64)
    if start.shape != (robot.n_joints,):
        raise TaskError(f"start has shape {start.shape}, expected ({robot.n_joints},) in radians")
    outside = (start < robot.position_limits[:, 0]) | (start > robot.position_limits[:, 1])
    if outside.any():
        worst = int(outside.argmax())
        raise TaskError(
            f"start puts joint {robot.joint_names[worst]!r} at {start[worst]:.4g} rad, outside its limits "
            f"{robot.position_limits[worst].tolist()}"
        )
    goal = np.asarray(goal, dtype=np.float64).reshape(3)
    for what, position in (("start", solver.position(start)), ("goal", goal)):
        for obstacle in robot.obstacles:
            if obstacle.distance(position) < 0.0:
                raise TaskError(
                    f"the {what} lies {-obstacle.distance(position):.4g} m inside {obstacle.name!r}"
                )
    return Task(index=0, region="user", start=start, goal=goal, witness=solution.q, seed=seed)


@dataclass(frozen=True, eq=False)
class GoalCheck:
    """What is to be said about one goal."""

    goal: FloatArray
    """The goal, world frame (3,) [m]."""
    reachable: bool
    """Whether some configuration within the joint limits reaches it and no obstacle contains it."""
    distance: float
    """Distance from the goal to the nearest position that was reached [m]."""
    solution: IKSolution | None
    """The canonical solution, if there is any."""
    message: str
    """All of it in plain words."""


def check_goals(robot: Robot, goals: Sequence[FloatArray]) -> list[GoalCheck]:
    """Whether the arm reaches each goal, in which configuration, and how near to its limits.

    Raises:
        TaskError: A goal is not three finite numbers.
    """
    solver = InverseKinematics(robot)
    return [_check(robot, solver, np.asarray(goal, dtype=np.float64)) for goal in goals]


def _check(robot: Robot, solver: InverseKinematics, goal: FloatArray) -> GoalCheck:
    try:
        solution = solver.solve(goal)
    except UnreachableGoalError as error:
        return GoalCheck(goal, False, error.distance, None, str(error))
    place = "goal ({:.4f}, {:.4f}, {:.4f}) m".format(*goal)
    angles = ", ".join(
        f"{name} {angle * _DEGREES:.1f}°" for name, angle in zip(robot.joint_names, solution.q, strict=True)
    )
    margin = float(solver.margin(solution.q))
    limits = (
        f"{margin * _DEGREES:.1f}° from the nearest joint limit" if np.isfinite(margin) else "no joint limits"
    )
    others = len(solution.alternatives)
    branches = "no other configuration was found" if not others else f"nearest to home of {others + 1} found"
    message = f"{place} is reachable at {angles} ({branches}; {limits})"
    blocking = [obstacle.name for obstacle in robot.obstacles if obstacle.distance(goal) < 0.0]
    if blocking:
        message = f"{place} lies inside obstacle {blocking[0]!r}, though joints could reach it"
    return GoalCheck(goal, not blocking, solution.error, solution, message)
