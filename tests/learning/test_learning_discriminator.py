"""Rewards learned from demonstrations: what can be told apart, what is recovered, what is remembered."""

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde

from ampc.errors import SettingsError
from ampc.learning.reinforcement.demonstrations import Demonstrations
from ampc.learning.reinforcement.density import DensityReward, DensitySettings
from ampc.learning.reinforcement.discriminator import (
    AirlDiscriminator,
    DiscriminatorTrainer,
    GailDiscriminator,
    Steps,
)
from ampc.learning.reinforcement.discriminator_settings import DiscriminatorSettings

FEATURES, ACTIONS = 4, 2


def steps(count: int, shift: float, rng: np.random.Generator) -> Steps:
    parts = [rng.normal(shift, 1.0, (count, size)) for size in (FEATURES, ACTIONS, FEATURES)]
    return Steps(*(torch.from_numpy(part).float() for part in parts))


def shown_by(pairs: torch.Tensor) -> Demonstrations:
    features = pairs[:, :FEATURES]
    return Demonstrations(features, pairs[:, FEATURES:], features, (np.zeros(FEATURES), np.ones(FEATURES)))


def nothing(some: Steps) -> torch.Tensor:
    return torch.zeros(len(some.features))


def test_gail_tells_apart_what_can_be_told_apart():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = GailDiscriminator(np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 32)
    trainer = DiscriminatorTrainer(model, DiscriminatorSettings(learning_rate=3e-3, gradient_penalty=0.01))
    for _ in range(200):
        logged = trainer.update(steps(128, 1.5, rng), steps(128, -1.5, rng), nothing)
    assert logged["discriminator loss"] < 0.1
    assert min(logged["expert seen as expert"], logged["agent seen as agent"]) > 0.97
    with torch.no_grad():
        expert, agent = model.reward(steps(500, 1.5, rng)), model.reward(steps(500, -1.5, rng))
    assert float(expert.mean()) > 1.0
    assert float(agent.mean()) < -1.0


def test_noise_hides_what_is_small_beside_the_demonstrations():
    """Steps that differ by a hundredth of a deviation are told apart without noise, and not with it."""
    right = []
    for noise in (0.0, 1.0):
        torch.manual_seed(0)
        model = GailDiscriminator(np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 16)
        settings = DiscriminatorSettings(learning_rate=1e-2, gradient_penalty=0.0, noise=noise)
        trainer = DiscriminatorTrainer(model, settings)

        def shown(offset: float) -> Steps:
            return Steps(torch.full((256, FEATURES), offset), torch.randn(256, ACTIONS), torch.zeros(256, 1))

        logs = [trainer.update(shown(0.02), shown(0.0), nothing) for _ in range(300)]
        right.append(np.mean([log["discriminator loss"] for log in logs[-50:]]))
    assert right[0] < 0.1
    assert right[1] > 0.6


@pytest.mark.parametrize("kind", ["gail", "airl"])
def test_rewards_go_on_falling_far_from_what_was_shown(kind):
    """An agent that flings its arm about must be told which way is less so, however far off it is."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    given = np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 32
    model = GailDiscriminator(*given) if kind == "gail" else AirlDiscriminator(*given, 0.9)
    trainer = DiscriminatorTrainer(model, DiscriminatorSettings(learning_rate=1e-3))
    for _ in range(300):
        trainer.update(steps(128, 0.0, rng), steps(128, 4.0, rng), nothing)
    far = torch.tensor([8.0, 16.0, 32.0])[:, None]
    with torch.no_grad():
        at = model.reward(
            Steps(far * torch.ones(3, FEATURES), torch.ones(3, ACTIONS), far * torch.ones(3, FEATURES))
        )
    assert at[0] - at[1] > 0.5
    assert at[1] - at[2] > 0.5


def test_gail_cannot_tell_the_same_apart():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = GailDiscriminator(np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 16)
    trainer = DiscriminatorTrainer(model, DiscriminatorSettings(learning_rate=1e-3))
    losses = [
        trainer.update(steps(256, 0.0, rng), steps(256, 0.0, rng), nothing)["discriminator loss"]
        for _ in range(150)
    ]
    assert np.mean(losses[-50:]) == pytest.approx(np.log(2.0), abs=0.02)


def test_airl_finds_the_density_of_the_expert():
    """With pi(a) known, the best f is log pi_expert(a): here for one state and Gaussian actions."""
    torch.manual_seed(0)
    expert, agent = torch.distributions.Normal(0.5, 0.4), torch.distributions.Normal(0.0, 1.0)

    def drawn(distribution, count=1024):
        state = torch.zeros(count, 1)
        return Steps(state, distribution.sample((count, 1)), state)

    model = AirlDiscriminator(np.zeros(1), np.ones(1), 1, 32, gamma=0.9)
    settings = DiscriminatorSettings(learning_rate=5e-3, gradient_penalty=0.0, noise=0.0)
    trainer = DiscriminatorTrainer(model, settings)
    for _ in range(600):
        trainer.update(drawn(expert), drawn(agent), lambda some: agent.log_prob(some.actions)[:, 0])
    actions = torch.linspace(-0.3, 1.3, 17)[:, None]
    state = torch.zeros(17, 1)
    with torch.no_grad():
        found = model.reward(Steps(state, actions, state))
    np.testing.assert_allclose(found, expert.log_prob(actions)[:, 0], atol=0.25)


def test_airl_has_a_shaping_that_depends_on_states_alone():
    torch.manual_seed(0)
    model = AirlDiscriminator(np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 8, gamma=0.7)
    some = steps(20, 0.0, np.random.default_rng(0))
    with torch.no_grad():
        own = model.own(torch.cat([some.features, some.actions], 1))[:, 0]
        shaping = 0.7 * model.shaping(some.following)[:, 0] - model.shaping(some.features)[:, 0]
        torch.testing.assert_close(model.reward(some), own + shaping)
        probability = torch.randn(20)
        torch.testing.assert_close(model.logit(some, probability), own + shaping - probability)


def test_a_trainer_goes_on_where_it_was():
    def trained(stop: int | None) -> Steps:
        torch.manual_seed(0)
        rng = np.random.default_rng(0)

        def make():
            model = GailDiscriminator(np.zeros(FEATURES), np.ones(FEATURES), ACTIONS, 8)
            return DiscriminatorTrainer(model, DiscriminatorSettings())

        trainer = make()
        for number in range(6):
            if number == stop:
                state = trainer.state()
                with torch.random.fork_rng():  # checkpoints hold the state of random numbers beside it
                    trainer = make()
                trainer.restore(state)
            trainer.update(steps(16, 1.0, rng), steps(16, 0.0, rng), nothing)
        return trainer.discriminator.state_dict()

    for one, other in zip(trained(None).values(), trained(3).values(), strict=True):
        assert torch.equal(one, other)


def test_density_is_that_of_scipy():
    """SciPy scales its kernel by the data's covariance; of whitened data that is the unit matrix."""
    rng = np.random.default_rng(0)
    count, size, width = 200, FEATURES + ACTIONS, 0.5
    raw = rng.normal(size=(count, size)) @ rng.normal(size=(size, size))
    raw -= raw.mean(axis=0)
    pairs = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / count)).T
    scales, shifts = rng.uniform(0.1, 5.0, size), rng.normal(size=size)
    data = torch.from_numpy(pairs * scales + shifts)
    shown = shown_by(data)
    density = DensityReward(shown, DensitySettings(bandwidth=width))
    asked = rng.normal(size=(30, size))
    found = density.log_density(*np.split(asked * scales + shifts, [FEATURES], axis=1))
    expected = gaussian_kde(pairs.T, width * np.sqrt((count - 1) / count)).logpdf(asked.T)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_density_rewards_are_cut_where_nothing_was_shown():
    rng = np.random.default_rng(0)
    data = torch.from_numpy(rng.normal(size=(300, FEATURES + ACTIONS)))
    density = DensityReward(shown_by(data), DensitySettings(reach=40.0))
    far = np.linspace(0.0, 1e4, 50)[:, None] * np.ones(FEATURES)
    rewards = density(far, np.zeros((50, ACTIONS)))
    assert rewards[0] > -1.0
    assert rewards[-1] == rewards.min() == -1.0
    shown = density(data[:, :FEATURES].numpy(), data[:, FEATURES:].numpy())
    assert abs(np.median(shown)) < 0.02
    logs = density.log_density(data[:, :FEATURES].numpy(), data[:, FEATURES:].numpy())
    np.testing.assert_allclose(np.diff(shown), np.diff(logs) / 40.0, atol=1e-12)


def test_density_of_columns_that_never_change():
    data = torch.zeros(10, FEATURES + ACTIONS, dtype=torch.float64)
    data[:, 0] = torch.arange(10)
    shown = shown_by(data)
    density = DensityReward(shown, DensitySettings(kernels=5))
    rewards = density(
        np.zeros((3, FEATURES), np.float32), np.ones((3, ACTIONS), np.float32) * [[0], [1], [9]]
    )
    assert np.isfinite(rewards).all()
    assert rewards[0] > rewards[1] > rewards[2]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (DensitySettings, "bandwidth", 0.0),
        (DensitySettings, "kernels", 0),
        (DensitySettings, "reach", 0.0),
        (DiscriminatorSettings, "updates", 0),
        (DiscriminatorSettings, "noise", -1.0),
        (DiscriminatorSettings, "reward_scale", 0.0),
    ],
)
def test_impossible_settings_are_refused(kind, field, value):
    with pytest.raises(SettingsError, match=field):
        kind(**{field: value})


class TestMemory:
    @pytest.fixture
    def buffer(self):
        pytest.importorskip("stable_baselines3")
        from gymnasium.spaces import Box

        from ampc.learning.reinforcement.rewarded_memory import RewardedBuffer

        buffer = RewardedBuffer(
            20, Box(-np.inf, np.inf, (FEATURES,)), Box(-1.0, 1.0, (ACTIONS,)), "cpu", n_envs=2
        )
        buffer.reward_of = lambda some: some.features[:, 0] + 10.0 * some.actions[:, 0]
        for step in range(13):  # of ten rows, the last of which are written over
            rows = np.full((2, FEATURES), step, np.float32)
            buffer.add(
                rows, rows + 1, np.full((2, ACTIONS), 0.1, np.float32), np.zeros(2), np.zeros(2), [{}] * 2
            )
        return buffer

    def test_rewards_are_what_the_discriminator_says_now(self, buffer):
        found = buffer.sample(50)
        torch.testing.assert_close(found.rewards[:, 0], found.observations[:, 0] + 1.0)

    def test_what_was_given_on_the_way_is_added(self, buffer):
        buffer.rewards[:] = 5.0
        found = buffer.sample(50)
        torch.testing.assert_close(found.rewards[:, 0], found.observations[:, 0] + 6.0)

    def test_recent_steps_are_the_last_ones(self, buffer):
        recent = buffer.recent(200, 4)
        assert set(recent.features[:, 0].tolist()) == {9.0, 10.0, 11.0, 12.0}
        torch.testing.assert_close(recent.following, recent.features + 1.0)

    def test_half_of_what_is_given_is_in_a_mirror(self, buffer):
        buffer._mirror = torch.tensor([1.0, -1.0, 1.0, 1.0]), torch.tensor([-1.0, 1.0])
        torch.manual_seed(0)
        found = buffer.sample(400)
        seen = found.observations[:, 1] < 0.0
        assert 0.4 < float(seen.float().mean()) < 0.6
        assert torch.equal(seen, found.next_observations[:, 1] < 0.0)
        assert torch.equal(seen, found.actions[:, 0] < 0.0)
        assert (found.observations[:, [0, 2, 3]] > 0.0).all()
        assert (found.actions[:, 1] > 0.0).all()
        expected = found.observations[:, 0] + 10.0 * found.actions[:, 0]
        torch.testing.assert_close(found.rewards[:, 0], expected)

    def test_more_than_there_are_is_all(self, buffer):
        assert set(buffer.recent(500, 1000).features[:, 0].tolist()) == set(range(3, 13))
