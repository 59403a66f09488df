"""The vector form is many single environments."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ampc.environments import PUBLISHED_TASKS, FlexibleArmVectorEnv
from ampc.robots import load_robot
from ampc.tasks import FlexibleTaskSampler

ID, COUNT, STEPS = "ampc/FlexibleArm-v0", 4, 5


@pytest.fixture
def vector():
    made = gymnasium.make_vec(ID, num_envs=COUNT, max_episode_steps=STEPS, robot="flexible-arm")
    yield made
    made.close()


@pytest.fixture
def singles():
    made = SyncVectorEnv([lambda: gymnasium.make(ID, max_episode_steps=STEPS, robot="flexible-arm")] * COUNT)
    yield made
    made.close()


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-10)


def test_registered_with_its_autoreset_mode(vector):
    assert isinstance(vector, FlexibleArmVectorEnv)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_equals_single_environments_step_by_step(vector, singles):
    """Over three episodes, automatic resets included."""
    assert vector.observation_space == singles.observation_space
    assert vector.action_space == singles.action_space
    (seen, info), (expected, expected_info) = vector.reset(seed=3), singles.reset(seed=3)
    np.testing.assert_allclose(seen, expected, atol=1e-10)
    assert_same(info, expected_info)
    vector.action_space.seed(0)
    for _ in range(3 * (STEPS + 1)):
        actions = vector.action_space.sample()
        ours, theirs = vector.step(actions), singles.step(actions)
        for mine, other in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-10)
        assert_same(ours[4], theirs[4])


def test_autoreset_gives_a_first_observation_and_no_reward(vector):
    vector.reset(seed=0)
    idle = np.zeros((COUNT, 3), np.float32)
    for _ in range(STEPS):
        *_, truncated, _ = vector.step(idle)
    assert truncated.all()
    seen, rewards, terminated, truncated, _ = vector.step(idle)
    np.testing.assert_array_equal(rewards, 0.0)
    assert not truncated.any()
    assert not terminated.any()
    assert np.abs(seen[:, 9:12] - vector.reset(seed=0)[0][:, 9:12]).max() > 1e-3


def test_a_failed_arm_is_truncated_and_begins_again(vector):
    vector.reset(seed=0)
    vector._arms._state[1] = 1e200
    idle = np.zeros((COUNT, 3), np.float32)
    seen, rewards, _, truncated, info = vector.step(idle)
    np.testing.assert_array_equal(truncated, [False, True, False, False])
    np.testing.assert_array_equal(info["failed"], truncated)
    assert np.isfinite(rewards).all()
    assert seen in vector.observation_space
    *_, truncated, info = vector.step(idle)
    assert not truncated.any()
    assert not info["failed"].any()


def test_seeds_may_be_given_one_by_one(vector):
    together = vector.reset(seed=5)[0]
    np.testing.assert_array_equal(vector.reset(seed=[5, 6, 7, 8])[0], together)
    with pytest.raises(ValueError, match="3 seeds"):
        vector.reset(seed=[1, 2, 3])


def test_returned_arrays_are_the_callers(vector):
    vector.reset(seed=0)
    idle = np.zeros((COUNT, 3), np.float32)
    first = vector.step(idle)
    kept = [first[0].copy(), first[4]["distance"].copy()]
    vector.step(idle)
    np.testing.assert_array_equal(first[0], kept[0])
    np.testing.assert_array_equal(first[4]["distance"], kept[1])


def test_default_tasks_have_the_published_noise():
    task = FlexibleTaskSampler(load_robot("flexible-arm"), PUBLISHED_TASKS).sample(1)[0]
    noise = task.variation
    assert (noise.position_noise, noise.velocity_noise, noise.end_effector_noise) == (1.7e-3, 45e-3, 10e-3)
