"""Shaping: rewards on the way depend on the ends of an episode alone."""

import dataclasses

import numpy as np
import pytest

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import SettingsError
from ampc.learning.dagger import Teaching
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.tasks import TaskSettings

pytest.importorskip("stable_baselines3")
from ampc.environments.loops import Views
from ampc.learning.reinforcement.arms_env import ArmsEnv
from ampc.learning.reinforcement.driving import Course
from ampc.learning.reinforcement.shaping import Shaping

DISCOUNT, DECISIONS = 0.9, 6


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    collection = CollectionSettings(seed=1000, max_duration=DECISIONS * 0.05, fixed_length=True, workers=1)
    return Lesson(Teaching(EpisodeSetup(), TaskSettings(), collection), demonstrations=0)


def test_the_sum_over_an_episode_is_that_of_its_ends(lesson):
    spec = lesson.specification()
    shaping = Shaping.of(spec, 2.0, DISCOUNT)
    plain, shaped = (
        ArmsEnv(lesson.arms(3), spec, lesson.drawing(), DECISIONS, shaping=each) for each in (None, shaping)
    )
    np.testing.assert_array_equal(plain.reset(), shaped.reset())
    first = shaped._potential.copy()
    rng = np.random.default_rng(0)
    gained = np.zeros(3)
    for step in range(DECISIONS - 1):
        action = rng.uniform(-0.3, 0.3, (3, 3))
        rewards = []
        for env in (plain, shaped):
            env.step_async(action)
            rewards.append(env.step_wait()[1].astype(np.float64))
        gained += DISCOUNT**step * (rewards[1] - rewards[0])
    np.testing.assert_allclose(gained, DISCOUNT ** (DECISIONS - 1) * shaped._potential - first, atol=1e-5)
    assert np.abs(gained).min() > 0.01
    for env in (plain, shaped):
        env.step_async(action)
        env.step_wait()
    assert plain.mean_reward == shaped.mean_reward
    assert plain.round == shaped.round == 2


def test_it_is_the_motors_that_count():
    shaping = Shaping(weight=2.0, discount=0.9, columns=(0, 3), motors=(0, 3))
    states, references = np.zeros((1, 10)), np.zeros((1, 5))
    states[0, [0, 3]], references[0, 0] = (4.0, 4.0), 1.0
    states[0, [1, 2, 7]] = 100.0
    assert shaping.potential(Views(states, references, np.zeros((1, 3)))) == pytest.approx(-10.0)


def test_distances_and_learned_rewards_are_shaped(lesson):
    spec = ExperienceSettings(arms=1, evaluation_tasks=1)
    none = dataclasses.replace(spec, shaping=0.0)
    learned = lambda features, actions: np.zeros(len(features))  # noqa: E731
    assert Course(lesson, spec, DISCOUNT).env._shaping == Shaping(3.0, DISCOUNT, (0, 1, 2), (0, 1, 2))
    assert Course(lesson, none, DISCOUNT).env._shaping is None
    assert Course(lesson, spec, DISCOUNT, learned).env._shaping is not None


def test_a_negative_weight_is_refused():
    with pytest.raises(SettingsError, match="shaping"):
        ExperienceSettings(shaping=-1.0)
