"""Samplers keep their definitions, and every task is a function of its own index."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.errors import SettingsError, TaskError
from ampc.robots import HalfSpace, Robot, RobotDynamics
from ampc.robots.inverse_kinematics import InverseKinematics
from ampc.tasks import (
    REGIONS,
    PlantVariation,
    Region,
    RegionSettings,
    Task,
    TaskSampler,
    TaskSettings,
    VariationSettings,
    Workspace,
)

VARIED = VariationSettings(payload=(0.0, 2.0), mass_scale=(0.7, 1.3), position_noise=(0.0, 1e-3))


@pytest.fixture(scope="module")
def sampler(rigid_arm: Robot) -> TaskSampler:
    return TaskSampler(rigid_arm)


def same(a: Task, b: Task) -> bool:
    arrays = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("start", "goal", "witness"))
    return arrays and (a.index, a.region, a.seed, a.variation) == (b.index, b.region, b.seed, b.variation)


@pytest.mark.parametrize("region", REGIONS)
def test_tasks_are_what_their_region_says(rigid_arm: Robot, sampler: TaskSampler, region: Region) -> None:
    tasks = sampler.sample(100, region, seed=3)
    dynamics = RobotDynamics(rigid_arm)
    witnesses = np.array([task.witness for task in tasks])
    assert [task.index for task in tasks] == list(range(100))
    assert {task.region for task in tasks} == {region}
    assert np.all(sampler.workspace.classify(witnesses) == REGIONS.index(region))
    lower, upper = rigid_arm.position_limits.T
    for task in tasks:
        np.testing.assert_allclose(dynamics.end_effector(task.witness), task.goal, atol=1e-12)
        for q in (task.witness, task.start):
            assert np.all((q >= lower) & (q <= upper))
        smallest = np.linalg.svd(dynamics.jacobian(task.witness), compute_uv=False)[-1]
        reach = np.linalg.norm(task.goal - [0.0, 0.0, 0.3]) / 0.75
        inner = np.all(np.minimum(task.witness - lower, upper - task.witness) >= 0.05 * (upper - lower))
        if region == "boundary":
            assert reach >= 0.95
        else:
            assert reach < 0.95
        if region == "singular":
            assert smallest < 0.06
        if region in ("interior", "joint-limit"):
            assert smallest > 0.02
            assert inner == (region == "interior")
    assert sampler.ik_failures[region] == 0


def test_joint_limit_tasks_have_their_canonical_solution_near_a_limit(
    rigid_arm: Robot, sampler: TaskSampler
) -> None:
    goals = np.array([task.goal for task in sampler.sample(100, "joint-limit", seed=5)])
    answer = InverseKinematics(rigid_arm).solve_batch(goals)
    assert sampler.workspace.near_limit(answer.q).mean() >= 0.99


@given(
    n=st.integers(1, 12), first=st.integers(0, 20), region=st.sampled_from(REGIONS), seed=st.integers(0, 9)
)
@settings(max_examples=15, deadline=None)
def test_a_task_depends_on_seed_region_and_index_alone(
    sampler: TaskSampler, n: int, first: int, region: Region, seed: int
) -> None:
    part = sampler.sample(n, region, seed, first=first)
    whole = sampler.sample(first + n, region, seed)
    assert all(same(a, b) for a, b in zip(part, whole[first:], strict=True))


def test_seeds_and_regions_give_different_tasks(sampler: TaskSampler) -> None:
    first = sampler.sample(1, "interior", 0)[0]
    assert not np.array_equal(first.start, sampler.sample(1, "interior", 1)[0].start)
    assert not np.array_equal(first.start, sampler.sample(1, "boundary", 0)[0].start)
    assert sampler.sample(0, "interior", 0) == []


def test_variation_changes_the_plant_and_nothing_else(rigid_arm: Robot, sampler: TaskSampler) -> None:
    varied = TaskSampler(rigid_arm, TaskSettings(variation=VARIED)).sample(5, "interior", 0)
    nominal = sampler.sample(5, "interior", 0)
    for task, plain in zip(varied, nominal, strict=True):
        assert plain.variation == PlantVariation()
        assert same(dataclasses.replace(task, variation=PlantVariation()), plain)
        assert 0.0 <= task.variation.payload <= 2.0
        assert len(task.variation.mass_scale) == rigid_arm.n_joints
        assert all(0.7 <= scale <= 1.3 for scale in task.variation.mass_scale)
        assert task.variation.length_scale == ()
    assert len({task.variation.payload for task in varied}) == 5


def test_widening_one_range_leaves_other_draws_alone(rigid_arm: Robot) -> None:
    wider = dataclasses.replace(VARIED, inertia_scale=(0.5, 2.0))
    draw = VARIED.sample(np.random.default_rng(0), rigid_arm)
    other = wider.sample(np.random.default_rng(0), rigid_arm)
    assert dataclasses.replace(other, inertia_scale=()) == draw


def test_start_and_goal_keep_clear_of_obstacles(rigid_arm: Robot) -> None:
    floor = HalfSpace("floor", np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.1]))
    robot = dataclasses.replace(rigid_arm, obstacles=(floor,))
    sampler = TaskSampler(robot)
    for region in REGIONS:
        for task in sampler.sample(30, region, 0):
            assert task.goal[2] >= 0.12
            assert sampler.workspace.end_effector(task.start[None])[0, 2] >= 0.12


def test_largest_reach_of_the_rigid_arm_is_its_length(sampler: TaskSampler) -> None:
    np.testing.assert_allclose(sampler.workspace.shoulder, [0.0, 0.0, 0.3], atol=1e-12)
    assert sampler.workspace.max_reach == pytest.approx(0.75, abs=1e-6)


def test_unlimited_joints_have_no_limit_to_be_near(rigid_arm: Robot) -> None:
    free = dataclasses.replace(rigid_arm, position_limits=np.tile([-np.inf, np.inf], (3, 1)))
    workspace = Workspace(free)
    assert len(workspace.pool["joint-limit"]) == 0
    np.testing.assert_array_equal(workspace.ranges, np.tile([-np.pi, np.pi], (3, 1)))
    with pytest.raises(TaskError, match="no configuration in region 'joint-limit'"):
        TaskSampler(free).sample(1, "joint-limit")


def test_mistakes_are_named(rigid_arm: Robot, sampler: TaskSampler) -> None:
    with pytest.raises(TaskError, match="interior, boundary, singular, joint-limit"):
        sampler.sample(1, "edge")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="payload"):
        VariationSettings(payload=(2.0, 1.0))
    with pytest.raises(SettingsError, match="boundary_reach"):
        RegionSettings(boundary_reach=1.5)
