"""The safety filter around the environment."""

import gymnasium
import numpy as np
import pytest

from ampc.environments import FlexibleArmEnv
from ampc.environments.safety import SafetyFilterWrapper
from ampc.errors import SettingsError


def test_actions_pass_through_the_filter() -> None:
    env = SafetyFilterWrapper(gymnasium.make("ampc/FlexibleArm-v0"))
    observation, _ = env.reset(seed=1000)
    assert env.observation_space.contains(observation)
    for action in (np.ones(3, np.float32), -np.ones(3, np.float32)):
        _, reward, terminated, _, info = env.step(action)
        assert np.isfinite(reward)
        assert not terminated
        np.testing.assert_allclose(info["nominal_torque"], action * env.unwrapped.robot.torque_limits[:, 1])
        np.testing.assert_allclose(info["applied_torque"], info["filtered_torque"], atol=1e-5)
        assert info["filter_decision"] in ("passed", "modified", "backup", "uncertified")
    assert len(env.filter.history) == 2
    assert isinstance(env.unwrapped, FlexibleArmEnv)


def test_other_environments_are_refused() -> None:
    with pytest.raises(SettingsError, match="FlexibleArmEnv"):
        SafetyFilterWrapper(gymnasium.make("ampc/RigidArm-v0"))
