"""Ways to rest on a goal, ranked, for links of any stiffness."""

import numpy as np
import pytest

from ampc.chain.statics import StaticEquilibrium, rest_shape
from ampc.chain.yaw_chain import YawChain
from ampc.control.reference_choice import ReferenceChoice
from ampc.robots import Robot, RobotDynamics, load_robot

GOAL = np.array([0.5, 0.3, 0.5])
START = np.array([0.3, 0.9, -1.0])


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm")


@pytest.mark.parametrize("scale", [0.7, 0.9, 1.0, 1.07, 1.4])
def test_branches_hold_the_goal_whatever_the_stiffness(arm: Robot, scale: float) -> None:
    choice, chain, dynamics = ReferenceChoice(arm, 0.03), YawChain.from_robot(arm, scale), RobotDynamics(arm)
    choice.take(GOAL)
    branches = choice.branches(START)
    assert len(branches) >= 2
    for branch in branches:
        q = branch.at(scale)
        np.testing.assert_allclose(rest_shape(chain, q[arm.actuated]), q, atol=1e-4)
        np.testing.assert_allclose(dynamics.end_effector(q), GOAL, atol=2e-5)


def test_the_way_through_the_wall_is_not_the_first(arm: Robot) -> None:
    choice = ReferenceChoice(arm, 0.03)
    choice.take(np.array([0.6, -0.05, 0.4]))
    best = choice.branches(np.array([3.0, 0.6, -0.8]))[0]
    # Towards it or away from it, but not on through the wall.
    assert -0.5 < best.reference[0] < np.pi + 0.2


def test_goal_out_of_reach_becomes_the_nearest_point(arm: Robot) -> None:
    choice, goal = ReferenceChoice(arm, 0.03), np.array([0.6, -0.4, 0.4])
    choice.take(goal)
    assert "inside 'wall'" in choice.objection
    np.testing.assert_allclose(choice.goal, [0.6, -0.15, 0.4], atol=1e-3)
    for branch in choice.branches(START):
        assert (branch.clearance > -1e-6).all()


def test_goal_that_the_model_just_misses_stays_the_goal(arm: Robot) -> None:
    choice, statics = ReferenceChoice(arm, 0.03), StaticEquilibrium(arm)
    far = statics.nearest(np.array([3.0, 1.0, 0.15]))
    tip = RobotDynamics(arm).end_effector(far.q)
    goal = tip + 0.003 * tip / np.linalg.norm(tip)
    choice.take(goal)
    assert choice.objection == ""
    np.testing.assert_array_equal(choice.goal, goal)
    branch = choice.branches(START)[0]
    for scale in (0.8, 1.0, 1.2):
        reached = RobotDynamics(arm).end_effector(branch.at(scale))
        assert np.linalg.norm(reached - goal) < 0.08
