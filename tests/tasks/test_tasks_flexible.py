"""Tasks of the flexible arm start and end at rest, clear of obstacles, and depend on their index alone."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ampc.chain import YawChain
from ampc.chain.statics import StaticEquilibrium, rest_shape
from ampc.errors import RobotError, SettingsError, TaskError, UnreachableGoalError
from ampc.plants import MujocoPlant, PlantSettings
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.settings import from_dict, to_dict
from ampc.tasks import (
    FLEXIBLE_REGIONS,
    FlexibleRegion,
    FlexibleTaskSampler,
    FlexibleTaskSettings,
    Task,
    TaskSampler,
    VariationSettings,
    check_goals,
    load_tasks,
    save_tasks,
    task_for_goal,
)

PI = np.pi


@functools.cache
def arm(n: int = 10) -> Robot:
    return load_robot(f"flexible-arm-{n}")


@functools.cache
def tasks(region: FlexibleRegion, n_seg: int = 10) -> list[Task]:
    return FlexibleTaskSampler(arm(n_seg)).sample(300, region, seed=5)


def points_at_rest(robot: Robot, motors: np.ndarray) -> np.ndarray:
    return RobotDynamics(robot).obstacle_points(rest_shape(chain_of(robot), motors))


@functools.cache
def chain_of(robot: Robot) -> YawChain:
    return YawChain.from_robot(robot)


@pytest.mark.parametrize("region", FLEXIBLE_REGIONS)
def test_starts_and_goals_are_those_of_the_paper(region: FlexibleRegion) -> None:
    low, high = np.array([[-PI / 2, 0.0, -PI + 0.075], [1.5 * PI, PI, PI - 0.075]])
    if region == "near-wall":
        goal_low, goal_high = np.array([[-PI / 12, 0.0, -PI + 0.2], [-PI / 12, PI / 2, 0.0]])
    else:
        goal_low, goal_high = low, high
    for task in tasks(region):
        assert task.region == region
        assert (task.start >= low).all()
        assert (task.start <= high).all()
        assert (task.witness >= goal_low).all()
        assert (task.witness <= goal_high).all()
        for motors in (task.start, task.witness):
            points = points_at_rest(arm(), motors)
            assert (points[:, 1] > -0.14).all()
            assert (points[:, 2] > 0.0).all()
        assert_allclose(points[0], task.goal, atol=1e-9)
        if region == "near-wall":
            assert 0.01 < task.goal[1] + 0.15 < 0.15


@pytest.mark.parametrize("region", FLEXIBLE_REGIONS)
def test_every_goal_has_an_equilibrium(region: FlexibleRegion) -> None:
    sampler = FlexibleTaskSampler(arm())
    sampled = sampler.sample(100, region, seed=2)
    assert sampler.statics_failures[region] == 0
    solver = StaticEquilibrium(arm())
    for task in sampled[:20]:
        witness = rest_shape(arm(), task.witness)
        gaps = [np.abs(np.exp(1j * one.q) - np.exp(1j * witness)).max() for one in solver.solve(task.goal)]
        assert min(gaps) < 1e-5


def test_starts_are_clear_on_softer_plants() -> None:
    soft = YawChain.from_robot(arm(), 0.85)
    dynamics = RobotDynamics(arm())
    for task in tasks("random"):
        points = dynamics.obstacle_points(rest_shape(soft, task.start))
        assert (points[:, 1] > -0.14).all()
        assert (points[:, 2] > 0.0).all()


@pytest.mark.parametrize("region", FLEXIBLE_REGIONS)
def test_a_task_depends_on_its_index_alone(region: FlexibleRegion) -> None:
    whole = tasks(region)
    part = FlexibleTaskSampler(arm()).sample(20, region, seed=5, first=100)
    for one, other in zip(part, whole[100:120], strict=True):
        assert (one.index, one.seed) == (other.index, other.seed)
        for name in ("start", "goal", "witness"):
            assert_array_equal(getattr(one, name), getattr(other, name))
    another = FlexibleTaskSampler(arm()).sample(20, region, seed=6)
    assert not any(np.array_equal(one.goal, other.goal) for one, other in zip(another, whole, strict=False))
    assert len({task.seed for task in whole}) == len(whole)


def test_variations_leave_starts_and_goals_alone() -> None:
    settings = FlexibleTaskSettings(
        variation=VariationSettings(stiffness_scale=(0.85, 1.1), end_effector_noise=(0.01, 0.01))
    )
    varied = FlexibleTaskSampler(arm(), settings).sample(20, "random", seed=5)
    for one, other in zip(varied, tasks("random"), strict=False):
        assert_array_equal(one.start, other.start)
        assert_array_equal(one.goal, other.goal)
        assert 0.85 <= one.variation.stiffness_scale <= 1.1
        assert one.variation.end_effector_noise == 0.01
    assert len({task.variation.stiffness_scale for task in varied}) == 20


def test_storage(tmp_path: Path) -> None:
    settings = FlexibleTaskSettings(variation=VariationSettings(stiffness_scale=(0.9, 0.9)))
    sampled = FlexibleTaskSampler(arm(), settings).sample(5, "near-wall", seed=1)
    save_tasks(tmp_path / "tasks.parquet", sampled, arm(), settings, seed=1)
    for before, after in zip(sampled, load_tasks(tmp_path / "tasks.parquet", arm()), strict=True):
        for field in dataclasses.fields(Task):
            assert_array_equal(getattr(before, field.name), getattr(after, field.name))
    with pytest.raises(TaskError, match="was made for robot"):
        load_tasks(tmp_path / "tasks.parquet", arm(3))
    assert from_dict(FlexibleTaskSettings, to_dict(settings)) == settings


def test_the_plant_starts_tasks_at_rest() -> None:
    task = tasks("random", 3)[0]
    plant = MujocoPlant(arm(3), PlantSettings(physics_step=0.0005, control_period=0.004))
    measured = plant.reset(task)
    assert_array_equal(measured.q, task.start)
    assert_array_equal(measured.end_effector, plant.end_effector)
    assert_allclose(plant.q, rest_shape(arm(3), task.start), atol=1e-8)
    holding = RobotDynamics(arm(3)).mass_matrix_and_bias(plant.q, np.zeros(9))[1][arm(3).actuated]
    for _ in range(10):
        plant.step(holding)
    assert_allclose(plant.dq, 0.0, atol=1e-4)


def test_goals_of_users() -> None:
    goal = np.array([0.3, 0.4, 0.5])
    task = task_for_goal(arm(3), goal)
    assert_allclose(points_at_rest(arm(3), task.witness)[0], goal, atol=1e-9)
    assert_array_equal(task.start, arm(3).home[arm(3).actuated])
    with pytest.raises(UnreachableGoalError, match="inside 'wall'"):
        task_for_goal(arm(3), np.array([0.3, -0.3, 0.3]))
    with pytest.raises(TaskError, match=r"the start lies .* inside 'ground'"):
        task_for_goal(arm(3), goal, start=np.array([1.0, -0.5, 0.0]))
    with pytest.raises(TaskError, match=r"expected \(3,\)"):
        task_for_goal(arm(3), goal, start=np.zeros(9))
    reachable, not_reachable = check_goals(arm(3), [goal, np.array([0.0, 2.0, 0.3])])
    assert reachable.reachable
    assert "is reachable at rest with the motors at joint1" in reachable.message
    assert not not_reachable.reachable
    assert "out of reach" in not_reachable.message


def test_what_does_not_fit_is_refused(rigid_arm: Robot) -> None:
    with pytest.raises(TaskError, match="choose from random, near-wall"):
        FlexibleTaskSampler(arm(3)).sample(1, "interior")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="FlexibleTaskSampler"):
        TaskSampler(arm(3))
    buried = FlexibleTaskSettings(start=((0.0, 0.0), (-1.0, -1.0), (0.0, 0.0)))
    with pytest.raises(TaskError, match="no start clear of the obstacles"):
        FlexibleTaskSampler(arm(3), buried).sample(1)
    for wrong in ({"softest": 0.0}, {"wall_clearance": -0.1}, {"start": ((1.0, 0.0),) * 3}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            FlexibleTaskSettings(**wrong)  # type: ignore[arg-type]
    assert FlexibleTaskSampler(rigid_arm).sample(3, "random")[0].start.shape == (3,)
    driven = np.array([0, 1])
    one_motor = dataclasses.replace(arm(3), actuated=driven, torque_limits=arm(3).torque_limits[:2])
    with pytest.raises(RobotError, match="motors after joint 1"):
        FlexibleTaskSampler(one_motor)
