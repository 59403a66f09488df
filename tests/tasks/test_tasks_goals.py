"""A goal that a user names becomes a task, or an explanation."""

import dataclasses

import numpy as np
import pytest

from ampc.errors import TaskError, UnreachableGoalError
from ampc.robots import HalfSpace, KinematicChain, Robot
from ampc.tasks import check_goals, task_for_goal

GOAL = np.array([0.4, 0.1, 0.5])


def behind_wall(robot: Robot, x: float) -> Robot:
    wall = HalfSpace("wall", np.array([-1.0, 0.0, 0.0]), np.array([x, 0.0, 0.0]))
    return dataclasses.replace(robot, obstacles=(wall,))


def test_the_task_starts_at_home_and_proves_that_its_goal_is_reachable(rigid_arm: Robot) -> None:
    task = task_for_goal(rigid_arm, GOAL)
    np.testing.assert_array_equal(task.start, rigid_arm.home)
    reached = KinematicChain.from_robot(rigid_arm).end_effector(task.witness)
    np.testing.assert_allclose(reached, GOAL, atol=1e-6)


def test_impossible_tasks_are_refused(rigid_arm: Robot) -> None:
    with pytest.raises(UnreachableGoalError) as caught:
        task_for_goal(rigid_arm, np.array([1.0, 0.0, 0.3]))
    assert caught.value.distance == pytest.approx(0.25, abs=1e-4)
    with pytest.raises(TaskError, match="not finite"):
        task_for_goal(rigid_arm, np.array([np.nan, 0.0, 0.3]))
    with pytest.raises(TaskError, match=r"'elbow'.*outside its limits"):
        task_for_goal(rigid_arm, GOAL, start=np.array([0.0, 0.0, 3.0]))
    with pytest.raises(TaskError, match="expected \\(3,\\)"):
        task_for_goal(rigid_arm, GOAL, start=np.zeros(2))
    with pytest.raises(TaskError, match="not finite"):
        task_for_goal(rigid_arm, GOAL, start=np.array([0.0, np.nan, 0.0]))
    with pytest.raises(TaskError, match=r"the goal lies 0\.1 m inside 'wall'"):
        task_for_goal(behind_wall(rigid_arm, 0.3), GOAL, start=np.array([0.0, 2.0, 1.0]))


def test_checks_say_it_in_plain_words(rigid_arm: Robot) -> None:
    reachable, unreachable = check_goals(rigid_arm, [GOAL, np.array([0.0, 0.0, 2.0])])
    assert reachable.reachable
    assert reachable.q is not None
    assert "is reachable at yaw 14.0°" in reachable.message
    assert "from the nearest joint limit" in reachable.message
    assert not unreachable.reachable
    assert unreachable.q is None
    assert unreachable.distance == pytest.approx(0.95, abs=1e-4)
    assert "0.95 m away" in unreachable.message
    (blocked,) = check_goals(behind_wall(rigid_arm, 0.3), [GOAL])
    assert not blocked.reachable
    assert "inside obstacle 'wall'" in blocked.message
