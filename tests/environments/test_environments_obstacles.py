"""Environments whose tasks have walls of their own show them, and judge by them."""

from dataclasses import replace

import numpy as np

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.situation import StateWriter
from ampc.environments.expert_cost import ExpertCost
from ampc.environments.flexible_arm import PUBLISHED_TASKS, FlexibleArmEnv
from ampc.environments.flexible_arm_vector import FlexibleArmVectorEnv
from ampc.environments.flexible_loops import FlexibleLoops
from ampc.environments.loops import Views
from ampc.environments.safety import SafetyFilterWrapper
from ampc.environments.score import Score, ScoreSettings, TrueMotion
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.robots import HalfSpace, load_robot
from ampc.tasks import FlexibleTaskSampler, Task, WallSettings, among

ROBOT = "flexible-arm-1"
ARM = load_robot(ROBOT)
WALLS = replace(PUBLISHED_TASKS, walls=WallSettings((0.05, 0.3), (-np.pi, np.pi)))


def tasks(n: int) -> list[Task]:
    return FlexibleTaskSampler(ARM, WALLS).sample(n, "random", seed=1003)


def test_single_and_vector_environments_show_the_wall_of_each_task() -> None:
    single, many = FlexibleArmEnv(ROBOT, tasks=WALLS), FlexibleArmVectorEnv(2, robot=ROBOT, tasks=WALLS)
    seen, info = many.reset(seed=[1001, 1002])
    walls = []
    for row, seed in enumerate((1001, 1002)):
        alone, own = single.reset(seed=seed)
        np.testing.assert_allclose(seen[row], alone, atol=1e-9)
        assert {name: info[name][row] for name in own} == own
        assert single.obstacles is not None
        wall = single.obstacles[0]
        np.testing.assert_allclose(alone[12:18], [*wall.normal, *wall.point], atol=1e-12)
        walls.append(alone[12:15])
        assert single.observation_space.contains(alone)
    assert np.abs(walls[0] - walls[1]).max() > 0.1
    many.close()


def test_a_wall_of_the_tasks_is_violated_and_the_robots_is_not() -> None:
    score = Score(ARM, 2, 0.004, ScoreSettings())
    task = tasks(1)[0]
    usual = replace(task, obstacles=None)
    ahead = HalfSpace("wall", np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.0, 0.0]))
    walled = replace(task, obstacles=(ahead, ARM.obstacles[1]))
    points = np.array([[[0.4, 0.1, 0.2], [0.6, 0.1, 0.3]]] * 2)
    motion = TrueMotion(points, np.zeros((2, ARM.n_joints)), np.zeros((2, 3)), np.zeros(2, dtype=bool))
    rows = np.arange(2)
    info = score.begin(rows, [walled, usual], motion)
    np.testing.assert_array_equal(info["violation"], [True, False])
    np.testing.assert_array_equal(info["violation/end_effector/wall"], [True, False])
    np.testing.assert_array_equal(info["violation/elbow/wall"], [False, False])
    # The next task of an arm leaves nothing of it.
    info = score.begin(rows, [usual, walled], motion)
    np.testing.assert_array_equal(info["violation"], [False, True])
    _, info = score.step(rows, np.zeros((2, 3)), motion)
    np.testing.assert_array_equal(info["violation"], [False, True])


def test_the_filter_of_an_environment_knows_the_tasks_wall() -> None:
    env = SafetyFilterWrapper(FlexibleArmEnv(ROBOT, tasks=WALLS), ROBOT)
    env.reset(seed=1001)
    inner = env.unwrapped
    assert isinstance(inner, FlexibleArmEnv)
    assert env.filter._robot.obstacles == inner.obstacles


def test_arms_side_by_side_are_among_the_walls_of_their_tasks() -> None:
    loops = FlexibleLoops(FlexibleSetup(RobotSettings(ROBOT), RobotSettings(ROBOT)), 2, threads=1)
    drawn = tasks(2)
    views = loops.begin(drawn)
    first = 2 * ARM.n_joints + 1
    for row, task in zip(views.states, drawn, strict=True):
        assert task.obstacles is not None
        np.testing.assert_array_equal(row[first : first + 3], task.obstacles[0].normal)
    loops.close()


def test_the_experts_cost_is_that_among_the_obstacles_that_are_seen() -> None:
    """Equal to that of an expert whose robot has these obstacles, in a batch with one that has the usual."""
    settings = NonlinearMPCControllerSettings()
    own, rng, n = ExpertCost(ARM, settings), np.random.default_rng(3), ARM.n_joints
    ahead = HalfSpace("wall", np.array([0.6, 0.8, 0.0]), np.array([0.3, 0.0, 0.0]))
    walled = among(ARM, replace(tasks(1)[0], obstacles=(ahead, ARM.obstacles[1])))
    robots = (ARM, walled, walled)
    q, dq = rng.uniform(-1.0, 1.0, (2, 3, n))
    states = np.array(
        [StateWriter(robot).written(at, moving, 1.0) for robot, at, moving in zip(robots, q, dq, strict=True)]
    )
    views = Views(states, 0.1 * q, rng.uniform(-0.5, 0.5, (3, 3)))
    torque = rng.uniform(-1.0, 1.0, (3, 3))
    found = own.parts(views, torque)["limits"]
    for row, robot in enumerate(robots):
        alone = Views(states[row : row + 1], views.references[row : row + 1], views.goals[row : row + 1])
        expected = ExpertCost(robot, settings).parts(alone, torque[row : row + 1])["limits"]
        np.testing.assert_allclose(found[row], expected[0], rtol=1e-9, atol=1e-12)
    assert found[1] > 0.0
    as_usual = states.copy()
    as_usual[:, 2 * n + 1 :] = states[0, 2 * n + 1 :]
    assert abs(own.parts(replace(views, states=as_usual), torque)["limits"][1] - found[1]) > 1e-3
