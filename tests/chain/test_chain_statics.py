"""Equilibria are at rest, on the goal, complete, and refused for the right reason."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ampc.chain import YawChain
from ampc.chain.equilibrium import shapes_at_joints, shapes_at_targets
from ampc.chain.statics import StaticEquilibrium, rest_shape, rest_shapes
from ampc.errors import RobotError, SolverError, TaskError, UnreachableGoalError
from ampc.plants import vary
from ampc.robots import HalfSpace, Robot, RobotDynamics, load_robot
from ampc.robots.rest import find_rest
from ampc.tasks.task import PlantVariation

ARMS = ["flexible-arm-0", "flexible-arm-1", "flexible-arm-3", "flexible-arm-10", "rigid-arm"]
WALL_GOAL = np.array([0.3, -0.3, 0.3])


@functools.cache
def robot_called(name: str) -> Robot:
    return load_robot(name)


@functools.cache
def statics(name: str, scale: float = 1.0) -> StaticEquilibrium:
    return StaticEquilibrium(robot_called(name), scale)


def unbalanced(robot: Robot, q: np.ndarray, u: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Joint torque that is missing at rest, according to MuJoCo."""
    dynamics = RobotDynamics(robot, vary(robot, PlantVariation(stiffness_scale=scale)))
    torque = dynamics.bias(q, 0.0 * q) - dynamics.passive(q, 0.0 * q)
    torque[robot.actuated] -= u
    return torque


def turns(q: np.ndarray) -> np.ndarray:
    return np.exp(1j * np.asarray(q))


motor_positions = st.tuples(
    st.floats(-np.pi / 2, 1.5 * np.pi), st.floats(0.0, np.pi), st.floats(-np.pi + 0.075, np.pi - 0.075)
).map(np.array)


@pytest.mark.parametrize("name", ARMS[:4])
@settings(max_examples=40, deadline=None)
@given(motors=motor_positions, scale=st.floats(0.7, 1.5))
def test_every_reachable_goal_has_exact_equilibria(name: str, motors: np.ndarray, scale: float) -> None:
    robot, dynamics = robot_called(name), RobotDynamics(robot_called(name))
    rest = rest_shape(YawChain.from_robot(robot, scale), motors)
    assert_allclose(rest[robot.actuated], motors, atol=1e-12)
    goal = dynamics.end_effector(rest)
    found = StaticEquilibrium(robot, scale).candidates(goal)
    # Where elbow up and down meet, both are the same double root, found to its square root's accuracy.
    assert min(np.abs(turns(one.q) - turns(rest)).max() for one in found) < 1e-4
    for one in found:
        assert one.error <= 1e-9
        assert_allclose(dynamics.end_effector(one.q), goal, atol=1e-9)
        assert np.abs(unbalanced(robot, one.q, one.u, scale)).max() < 1e-9
        points = dynamics.obstacle_points(one.q)
        assert one.clearance == pytest.approx(
            min(o.distance(points).min() for o in robot.obstacles), abs=1e-9
        )
        assert bool(one.objection) == (one.clearance < -1e-9)
    assert len({one.branch for one in found}) == len(found)
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(turns(one.q) - turns(other.q)).max() > 1e-7


@settings(max_examples=40, deadline=None)
@given(shares=st.tuples(*[st.floats(0.0, 1.0)] * 3).map(np.array))
@example(shares=np.array([0.0, 0.0, 0.5]))  # straight, and at two limits
def test_the_rigid_arm_is_the_case_without_springs(shares: np.ndarray) -> None:
    robot = robot_called("rigid-arm")
    low, high = robot.position_limits.T
    q = low + shares * (high - low)
    assert_allclose(rest_shape(robot, q), q, atol=1e-12)
    dynamics = RobotDynamics(robot)
    found = statics("rigid-arm").solve(dynamics.end_effector(q))
    for one in found:
        assert (one.q >= low - 1e-6).all()
        assert (one.q <= high + 1e-6).all()
        assert np.abs(unbalanced(robot, one.q, one.u)).max() < 1e-9
    assert min(np.abs(one.q - q).max() for one in found) < 1e-4


@pytest.mark.parametrize("name", ["flexible-arm-3", "flexible-arm-10"])
def test_no_other_start_finds_another_branch(name: str) -> None:
    """From a grid of shapes over the whole workspace Newton's method ends in the branches of `candidates`."""
    plane = statics(name).plane
    grid = np.array([[a, b] for a in np.linspace(-1.5, 4.5, 12) for b in np.linspace(-3.0, 3.0, 9)])
    starts, _ = shapes_at_joints(plane, grid)
    rng = np.random.default_rng(0)
    motors = rng.uniform([-1.5, 0.0, -3.0], [4.7, np.pi, 3.0], (15, 3))
    for rest in rest_shapes(robot_called(name), motors):
        goal = RobotDynamics(robot_called(name)).end_effector(rest)
        known = [turns(np.cumsum(one.q[1:])) for one in statics(name).candidates(goal)]
        for _, target in plane.targets(goal):
            theta, converged = shapes_at_targets(plane, np.full(len(starts), target), starts)
            for shape in theta[converged]:
                assert min(np.abs(turns(shape) - one).max() for one in known) < 1e-5


@pytest.mark.parametrize("name", ARMS[:4])
def test_where_two_branches_meet_there_is_one(name: str) -> None:
    """At the edge of the workspace, sought by bisection, elbow up and down are the same."""
    robot, solver = robot_called(name), statics(name)
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        goal = RobotDynamics(robot).end_effector(rest_shape(robot, np.array([0.3, 0.8, middle])))
        front = [one for one in solver.candidates(goal) if one.branch.startswith("front")]
        elbows = [one.q[robot.actuated[2]] for one in front]
        other = max(elbows, key=lambda elbow: abs(elbow - middle))
        low, high = (middle, high) if other > middle else (low, middle)
    assert all(one.error < 1e-9 for one in front)
    assert np.ptp(elbows) < 1e-5


def test_branches_are_named_by_what_they_look_like() -> None:
    found = {one.branch: one.q for one in statics("flexible-arm-3").candidates(np.array([0.3, 0.4, 0.5]))}
    assert set(found) == {"front-up", "front-down", "back-up", "back-down"}
    dynamics = RobotDynamics(robot_called("flexible-arm-3"))
    heights = {branch: dynamics.obstacle_points(q)[1, 2] for branch, q in found.items()}
    assert heights["front-up"] > heights["front-down"]
    assert heights["back-up"] > heights["back-down"]
    assert found["front-up"][0] == pytest.approx(np.arctan2(0.4, 0.3), abs=2e-3)
    assert abs(found["back-up"][0] - found["front-up"][0]) == pytest.approx(np.pi, abs=2e-3)


def test_solutions_keep_clear_of_obstacles_and_come_by_clearance() -> None:
    found = statics("flexible-arm-3").solve(np.array([0.3, 0.0, 0.1]))
    assert all(one.clearance >= 0.0 for one in found)
    assert [one.clearance for one in found] == sorted((one.clearance for one in found), reverse=True)
    objections = [one.objection for one in statics("flexible-arm-3").candidates(np.array([0.3, 0.0, 0.1]))]
    assert any("elbow" in text and "inside 'ground'" in text for text in objections)


@pytest.mark.parametrize("name", ARMS[:4])
def test_goals_that_cannot_be_are_refused_by_name(name: str) -> None:
    solver = statics(name)
    with pytest.raises(UnreachableGoalError, match=r"lies 0\.15 m inside 'wall'") as wall:
        solver.solve(WALL_GOAL)
    assert wall.value.distance == pytest.approx(0.15, abs=1e-5)
    with pytest.raises(UnreachableGoalError, match="inside 'ground'") as ground:
        solver.solve(np.array([0.2, 0.3, -0.1]))
    assert ground.value.distance == pytest.approx(0.1, abs=1e-5)
    with pytest.raises(UnreachableGoalError, match="out of reach") as far:
        solver.solve(np.array([0.0, 1.5, 1.5]))
    assert far.value.distance == pytest.approx(np.hypot(1.5, 1.35) - 1.0, abs=0.01)
    assert far.value.distance > np.hypot(1.5, 1.35) - 1.0 - 1e-6
    for wrong in ([0.1, np.nan, 0.2], [0.1, 0.2]):
        with pytest.raises(TaskError, match="three finite numbers"):
            solver.solve(np.array(wrong))


@settings(max_examples=8, deadline=None)
@given(goal=st.tuples(*[st.floats(-1.6, 1.6)] * 3).map(np.array))
def test_the_nearest_point_is_allowed_and_none_is_nearer(goal: np.ndarray) -> None:
    robot, solver = robot_called("flexible-arm-3"), statics("flexible-arm-3")
    try:
        solver.solve(goal)
    except UnreachableGoalError as error:
        away = error.distance
    else:
        assume(False)
    nearest = solver.nearest(goal)
    assert nearest.error == pytest.approx(away, abs=1e-9)
    assert nearest.clearance >= -1e-6
    assert np.abs(unbalanced(robot, nearest.q, nearest.u)).max() < 1e-9
    motors = np.random.default_rng(0).uniform([-np.pi] * 3, [np.pi] * 3, (3000, 3))
    shapes, _ = shapes_at_joints(solver.plane, motors[:, 1:])
    points = solver.plane.positions(motors[:, 0], shapes)
    allowed = np.all([(o.distance(points) >= 0.0).all(axis=1) for o in robot.obstacles], axis=0)
    assert np.linalg.norm(points[allowed, 0] - goal, axis=1).min() >= away - 1e-6


def test_weak_motors_and_joint_limits_are_named() -> None:
    robot = robot_called("flexible-arm-3")
    weak = dataclasses.replace(robot, torque_limits=np.array([[-20.0, 20.0], [-1.0, 1.0], [-10.0, 10.0]]))
    goal = np.array([0.0, 0.9, 0.2])
    assert statics("flexible-arm-3").solve(goal)
    with pytest.raises(UnreachableGoalError, match="motor of joint 'joint2' at") as caught:
        StaticEquilibrium(weak).solve(goal)
    assert caught.value.distance > 0.05
    with pytest.raises(UnreachableGoalError, match="joint 'elbow' at"):
        statics("rigid-arm").solve(np.array([0.1, 0.1, 0.16]))


def test_slanted_obstacles_are_kept_off_as_well() -> None:
    robot = robot_called("flexible-arm-3")
    slant = HalfSpace("roof", np.array([0.0, -0.6, -0.8]), np.array([0.0, 0.0, 0.9]))
    roofed = dataclasses.replace(robot, obstacles=(*robot.obstacles, slant))
    found = StaticEquilibrium(roofed).solve(np.array([0.1, 0.6, 0.3]))
    dynamics = RobotDynamics(robot)
    assert all(slant.distance(dynamics.obstacle_points(one.q)).min() >= 0.0 for one in found)
    with pytest.raises(UnreachableGoalError, match="inside 'roof'"):
        StaticEquilibrium(roofed).solve(np.array([0.0, 0.5, 0.8]))


@pytest.mark.parametrize("name", ARMS)
def test_rest_shapes_agree_with_what_mujoco_finds(name: str) -> None:
    robot = robot_called(name)
    motors = np.random.default_rng(1).uniform(-1.0, 1.0, (4, 3))
    for q, shape in zip(motors, rest_shapes(robot, motors), strict=True):
        assert_allclose(find_rest(RobotDynamics(robot), q), shape, atol=1e-8)


def test_arms_of_another_kind_are_refused() -> None:
    robot = robot_called("flexible-arm-3")
    driven = np.array([0, 1])
    with pytest.raises(RobotError, match="1 motors after joint 1"):
        StaticEquilibrium(dataclasses.replace(robot, actuated=driven, torque_limits=robot.torque_limits[:2]))
    with pytest.raises(SolverError, match="not finite"):
        rest_shape(robot, np.array([0.0, np.nan, 0.0]))
