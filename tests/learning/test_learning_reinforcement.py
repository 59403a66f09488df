"""Agents on many arms: what they leave behind is a policy, and a training can be stopped at any round."""

import csv
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from rich.console import Console

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import AmpcError, PolicyError, SettingsError
from ampc.learning.algorithms import algorithm_names, algorithm_of, algorithms
from ampc.learning.dagger import Teaching
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.agent_settings import PPOSettings, SACSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.learning.reinforcement.straight_tanh import straight_tanh
from ampc.policies.policy import Policy
from ampc.policies.settings import InputSettings, NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import load_robot
from ampc.settings import differences, from_dict, to_dict
from ampc.tasks import TaskSettings

ARMS, DECISIONS, ROUNDS = 2, 8, 4
QUIET = Console(quiet=True)
EXPERIENCE = ExperienceSettings(
    steps=ARMS * DECISIONS * ROUNDS - 5,
    arms=ARMS,
    evaluate_every=1,
    evaluation_tasks=1,
    checkpoint_seconds=0.0,
)
SHAPE = NetworkShape(16, 2)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    collection = CollectionSettings(seed=1000, max_duration=DECISIONS * 0.05, fixed_length=True, workers=1)
    return Lesson(Teaching(EpisodeSetup(), TaskSettings(), collection), demonstrations=3)


@pytest.fixture(scope="module")
def dataset(lesson, tmp_path_factory):
    return lesson.demonstrate(tmp_path_factory.mktemp("shown"), QUIET)


def settings_of(name: str, experience: ExperienceSettings = EXPERIENCE):
    kind = algorithm_of(name).settings
    if name == "ppo":
        return kind(experience, PPOSettings(batch_size=8, epochs=2), SHAPE)
    found = kind(experience, SACSettings(batch_size=16, learning_starts=12, buffer_size=40), SHAPE)
    if name in ("gail", "airl"):
        small = dataclasses.replace(found.discriminator, hidden_size=8, batch_size=8, updates=3, recent=2)
        found = dataclasses.replace(found, discriminator=small)
    return found


class TestInterface:
    def test_every_algorithm_of_the_issue_is_there(self):
        assert algorithm_names() == ("airl", "bc", "dagger", "density", "gail", "ppo", "sac")

    def test_names_are_those_of_modules(self):
        assert all(name == algorithm.name for name, algorithm in algorithms().items())

    @pytest.mark.parametrize("name", algorithm_names())
    def test_settings_have_defaults_and_files(self, name):
        kind = algorithm_of(name).settings
        assert from_dict(kind, to_dict(kind())) == kind()

    def test_an_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(SettingsError, match="airl, bc, dagger"):
            algorithm_of("trpo")

    def test_without_the_library_there_is_a_clear_word(self, monkeypatch):
        monkeypatch.setattr("ampc.learning.reinforcement.find_spec", lambda name: None)
        with pytest.raises(AmpcError, match=r"pip install 'ampc\[train,rl\]'"):
            require_stable_baselines()

    def test_algorithms_are_listed_without_what_they_need(self):
        """And those that only imitate do without Gymnasium and stable-baselines3 altogether."""
        code = (
            "import sys; sys.modules['gymnasium'] = sys.modules['stable_baselines3'] = None\n"
            "from ampc.cli.teach import is_lesson\n"
            "assert 'torch' not in sys.modules\n"
            "import ampc.learning.lesson\n"
            "from ampc.learning.algorithms import algorithms\n"
            "assert len(algorithms()) == 7"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize(("field", "value"), [("steps", 0), ("arms", 0), ("decision_time", -1.0)])
    def test_impossible_experience_is_refused(self, field, value):
        with pytest.raises(SettingsError, match=field):
            ExperienceSettings(**{field: value})


@pytest.mark.parametrize(("width", "largest"), [(64, 5e-3), (256, 3e-4)])
def test_a_tangent_in_straight_pieces_is_near(width, largest):
    torch.manual_seed(0)
    weight, bias = 0.3 * torch.randn(3, width), torch.randn(3)
    (first, first_bias), (second, second_bias) = straight_tanh(weight, bias)
    for scale in (1.0, 10.0):
        x = scale * torch.relu(torch.randn(5000, width))
        found = torch.relu(x @ first.T + first_bias) @ second.T + second_bias
        expected = torch.tanh(x @ weight.T + bias)
        assert float((found - expected).abs().max()) < largest


def test_a_layer_too_narrow_for_a_tangent_is_refused():
    with pytest.raises(PolicyError, match="too narrow"):
        straight_tanh(torch.zeros(3, 10), torch.zeros(3))


class TestAgents:
    @pytest.fixture(autouse=True)
    def _library(self):
        pytest.importorskip("stable_baselines3")

    @pytest.mark.parametrize("name", ["sac", "ppo"])
    def test_the_policy_does_what_the_agent_does_without_exploring(self, lesson, name):
        from ampc.learning.reinforcement.agents import make_ppo, make_sac, policy_of
        from ampc.learning.reinforcement.driving import Course
        from ampc.learning.reinforcement.statistics import normalise_by

        course = Course(lesson, EXPERIENCE, discount=0.98)
        shape = NetworkShape(128, 2)
        if name == "sac":
            agent = make_sac(course.env, SACSettings(), shape, 0)
        else:
            agent = make_ppo(course.env, PPOSettings(batch_size=8), shape, DECISIONS, 0)
        size = course.env.observation_space.shape[0]
        rng = np.random.default_rng(0)
        mean, deviation = rng.normal(size=size), rng.uniform(0.5, 2.0, size)
        normalise_by(agent.policy, mean, deviation)
        policy = policy_of(agent, lesson.specification(), mean, deviation)
        state = torch.from_numpy(rng.normal(size=(50, 1, 6))).float()
        reference, unread = torch.zeros(50, 3), torch.zeros(50, 3)
        with torch.inference_mode():
            command = policy.saturate(policy(state, reference, unread, unread[:, None]))
        features = policy.features.raw(state, reference, unread, unread[:, None])[:, 0].numpy()
        expected, _ = agent.predict(features, deterministic=True)
        np.testing.assert_allclose(command / policy.command_limit, expected, atol=2e-3)

    def test_an_agent_begins_as_the_policy_that_it_is_given(self, lesson, tmp_path):
        torch.manual_seed(0)
        given = Policy(lesson.specification(NetworkSettings("ffn", 16, 3)))
        given.features.mean.fill_(0.3)
        given.save(tmp_path / "given")
        steps = dataclasses.replace(EXPERIENCE, steps=1)
        settings = dataclasses.replace(settings_of("ppo", steps), begin_with=tmp_path / "given")
        frozen = dataclasses.replace(settings, ppo=PPOSettings(learning_rate=1e-12, batch_size=8))
        found = algorithm_of("ppo").learn(lesson, frozen, tmp_path / "tuned", QUIET)
        for mine, its in zip(found.state_dict().values(), given.state_dict().values(), strict=True):
            torch.testing.assert_close(mine, its)

    def test_policies_with_a_memory_are_refused(self, lesson):
        from ampc.learning.reinforcement.agents import require_plain_inputs

        spec = dataclasses.replace(lesson.specification(), inputs=InputSettings(history=3))
        with pytest.raises(PolicyError, match="history 1"):
            require_plain_inputs(spec)

    @pytest.mark.parametrize("name", ["sac", "ppo", "airl"])
    def test_a_training_that_went_on_ends_with_the_same_bits(self, lesson, name, tmp_path, monkeypatch):
        from ampc.learning.reinforcement.judge import Judge

        algorithm, settings = algorithm_of(name), settings_of(name)
        whole = algorithm.learn(lesson, settings, tmp_path / "whole", QUIET)
        measure, calls = Judge.measure, []

        def stop_at_the_third(self, policy):
            calls.append(None)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return measure(self, policy)

        monkeypatch.setattr(Judge, "measure", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            algorithm.learn(lesson, settings, tmp_path / "parts", QUIET)
        went_on = algorithm.learn(lesson, settings, tmp_path / "parts", QUIET)
        assert len(calls) == 3 + ROUNDS - 2
        for one, other in zip(whole.state_dict().values(), went_on.state_dict().values(), strict=True):
            assert torch.equal(one, other)
        curves = [(tmp_path / each / "training.csv").read_text().splitlines() for each in ("whole", "parts")]
        assert len(curves[0]) == 1 + ROUNDS
        seconds = curves[0][0].split(",").index("seconds")
        without_times = [[np.delete(line.split(","), seconds).tolist() for line in curve] for curve in curves]
        assert without_times[0] == without_times[1]
        assert Policy.load(tmp_path / "parts").spec.training["learner"] == name

    @pytest.mark.parametrize("name", ["sac", "ppo"])
    def test_a_training_may_go_on_with_more_steps_and_be_judged_less_often(self, lesson, name, tmp_path):
        algorithm, settings = algorithm_of(name), settings_of(name)
        half = dataclasses.replace(EXPERIENCE, steps=2 * ARMS * DECISIONS, evaluate_every=7)
        whole = algorithm.learn(lesson, settings, tmp_path / "whole", QUIET)
        algorithm.learn(lesson, dataclasses.replace(settings, experience=half), tmp_path / "parts", QUIET)
        went_on = algorithm.learn(lesson, settings, tmp_path / "parts", QUIET)
        for one, other in zip(whole.state_dict().values(), went_on.state_dict().values(), strict=True):
            assert torch.equal(one, other)

    def test_a_policy_that_was_taught_waits_for_its_critic(self, lesson, tmp_path):
        torch.manual_seed(0)
        given = Policy(lesson.specification(NetworkSettings("ffn", 16, 2)))
        given.save(tmp_path / "given")
        waiting = PPOSettings(batch_size=8, epochs=2, critic_rounds=2)
        settings = dataclasses.replace(settings_of("ppo"), ppo=waiting, begin_with=tmp_path / "given")
        for rounds, moved in ((2, False), (3, True)):
            short = dataclasses.replace(EXPERIENCE, steps=rounds * ARMS * DECISIONS)
            own = dataclasses.replace(settings, experience=short)
            found = algorithm_of("ppo").learn(lesson, own, tmp_path / "tuned", QUIET)
            same = [
                torch.equal(mine, its)
                for mine, its in zip(found.state_dict().values(), given.state_dict().values(), strict=True)
            ]
            assert all(same) != moved
        with (tmp_path / "tuned" / "training.csv").open() as file:
            losses = [float(row["train/value_loss"]) for row in csv.DictReader(file)]
        assert len(set(losses)) == len(losses) == 3

    @pytest.mark.parametrize("best", [0, 1, 3])
    def test_the_best_policy_is_kept(self, lesson, best, tmp_path, monkeypatch):
        """Across a stop too."""
        from ampc.learning.reinforcement.judge import Judge

        judged = []

        def measure(self, policy):
            if len(judged) == 2 and not stopped:
                stopped.append(True)
                raise KeyboardInterrupt
            judged.append({name: each.clone() for name, each in policy.state_dict().items()})
            reward = float(len(judged) == best + 1)
            return {"judged distance": 1.0, "judged reward": reward, "judged violating": 0.0}

        stopped = []
        monkeypatch.setattr(Judge, "measure", measure)
        settings = settings_of("ppo", dataclasses.replace(EXPERIENCE, keep_best=True))
        with pytest.raises(KeyboardInterrupt):
            algorithm_of("ppo").learn(lesson, settings, tmp_path, QUIET)
        found = algorithm_of("ppo").learn(lesson, settings, tmp_path, QUIET)
        assert len(judged) == ROUNDS
        for name, mine in found.state_dict().items():
            assert torch.equal(mine, judged[best][name])
            assert torch.equal(Policy.load(tmp_path).state_dict()[name], mine)

    def test_a_policy_is_asked_as_often_as_while_it_learned(self, lesson, tmp_path):
        slow = dataclasses.replace(EXPERIENCE, steps=1, decision_time=0.1)
        found = algorithm_of("ppo").learn(lesson, settings_of("ppo", slow), tmp_path / "slow", QUIET)
        assert found.spec.control_period == pytest.approx(2 * lesson.control_period)
        quick = dataclasses.replace(settings_of("ppo"), begin_with=tmp_path / "slow")
        with pytest.raises(SettingsError, match=r"decides every 0\.1 s"):
            algorithm_of("ppo").learn(lesson, quick, tmp_path / "tuned", QUIET)

    def test_the_cost_of_an_expert_without_one_is_refused(self, lesson, tmp_path):
        costly = dataclasses.replace(EXPERIENCE, reward="expert-cost")
        with pytest.raises(SettingsError, match="flexible links"):
            algorithm_of("ppo").learn(lesson, settings_of("ppo", costly), tmp_path, QUIET)

    def test_rewards_can_be_the_expert_s_cost(self):
        from ampc.environments.expert_cost import ExpertCost
        from ampc.experiments.flexible.policies import teaching
        from ampc.learning.reinforcement.arms_env import ArmsEnv
        from ampc.learning.reinforcement.driving import COST_UNIT, LARGEST_COST, expert_cost

        flexible = Lesson(teaching(0, duration=0.1))
        own = expert_cost(flexible)
        env = ArmsEnv(flexible.arms(2), flexible.specification(), flexible.drawing(), 4, 1, cost=own)
        env.reset()
        seen = []
        setup = flexible.teaching.setup
        whole = ExpertCost(setup.build_model(), setup.nmpc)
        step = env._loops.step
        env._loops.step = lambda commands: seen.append(step(commands)) or seen[-1]
        for action in (0.0, 0.05):
            env.step_async(np.full((2, 3), action))
            rewards = env.step_wait()[1]
            torque = env._loops.motion().applied_torque
            paid = whole.rate(seen[-1], torque) / COST_UNIT
            assert np.all(paid > 0.0)
            np.testing.assert_allclose(-rewards, np.minimum(paid, LARGEST_COST), rtol=1e-5)
        assert own(seen[-1], np.full((2, 3), 1e3)) == pytest.approx(LARGEST_COST)
        env.close()

    @pytest.mark.parametrize("name", ["gail", "density"])
    def test_imitation_by_driving_leaves_a_policy(self, lesson, name, tmp_path):
        short = dataclasses.replace(EXPERIENCE, steps=2 * ARMS * DECISIONS)
        found = algorithm_of(name).learn(lesson, settings_of(name, short), tmp_path, QUIET)
        again = Policy.load(tmp_path)
        assert again.spec.training["learner"] == name
        assert again.spec.training["control_steps"] == short.steps
        for one, other in zip(found.state_dict().values(), again.state_dict().values(), strict=True):
            assert torch.equal(one, other)

    def test_a_folder_of_another_training_is_refused(self, lesson, tmp_path):
        algorithm = algorithm_of("ppo")
        short = dataclasses.replace(EXPERIENCE, steps=1)
        algorithm.learn(lesson, settings_of("ppo", short), tmp_path, QUIET)
        other = dataclasses.replace(lesson, seed=1)
        with pytest.raises(SettingsError, match="seed: 0 -> 1"):
            algorithm.learn(other, settings_of("ppo", short), tmp_path, QUIET)

    def test_agents_meet_tasks_that_were_not_demonstrated_nor_are_judged_by(self, lesson):
        def identities(tasks):
            return {tuple(task.goal) for task in tasks}

        driven = identities(lesson.drawing()(range(20)))
        shown = lesson.drawing(1000)(range(lesson.demonstrations))
        judged = lesson.drawing(1900)(range(20))
        assert len(driven) == 20
        assert not driven & identities(shown)
        assert not driven & identities(judged)

    def test_there_is_no_filter_for_a_rigid_arm(self, lesson, tmp_path):
        filtered = dataclasses.replace(EXPERIENCE, filtered=True)
        with pytest.raises(SettingsError, match="flexible links"):
            algorithm_of("ppo").learn(lesson, settings_of("ppo", filtered), tmp_path, QUIET)

    def test_rewards_are_less_distance_and_penalty(self, lesson):
        from ampc.environments.score import ScoreSettings
        from ampc.learning.reinforcement.arms_env import ArmsEnv

        env = ArmsEnv(
            lesson.arms(2),
            lesson.specification(),
            lesson.drawing(),
            3,
            2,
            ScoreSettings(violation_penalty=1.0),
        )
        first = env.reset()
        for step in range(3):
            assert env.at_start == (step == 0)
            env.step_async(np.zeros((2, 3)))
            seen, rewards, dones, infos = env.step_wait()
            assert dones.all() == (step == 2)
        assert np.all(rewards < 0.0)
        assert all(info["TimeLimit.truncated"] for info in infos)
        assert not np.array_equal(infos[0]["terminal_observation"], seen[0])
        assert first.shape == seen.shape == (2, env.observation_space.shape[0])
        assert env.round == 2
        env.close()


@pytest.mark.parametrize("arm", ["rigid-arm", "flexible-arm-1"])
def test_running_statistics_are_those_of_all_rows(arm):
    pytest.importorskip("stable_baselines3")
    from ampc.learning.reinforcement.statistics import RunningStatistics
    from ampc.policies.features import Features

    robot = load_robot(arm)
    inputs = InputSettings(history=1) if arm == "rigid-arm" else flexible_inputs()
    features = Features(PolicySpec.for_robot(robot, 0.05, (1.0,) * 3, inputs=inputs))
    assert (features.symmetry is None) == (arm == "rigid-arm")
    rows = np.random.default_rng(0).normal(3.0, 2.0, (500, features.size))
    rows[:, 3] = 7.0
    found = RunningStatistics(features.size)
    for part in np.split(rows, [1, 40, 200]):
        found.add(part)
    features.fit(torch.from_numpy(rows))
    mean, deviation = found.scale(features.symmetry)
    np.testing.assert_allclose(mean, features.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(deviation, features.deviation, rtol=1e-5)


def test_identities_name_what_differs():
    assert differences(to_dict(PPOSettings()), to_dict(PPOSettings(epochs=3))) == ["epochs: 10 -> 3"]


class TestDemonstrations:
    def test_pairs_are_what_was_seen_and_done(self, lesson, dataset):
        from ampc.learning.reinforcement.demonstrations import Demonstrations

        shown = Demonstrations.of(dataset, lesson.specification(), 2)
        assert len(shown) == sum(length - 2 for length in dataset.episode_lengths)
        assert float(shown.actions.abs().max()) <= 1.0
        first = dataset.frames["observation.state"][: dataset.episode_lengths[0]]
        reference = dataset.frames["observation.reference"][0]
        error = first - np.concatenate([reference, np.zeros(3)])
        count = len(first) - 2
        np.testing.assert_allclose(shown.features[:count], error[:-2], atol=1e-5)
        np.testing.assert_allclose(shown.following[:count], error[2:], atol=1e-5)
        commands = dataset.frames["action"][:count] / 10.0
        np.testing.assert_allclose(shown.actions[:count], np.clip(commands, -1.0, 1.0), atol=1e-6)

    def test_an_arm_that_has_settled_stays_where_it_is(self, lesson, dataset):
        """Demonstrations that ended early go on with their last step, others end."""
        from ampc.learning.reinforcement.demonstrations import Demonstrations

        held, longer = 2, DECISIONS + 5
        settled = dataclasses.replace(dataset, episodes={"settled_at": [None, 0.1, 0.2]})
        shown = Demonstrations.of(settled, lesson.specification(), held, longer)
        plain = Demonstrations.of(dataset, lesson.specification(), held)
        count, lengths = len(plain), dataset.episode_lengths - held
        assert len(shown) == count + 2 * 5
        for name in ("features", "actions", "following"):
            own, found = getattr(plain, name), getattr(shown, name)
            torch.testing.assert_close(found[:count], own)
            for number, last in enumerate((lengths[:2].sum() - 1, count - 1)):
                lasting = found[count + 5 * number : count + 5 * (number + 1)]
                torch.testing.assert_close(lasting, own[last].expand(5, -1))

    def test_demonstrations_as_long_as_an_episode_stay_what_they_are(self, lesson, dataset):
        from ampc.learning.reinforcement.demonstrations import Demonstrations

        settled = dataclasses.replace(dataset, episodes={"settled_at": [0.1, 0.1, 0.1]})
        shown = Demonstrations.of(settled, lesson.specification(), 2, lesson.steps)
        assert shown.digest == Demonstrations.of(dataset, lesson.specification(), 2).digest

    def test_actions_longer_than_episodes_are_refused(self, lesson, dataset):
        from ampc.errors import DatasetError
        from ampc.learning.reinforcement.demonstrations import Demonstrations

        with pytest.raises(DatasetError, match="no episode"):
            Demonstrations.of(dataset, lesson.specification(), 1000)

    def test_a_training_with_other_demonstrations_is_refused(self, lesson, tmp_path):
        pytest.importorskip("stable_baselines3")
        short = settings_of("gail", dataclasses.replace(EXPERIENCE, steps=1))
        algorithm_of("gail").learn(lesson, short, tmp_path, QUIET)
        fewer = dataclasses.replace(lesson, demonstrations=2)
        with pytest.raises(SettingsError, match="demonstrations: 3 -> 2"):
            algorithm_of("gail").learn(fewer, short, tmp_path, QUIET)
