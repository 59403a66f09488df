"""Where walls of a task's own are drawn."""

import mujoco
import numpy as np
import pytest

from ampc.report.surroundings import drawn_among
from ampc.robots import Robot, load_robot
from ampc.tasks import FlexibleTaskSampler, FlexibleTaskSettings, Task, WallSettings


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm-1")


def task_of(arm: Robot, distance: float, direction: float) -> Task:
    walls = WallSettings((distance,) * 2, (direction,) * 2)
    return FlexibleTaskSampler(arm, FlexibleTaskSettings(walls=walls)).sample(1, "random", 1003)[0]


def faces(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Corners (8, 3) of the slab that is drawn, and their distances from the wall (8,)."""
    slab = robot.model.geom("wall")
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, slab.quat)
    corners = slab.pos + (signs * slab.size) @ turn.reshape(3, 3).T
    return corners, robot.obstacles[0].distance(corners)


@pytest.mark.parametrize(
    ("distance", "direction"), [(0.05, 0.0), (0.3, 2.5), (0.15, -np.pi / 2), (0.2, -3.0)]
)
def test_the_slab_stands_with_its_face_on_the_wall(arm: Robot, distance: float, direction: float) -> None:
    before, (own_corners, own) = arm.model.geom("wall").pos.copy(), faces(arm)
    moved = drawn_among(arm, task_of(arm, distance, direction))
    corners, depths = faces(moved)
    np.testing.assert_allclose(np.sort(depths), np.sort(own), atol=1e-9)
    assert depths.max() == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(np.sort(corners[:, 2]), np.sort(own_corners[:, 2]), atol=1e-9)
    np.testing.assert_array_equal(arm.model.geom("wall").pos, before)
    np.testing.assert_array_equal(moved.model.geom("ground").pos, arm.model.geom("ground").pos)


def test_a_task_without_walls_of_its_own_leaves_the_robot(arm: Robot) -> None:
    assert drawn_among(arm, FlexibleTaskSampler(arm).sample(1, "random", 1003)[0]) is arm
