"""Goals that a user names: the task of reaching one, and what is to be said about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.statics import StaticEquilibrium
from ampc.errors import TaskError, UnreachableGoalError
from ampc.robots.dynamics import RobotDynamics
from ampc.robots.inverse_kinematics import InverseKinematics
from ampc.robots.rest import find_rest
from ampc.robots.robot import Robot
from ampc.tasks.task import Task

_DEGREES = 180.0 / np.pi


def task_for_goal(robot: Robot, goal: FloatArray, start: FloatArray | None = None, seed: int = 0) -> Task:
    """The task of reaching one goal on the nominal plant.

    Args:
        robot: The arm.
        goal: End-effector goal, world frame (3,) [m].
        start: Positions of the joints with motors at the start (m,) [rad]; home where left out.
        seed: Seed of the plant's measurement noise.

    Raises:
        UnreachableGoalError: No configuration within the limits reaches the goal; for an arm with flexible
            links, none at rest and clear of the obstacles.
        TaskError: The goal or start is not finite or of the wrong size, the start lies outside the limits,
            or start or goal lies inside an obstacle.
    """
    if robot.passive.size:
        witness = StaticEquilibrium(robot).solve(goal)[0].q
    else:
        witness = InverseKinematics(robot).solve(goal).q
    limits = robot.position_limits[robot.actuated]
    start = robot.home[robot.actuated] if start is None else np.asarray(start, dtype=np.float64)
    if start.shape != (robot.n_actuated,):
        raise TaskError(f"start has shape {start.shape}, expected ({robot.n_actuated},) in radians")
    outside = (start < limits[:, 0]) | (start > limits[:, 1])
    if outside.any():
        worst = int(outside.argmax())
        raise TaskError(
            f"start puts joint {robot.joint_names[robot.actuated[worst]]!r} at {start[worst]:.4g} rad, "
            f"outside its limits {limits[worst].tolist()}"
        )
    goal = np.asarray(goal, dtype=np.float64).reshape(3)
    task = Task(index=0, region="user", start=start, goal=goal, witness=witness[robot.actuated], seed=seed)
    dynamics = RobotDynamics(robot)
    points = dynamics.obstacle_points(find_rest(dynamics, start))
    for what, positions in (("start", points), ("goal", goal[None])):
        for obstacle in robot.obstacles:
            depth = -float(obstacle.distance(positions).min())
            if depth > 0.0:
                raise TaskError(f"the {what} lies {depth:.4g} m inside {obstacle.name!r}")
    return task


@dataclass(frozen=True, eq=False)
class GoalCheck:
    """What is to be said about one goal."""

    goal: FloatArray
    """The goal, world frame (3,) [m]."""
    reachable: bool
    """Whether some configuration within the joint limits reaches it and no obstacle contains it."""
    distance: float
    """Distance from the goal to the nearest position that was reached [m]."""
    q: FloatArray | None
    """The configuration of choice that reaches it (n,) [rad], if there is any: that nearest to home, or
    for an arm with flexible links that at rest with the most clearance."""
    message: str
    """All of it in plain words."""


def check_goals(robot: Robot, goals: Sequence[FloatArray]) -> list[GoalCheck]:
    """Whether the arm reaches each goal, in which configuration, and how near to its limits.

    Raises:
        TaskError: A goal is not three finite numbers.
    """
    goals = [np.asarray(goal, dtype=np.float64) for goal in goals]
    if robot.passive.size:
        equilibria = StaticEquilibrium(robot)
        return [_check_at_rest(robot, equilibria, goal) for goal in goals]
    solver = InverseKinematics(robot)
    return [_check(robot, solver, goal) for goal in goals]


def _check_at_rest(robot: Robot, equilibria: StaticEquilibrium, goal: FloatArray) -> GoalCheck:
    try:
        found = equilibria.solve(goal)
    except UnreachableGoalError as error:
        return GoalCheck(goal, False, error.distance, None, str(error))
    best = found[0]
    message = (
        f"{_place(goal)} is reachable at rest with the motors at {_angles(robot, best.q)} ({best.branch}; "
        f"clearance {best.clearance:.3f} m; {len(found)} way{'s' if len(found) > 1 else ''} in all)"
    )
    return GoalCheck(goal, True, best.error, best.q, message)


def _check(robot: Robot, solver: InverseKinematics, goal: FloatArray) -> GoalCheck:
    try:
        solution = solver.solve(goal)
    except UnreachableGoalError as error:
        return GoalCheck(goal, False, error.distance, None, str(error))
    place = _place(goal)
    margin = float(solver.margin(solution.q))
    limits = (
        f"{margin * _DEGREES:.1f}° from the nearest joint limit" if np.isfinite(margin) else "no joint limits"
    )
    others = len(solution.alternatives)
    branches = "no other configuration was found" if not others else f"nearest to home of {others + 1} found"
    message = f"{place} is reachable at {_angles(robot, solution.q)} ({branches}; {limits})"
    blocking = [obstacle.name for obstacle in robot.obstacles if obstacle.distance(goal) < 0.0]
    if blocking:
        message = f"{place} lies inside obstacle {blocking[0]!r}, though joints could reach it"
    return GoalCheck(goal, not blocking, solution.error, solution.q, message)


def _place(goal: FloatArray) -> str:
    return "goal ({:.4f}, {:.4f}, {:.4f}) m".format(*goal)


def _angles(robot: Robot, q: FloatArray) -> str:
    """Positions of the joints with motors, in plain words."""
    return ", ".join(f"{robot.joint_names[i]} {q[i] * _DEGREES:.1f}°" for i in robot.actuated)
