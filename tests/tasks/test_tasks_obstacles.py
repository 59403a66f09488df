"""Obstacles of tasks: walls are drawn by task alone, starts and goals keep clear, files keep them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ampc.chain import YawChain
from ampc.chain.statics import rest_shape
from ampc.errors import SettingsError, TaskError
from ampc.plants import FlexiblePlant
from ampc.robots import HalfSpace, Robot, load_robot
from ampc.settings import from_dict, to_dict
from ampc.tasks import (
    FLEXIBLE_REGIONS,
    FlexibleRegion,
    FlexibleTaskSampler,
    FlexibleTaskSettings,
    Task,
    VariationSettings,
    WallSettings,
    among,
    load_tasks,
    save_tasks,
)

ANYWHERE = WallSettings((0.05, 0.4), (-np.pi, np.pi))
NOISY = VariationSettings(position_noise=(0.0, 1e-3))


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm-1")


def sample(
    arm: Robot, walls: WallSettings | None, region: FlexibleRegion, n: int, first: int = 0
) -> list[Task]:
    settings = FlexibleTaskSettings(walls=walls, variation=NOISY)
    return FlexibleTaskSampler(arm, settings).sample(n, region, seed=1003, first=first)


def points_at_rest(arm: Robot, motors: np.ndarray) -> np.ndarray:
    q = rest_shape(arm, motors)
    return YawChain.from_robot(arm).points(np.concatenate([q, np.zeros_like(q)]))[0]


@pytest.mark.parametrize("region", FLEXIBLE_REGIONS)
def test_walls_are_within_their_ranges_and_starts_and_goals_keep_clear(
    arm: Robot, region: FlexibleRegion
) -> None:
    tasks = sample(arm, ANYWHERE, region, 40)
    distances, directions = [], []
    for task in tasks:
        assert task.obstacles is not None
        wall, ground = task.obstacles
        assert (wall.name, ground) == ("wall", arm.obstacles[1])
        assert_allclose(np.linalg.norm(wall.normal), 1.0, atol=1e-12)
        assert wall.normal[2] == 0.0
        distances.append(float(wall.distance(np.zeros(3))))
        directions.append(np.arctan2(-wall.normal[1], -wall.normal[0]))
        for motors in (task.start, task.witness):
            points = points_at_rest(arm, motors)
            assert (wall.distance(points) > 0.01).all()
            assert (ground.distance(points) > 0.0).all()
        assert_allclose(points[0], task.goal, atol=1e-9)
    assert 0.05 <= min(distances) < 0.15 < 0.3 < max(distances) <= 0.4
    assert min(directions) < -2.0
    assert max(directions) > 2.0


@pytest.mark.parametrize("region", FLEXIBLE_REGIONS)
def test_a_wall_as_far_as_the_robots_is_the_world_turned(arm: Robot, region: FlexibleRegion) -> None:
    turn = 0.7
    walls = WallSettings((0.15, 0.15), (-np.pi / 2 + turn, -np.pi / 2 + turn))
    usual, turned = sample(arm, None, region, 10), sample(arm, walls, region, 10)
    about = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    for one, other in zip(usual, turned, strict=True):
        assert one.obstacles is None
        assert_allclose(other.start - one.start, [turn, 0.0, 0.0], atol=1e-12)
        assert_allclose(other.witness - one.witness, [turn, 0.0, 0.0], atol=1e-12)
        assert_allclose(other.goal, about @ one.goal, atol=1e-9)
        assert (other.seed, other.variation) == (one.seed, one.variation)


def test_a_task_depends_on_its_index_alone(arm: Robot) -> None:
    together = sample(arm, ANYWHERE, "random", 12)
    for first in (0, 5, 11):
        (alone,) = sample(arm, ANYWHERE, "random", 1, first)
        same = together[first]
        for name in ("start", "goal", "witness"):
            assert_array_equal(getattr(alone, name), getattr(same, name))
        assert alone.obstacles is not None
        assert same.obstacles is not None
        assert_array_equal(alone.obstacles[0].normal, same.obstacles[0].normal)
        assert_array_equal(alone.obstacles[0].point, same.obstacles[0].point)
        assert (alone.seed, alone.variation) == (same.seed, same.variation)


def test_tasks_with_walls_are_kept_in_files(arm: Robot, tmp_path: Path) -> None:
    tasks = sample(arm, ANYWHERE, "near-wall", 3)
    tasks[1] = replace(tasks[1], obstacles=None)
    save_tasks(tmp_path / "tasks.parquet", tasks, arm)
    for task, kept in zip(tasks, load_tasks(tmp_path / "tasks.parquet", arm), strict=True):
        assert_array_equal(kept.start, task.start)
        if task.obstacles is None:
            assert kept.obstacles is None
            continue
        assert kept.obstacles is not None
        for obstacle, same in zip(task.obstacles, kept.obstacles, strict=True):
            assert same.name == obstacle.name
            assert_array_equal(same.normal, obstacle.normal)
            assert_array_equal(same.point, obstacle.point)


def test_a_robot_among_other_obstacles(arm: Robot) -> None:
    (usual,) = sample(arm, None, "random", 1)
    (task,) = sample(arm, ANYWHERE, "random", 1)
    assert among(arm, usual) is arm
    assert among(arm, task).obstacles == task.obstacles
    assert among(arm, task).fingerprint != arm.fingerprint
    assert task.obstacles is not None
    for wrong in (task.obstacles[:1], (*task.obstacles, task.obstacles[0]), task.obstacles[::-1], ()):
        with pytest.raises(TaskError, match=f"task 0 has {len(wrong)} obstacles .* has 2 \\(wall, ground\\)"):
            FlexiblePlant(arm).reset(replace(task, obstacles=wrong))


def test_a_start_is_refused_inside_the_tasks_own_wall(arm: Robot) -> None:
    (task,) = sample(arm, None, "random", 1)
    plant = FlexiblePlant(arm)
    plant.reset(task)
    points = points_at_rest(arm, task.start)
    beyond = points[:, 1].max() + 0.02
    wall = HalfSpace("wall", np.array([0.0, 1.0, 0.0]), np.array([0.0, beyond, 0.0]))
    with pytest.raises(TaskError, match="inside 'wall'"):
        plant.reset(replace(task, obstacles=(wall, arm.obstacles[1])))


@pytest.mark.parametrize(
    ("normal", "point"),
    [([0.0, 2.0, 0.0], [0.0, 0.0, 0.0]), ([0.0, 1.0, 0.0], [0.0, np.nan, 0.0]), ([np.inf, 0, 0], [0.0] * 3)],
)
def test_obstacles_that_are_none_are_refused(arm: Robot, normal: list[float], point: list[float]) -> None:
    (task,) = sample(arm, None, "random", 1)
    wall = HalfSpace("wall", np.array(normal), np.array(point))
    with pytest.raises(TaskError, match="obstacle 'wall' needs a unit normal"):
        replace(task, obstacles=(wall, arm.obstacles[1]))


def test_settings_are_checked(arm: Robot) -> None:
    settings = FlexibleTaskSettings(walls=ANYWHERE)
    assert from_dict(FlexibleTaskSettings, to_dict(settings)) == settings
    assert FlexibleTaskSettings().walls is None
    with pytest.raises(SettingsError, match=r"walls\.direction has the range"):
        WallSettings((0.1, 0.2), (1.0, 0.0))
    with pytest.raises(SettingsError, match=r"walls\.distance begins at 0"):
        WallSettings((0.0, 0.2))
    for name, message in (("fence", "the obstacles of .* are: wall, ground"), ("ground", "not upright")):
        with pytest.raises(SettingsError, match=message):
            FlexibleTaskSampler(arm, FlexibleTaskSettings(walls=replace(ANYWHERE, name=name)))
