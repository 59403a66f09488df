"""Inverse kinematics reproduces goals, within the limits, on one branch that only the goal decides."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampc.errors import SettingsError, TaskError, UnreachableGoalError
from ampc.robots import KinematicChain, Robot, load_robot
from ampc.robots.inverse_kinematics import (
    InverseKinematics,
    InverseKinematicsSettings,
    joint_ranges,
    wrap_towards,
)
from ampc.robots.inverse_kinematics.damped_least_squares import (
    LITERAL_SETTINGS,
    DampedLeastSquares,
    DampedLeastSquaresSettings,
)
from ampc.robots.inverse_kinematics.low_discrepancy import low_discrepancy_points
from ampc.robots.inverse_kinematics.position_kernel import PositionKernel

EXAMPLE_ARMS = Path(__file__).parents[2] / "examples" / "arms"

FIVE_JOINTS = """
<mujoco model="five">
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <body name="a" pos="0 0 0.2">
      <joint name="j1" axis="0 0 1" range="-2.9 2.9"/><geom size="0.05" mass="1"/>
      <body name="b" pos="0.05 0 0.1">
        <joint name="j2" axis="0 1 0" range="-1.8 1.8"/><geom size="0.05" mass="1"/>
        <body name="c" pos="0 0.03 0.35" quat="0.9 0.1 0.2 0">
          <joint name="j3" axis="1 0 0" range="-2.5 2.5"/><geom size="0.05" mass="1"/>
          <body name="d" pos="0 0 0.3">
            <joint name="j4" axis="0 1 0"/><geom size="0.05" mass="1"/>
            <body name="e" pos="0 0 0.1">
              <joint name="j5" axis="0 0.6 0.8" range="-2 2"/><geom size="0.05" mass="1"/>
              <site name="tip" pos="0.1 0 0.1"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="j1" ctrlrange="-50 50"/><motor joint="j2" ctrlrange="-50 50"/>
    <motor joint="j3" ctrlrange="-50 50"/><motor joint="j4" ctrlrange="-50 50"/>
    <motor joint="j5" ctrlrange="-50 50"/>
  </actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def five_joint_arm(tmp_path_factory: pytest.TempPathFactory) -> Robot:
    path: Path = tmp_path_factory.mktemp("arm") / "five.xml"
    path.write_text(FIVE_JOINTS)
    return load_robot(path, end_effector="tip")


@pytest.fixture(scope="module")
def ceiling_arm() -> Robot:
    return load_robot(EXAMPLE_ARMS / "ceiling_arm.xml")


@pytest.fixture(scope="module")
def bench_arm() -> Robot:
    return load_robot(EXAMPLE_ARMS / "bench_arm.urdf")


@pytest.fixture(scope="module", params=["rigid_arm", "five_joint_arm", "ceiling_arm", "bench_arm"])
def robot(request: pytest.FixtureRequest) -> Robot:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def solver(robot: Robot) -> InverseKinematics:
    return InverseKinematics(robot)


def random_configurations(robot: Robot, count: int, seed: int = 0) -> np.ndarray:
    ranges = joint_ranges(robot)
    return np.random.default_rng(seed).uniform(ranges[:, 0], ranges[:, 1], (count, robot.n_joints))


def test_kernel_agrees_with_the_chain(robot: Robot) -> None:
    chain, q = KinematicChain.from_robot(robot), random_configurations(robot, 50)
    position, jacobian = PositionKernel(chain)(q)
    np.testing.assert_allclose(position, chain.end_effector(q), atol=1e-12)
    np.testing.assert_allclose(jacobian, chain.jacobian(q), atol=1e-12)


def test_every_reachable_goal_is_reached_within_the_limits(robot: Robot, solver: InverseKinematics) -> None:
    chain = KinematicChain.from_robot(robot)
    goals = chain.end_effector(random_configurations(robot, 1000))
    answer = solver.solve_batch(goals)
    assert answer.converged.mean() >= 0.999
    reached = np.linalg.norm(chain.end_effector(answer.q) - goals, axis=1)
    np.testing.assert_allclose(reached, answer.error, atol=1e-12)
    assert np.all(reached[answer.converged] <= 1e-6)
    assert np.all(answer.q >= robot.position_limits[:, 0])
    assert np.all(answer.q <= robot.position_limits[:, 1])


def test_one_goal_and_a_batch_give_the_same(robot: Robot, solver: InverseKinematics) -> None:
    goals = KinematicChain.from_robot(robot).end_effector(random_configurations(robot, 20, seed=1))
    batch = solver.solve_batch(goals)
    for goal, q in zip(goals, batch.q, strict=True):
        np.testing.assert_allclose(solver.solve(goal).q, q, atol=1e-6)


def test_the_branch_depends_on_the_goal_alone(robot: Robot, solver: InverseKinematics) -> None:
    goals = KinematicChain.from_robot(robot).end_effector(random_configurations(robot, 30, seed=2))
    other = InverseKinematics(robot)
    expected = solver.solve_batch(goals).q
    order = np.random.default_rng(3).permutation(len(goals))
    np.testing.assert_allclose(other.solve_batch(goals[order]).q, expected[order], atol=1e-6)


def test_alternatives_solve_the_goal_too_and_lie_farther_from_home(rigid_arm: Robot) -> None:
    solver, chain = InverseKinematics(rigid_arm), KinematicChain.from_robot(rigid_arm)
    width = np.ptp(joint_ranges(rigid_arm), axis=1)
    goal = np.array([0.45, 0.1, 0.5])
    solution = solver.solve(goal)
    assert len(solution.alternatives) >= 1
    np.testing.assert_allclose(
        chain.end_effector(solution.alternatives),
        goal[None].repeat(len(solution.alternatives), axis=0),
        atol=1e-6,
    )
    away = np.linalg.norm((solution.alternatives - rigid_arm.home) / width, axis=1)
    assert np.all(away > np.linalg.norm((solution.q - rigid_arm.home) / width) - 2e-3)


def test_solutions_next_to_each_other_for_goals_next_to_each_other(rigid_arm: Robot) -> None:
    solver = InverseKinematics(rigid_arm)
    line = np.linspace([0.45, -0.2, 0.5], [0.45, 0.2, 0.5], 41)
    assert np.abs(np.diff(solver.solve_batch(line).q, axis=0)).max() < 0.1


# The straight arm points everywhere but into a wedge behind the base, which the yaw joint's limits leave out.
@given(
    direction=arrays(float, 3, elements=st.floats(-1, 1)).filter(
        lambda v: np.linalg.norm(v) > 0.1 and abs(np.arctan2(v[1], v[0])) < 3.0
    ),
    excess=st.floats(0.01, 2.0),
)
@example(direction=np.array([np.cos(3.0), np.sin(3.0), 0.0]), excess=1.0)
@settings(max_examples=20, deadline=None)
def test_beyond_the_straight_arm_the_distance_is_the_excess(
    rigid_arm: Robot, direction: np.ndarray, excess: float
) -> None:
    direction = np.array([direction[0], direction[1], abs(direction[2])]) / np.linalg.norm(direction)
    goal = np.array([0.0, 0.0, 0.3]) + (0.75 + excess) * direction
    with pytest.raises(UnreachableGoalError, match="cannot be reached within the joint limits") as caught:
        InverseKinematics(rigid_arm).solve(goal)
    assert caught.value.distance == pytest.approx(excess, abs=1e-4)


@pytest.mark.parametrize("goal", [[np.nan, 0, 0], [np.inf, 0, 0], [0.1, 0.2], [[0.1, 0.2, 0.3]] * 2])
def test_malformed_goals_are_refused(rigid_arm: Robot, goal: list[float]) -> None:
    with pytest.raises(TaskError) as caught:
        InverseKinematics(rigid_arm).solve(np.array(goal))
    assert not isinstance(caught.value, UnreachableGoalError)


def test_no_goals_give_no_answers(rigid_arm: Robot) -> None:
    assert InverseKinematics(rigid_arm).solve_batch(np.empty((0, 3))).q.shape == (0, 3)


@given(q=arrays(float, 4, elements=st.floats(-20, 20)))
def test_wrapping_keeps_the_pose_and_enters_the_limits_where_a_turn_does(q: np.ndarray) -> None:
    limits = np.array([[-3.1, 3.1], [-6.2, 6.2], [-np.inf, np.inf], [0.5, 1.5]])
    home = np.array([0.3, -1.0, 0.0, 1.0])
    wrapped = wrap_towards(q, home, limits)
    turns = (wrapped - q) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    some_turn = q[:, None] + 2 * np.pi * np.arange(-6, 7)
    possible = ((some_turn >= limits[:, :1]) & (some_turn <= limits[:, 1:])).any(axis=1)
    inside = (wrapped >= limits[:, 0]) & (wrapped <= limits[:, 1])
    assert np.all(inside | ~possible)
    assert abs(wrapped[2]) <= np.pi + 1e-9


def test_the_literal_iteration_converges_in_the_interior_and_stops_at_its_budget(rigid_arm: Robot) -> None:
    chain = KinematicChain.from_robot(rigid_arm)
    goals = np.vstack([chain.end_effector(rigid_arm.home[None] + 0.1), [[5.0, 0.0, 0.0]]])
    result = DampedLeastSquares(rigid_arm, LITERAL_SETTINGS).solve_batch(goals, rigid_arm.home)
    assert result.converged.tolist() == [True, False]
    assert result.iterations[1] == LITERAL_SETTINGS.max_iterations
    np.testing.assert_allclose(
        np.linalg.norm(chain.end_effector(result.q) - goals, axis=1), result.error, atol=1e-12
    )


def test_one_literal_step_is_the_papers_formula(rigid_arm: Robot) -> None:
    constants = DampedLeastSquaresSettings(damping=0.1, step=0.5, max_iterations=1)
    chain, goal = KinematicChain.from_robot(rigid_arm), np.array([0.4, 0.2, 0.4])
    q = rigid_arm.home
    jacobian, error = chain.jacobian(q), goal - chain.end_effector(q)
    step = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + 0.1 * np.eye(3)) @ error
    result = DampedLeastSquares(rigid_arm, constants).solve_batch(goal, q)
    np.testing.assert_allclose(result.q[0], q + 0.5 * step, atol=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"damping": 0.0}, {"step": 1.5}, {"tolerance": 0.0}, {"max_iterations": 0}]
)
def test_impossible_constants_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        DampedLeastSquaresSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingsError):
        InverseKinematicsSettings(starts=0)
    with pytest.raises(SettingsError, match="table_size"):
        InverseKinematicsSettings(table_size=3)


def test_points_spread_evenly() -> None:
    points = low_discrepancy_points(1000, 3)
    assert points.min() >= 0.0
    assert points.max() < 1.0
    counts = np.histogramdd(points, bins=4, range=[(0, 1)] * 3)[0]
    assert counts.min() >= 8
    assert counts.max() <= 24
