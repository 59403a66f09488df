"""Many arms at once are the same arms one by one."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.errors import TaskError
from ampc.plants import PUBLISHED_NOISE, FlexiblePlant, ManyArms
from ampc.robots import flexible_arm
from ampc.tasks import FlexibleTaskSampler
from ampc.tasks.task import PlantVariation

VARIATIONS = (
    PlantVariation(),
    PUBLISHED_NOISE,
    PlantVariation(stiffness_scale=0.9),
    PlantVariation(payload=0.03, input_delay=0.0053, position_noise=0.01),
    PlantVariation(input_delay=0.002),
)


@pytest.fixture(scope="module")
def arm():
    return flexible_arm(3)


@pytest.fixture(scope="module")
def tasks(arm):
    drawn = FlexibleTaskSampler(arm).sample(12, seed=5)
    return [replace(task, variation=VARIATIONS[i % len(VARIATIONS)]) for i, task in enumerate(drawn)]


def torques(arm, steps, count):
    drawn = np.random.default_rng(1).uniform(-1.2, 1.2, (steps, count, 3)) * arm.torque_limits[:, 1]
    drawn[2, 1, 0] = np.nan
    return drawn


@pytest.mark.parametrize("threads", [1, 3])
def test_each_arm_moves_and_measures_as_alone(arm, tasks, threads):
    many = ManyArms(arm, len(tasks), threads=threads)
    asked = torques(arm, 8, len(tasks))
    history = [many.reset(tasks)] + [many.step(torque) for torque in asked]
    single = FlexiblePlant(arm)
    for i, task in enumerate(tasks):
        measured = single.reset(task)
        for k, readings in enumerate(history):
            if k:
                measured = single.step(asked[k - 1, i])
            assert readings.time[i] == pytest.approx(measured.time)
            for name in ("q", "dq", "end_effector"):
                np.testing.assert_allclose(
                    getattr(readings, name)[i], getattr(measured, name), atol=1e-10, rtol=1e-10
                )
        np.testing.assert_allclose(many.points[i], single.points, atol=1e-10)
        np.testing.assert_array_equal(many.applied_torque[i], single.applied_torque)
        assert many.torque_saturated[i] == single.torque_saturated
    many.close()


def test_resetting_some_leaves_the_others_alone(arm, tasks):
    many = ManyArms(arm, 4)
    many.reset(tasks[:4])
    many.step(np.ones((4, 3)))
    q, time = many.q.copy(), many.time.copy()
    readings = many.reset([tasks[5], tasks[6]], rows=np.array([2, 0]))
    np.testing.assert_array_equal(many.q[[1, 3]], q[[1, 3]])
    np.testing.assert_array_equal(many.time, [0.0, time[1], 0.0, time[3]])
    np.testing.assert_allclose(many.q[2][arm.actuated], tasks[5].start)
    assert readings.q.shape == (2, 3)


def test_stepping_some_leaves_the_others_alone(arm, tasks):
    many = ManyArms(arm, 4)
    many.reset(tasks[:4])
    q = many.q.copy()
    many.step(np.ones((4, 3)), rows=np.array([1, 2]))
    np.testing.assert_array_equal(many.q[[0, 3]], q[[0, 3]])
    assert (np.abs(many.dq[[1, 2]]).max(axis=1) > 0).all()
    many.step(np.ones((4, 3)), rows=np.zeros(0, dtype=int))


def test_one_failing_arm_does_not_stop_the_others(arm, tasks):
    many = ManyArms(arm, 3)
    many.reset([tasks[0]] * 3)
    many._state[1, arm.n_joints :] = 1e200
    q = many.q.copy()
    for _ in range(2):
        many.step(np.ones((3, 3)))
        np.testing.assert_array_equal(many.unstable, [False, True, False])
    np.testing.assert_array_equal(many.q[1], q[1])
    np.testing.assert_array_equal(many.q[0], many.q[2])
    many.reset([tasks[0]], rows=np.array([1]))
    assert not many.unstable.any()


def test_a_bad_task_resets_no_arm(arm, tasks):
    many = ManyArms(arm, 2)
    many.reset(tasks[:2])
    many.step(np.ones((2, 3)))
    q = many.q.copy()
    below = replace(tasks[0], start=np.array([0.3, -0.8, 0.0]))
    with pytest.raises(TaskError, match="ground"):
        many.reset([tasks[1], below])
    np.testing.assert_array_equal(many.q, q)
    with pytest.raises(ValueError, match="2 tasks"):
        many.reset(tasks[:2], rows=np.array([0]))
    with pytest.raises(ValueError, match="shape"):
        many.step(np.ones((3, 3)))
