"""The Gymnasium environments of single arms."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import ampc.environments  # noqa: F401 - registers the environments
from ampc.control.feedback import Reference
from ampc.control.joint_mpc import JointMPC
from ampc.environments.score import ScoreSettings
from ampc.errors import SettingsError, TaskError
from ampc.robots import InverseKinematics, flexible_arm
from ampc.solvers.double_integrator import JointMPCSettings
from ampc.tasks import FlexibleTaskSampler, TaskSampler

IDS = ("ampc/RigidArm-v0", "ampc/FlexibleArm-v0")
INFO = {"distance", "success", "violation", "overspeed", "torque_at_limit", "failed"}


@pytest.fixture(params=IDS)
def env(request):
    made = gymnasium.make(request.param)
    yield made
    made.close()


def test_keeps_to_gymnasiums_interface_without_a_warning(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_keeps_to_stable_baselines3s_interface(env):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(env.unwrapped)


def test_spaces_are_bounded_and_normalised(env):
    assert np.isfinite(env.observation_space.low).all()
    assert np.isfinite(env.observation_space.high).all()
    np.testing.assert_array_equal(env.action_space.high, 1.0)
    np.testing.assert_array_equal(env.action_space.low, -1.0)


def test_a_seed_fixes_the_episodes_and_another_changes_them(env):
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(5)]

    def play(seed):
        seen = [env.reset(seed=seed)[0]]
        seen += [env.step(action)[0] for action in actions]
        seen.append(env.reset()[0])
        return np.array(seen)

    np.testing.assert_array_equal(play(3), play(3))
    assert np.abs(play(3) - play(4)).max() > 1e-3


def test_reward_is_minus_the_distance_in_the_info(env):
    env.reset(seed=1)
    for _ in range(10):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert reward == -info["distance"]
        assert not terminated
        assert not truncated
        assert set(info) >= INFO
        assert all(type(value) in (bool, float) for value in info.values())


@pytest.mark.parametrize(("name", "steps"), [(IDS[0], 60), (IDS[1], 750)])
def test_episodes_last_three_seconds(name, steps):
    env = gymnasium.make(name)
    env.reset(seed=0)
    idle = np.zeros(3, np.float32)
    truncations = [env.step(idle)[3] for _ in range(steps)]
    assert truncations == [False] * (steps - 1) + [True]


def test_observation_holds_what_the_table_says():
    env = gymnasium.make(IDS[1]).unwrapped
    task = FlexibleTaskSampler(flexible_arm(10)).sample(1, seed=9)[0]
    seen, _ = env.reset(options={"task": task})
    np.testing.assert_allclose(seen[:3], task.start)
    np.testing.assert_array_equal(seen[3:6], 0.0)
    np.testing.assert_allclose(seen[6:9], env._arm_plant.end_effector)
    np.testing.assert_array_equal(seen[9:12], task.goal)
    np.testing.assert_allclose(seen[12:], [0, 1, 0, 0, -0.15, 0.5, 0, 0, 1, 0, 0, 0])


def test_flexible_arm_sees_with_the_noise_of_its_sensors():
    env = gymnasium.make(IDS[1]).unwrapped
    env.reset(seed=0)
    plant, errors = env._arm_plant, []
    for _ in range(50):
        seen = env.step(np.zeros(3, np.float32))[0]
        errors.append(seen[6:9] - plant.end_effector)
    assert np.std(errors) == pytest.approx(0.01, rel=0.3)


def test_torque_follows_the_action(env):
    env = gymnasium.make(IDS[1]).unwrapped
    env.reset(seed=0)
    action = np.array([0.5, -1.0, 0.25], np.float32)
    info = env.step(action)[4]
    np.testing.assert_allclose(env._arm_plant.applied_torque, [10.0, -10.0, 2.5])
    assert info["torque_at_limit"]


def test_a_violation_is_reported_and_costs_what_was_said():
    score = ScoreSettings(violation_penalty=2.0)
    env = gymnasium.make(IDS[1], score=score)
    env.reset(seed=0)
    for _ in range(300):
        _, reward, _, _, info = env.step(np.array([0.0, -1.0, 0.0], np.float32))
        if info["violation"]:
            break
    assert info["violation"]
    named = [value for name, value in info.items() if name.startswith("violation/")]
    assert len(named) == 4
    assert any(named)
    assert reward == pytest.approx(-info["distance"] - 2.0)


def test_the_expert_succeeds_with_rigid_actions(rigid_arm):
    """An action is what the expert commands: its commands through the environment reach the goal."""
    env = gymnasium.make(IDS[0]).unwrapped
    task = TaskSampler(rigid_arm).sample(1, seed=2)[0]
    law = JointMPC(JointMPCSettings(), 3, solver="exact")
    law.reset(Reference(task.goal, InverseKinematics(rigid_arm).solve(task.goal).q))
    seen, info = env.reset(options={"task": task})
    assert not info["success"]
    for _ in range(60):
        seen, _, _, _, info = env.step((law.command(seen[:3], seen[3:6]) / 10.0).astype(np.float32))
    assert info["success"]
    assert info["distance"] < 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_action_ends_nothing(env, bad):
    env.reset(seed=0)
    seen, reward, _, truncated, _ = env.unwrapped.step(np.array([bad, 0.0, 0.0], np.float32))
    assert seen in env.observation_space
    assert np.isfinite(reward)
    assert not truncated


def test_a_failed_simulation_truncates_the_episode():
    env = gymnasium.make(IDS[1]).unwrapped
    before, _ = env.reset(seed=0)
    env._arm_plant._state = np.full_like(env._arm_plant._state, 1e200)
    seen, reward, terminated, truncated, info = env.step(np.zeros(3, np.float32))
    assert (terminated, truncated, info["failed"]) == (False, True, True)
    assert np.isfinite(reward)
    np.testing.assert_array_equal(seen, before)


def test_what_does_not_fit_is_refused(rigid_arm):
    with pytest.raises(SettingsError, match="without motors"):
        gymnasium.make(IDS[0], robot="flexible-arm")
    with pytest.raises(SettingsError, match="command_limit"):
        gymnasium.make(IDS[0], command_limit=0.0)
    with pytest.raises(SettingsError, match="violation_penalty"):
        ScoreSettings(violation_penalty=-1.0)
    task = TaskSampler(rigid_arm).sample(1)[0]
    with pytest.raises(TaskError, match="joints"):
        gymnasium.make(IDS[0]).reset(options={"task": replace(task, start=np.zeros(2), witness=np.zeros(2))})
