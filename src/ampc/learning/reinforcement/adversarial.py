"""An agent against a discriminator: what GAIL and AIRL have in common."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from stable_baselines3 import SAC
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.agents import Agent
from ampc.learning.reinforcement.arms_env import ArmsEnv
from ampc.learning.reinforcement.demonstrations import Demonstrations
from ampc.learning.reinforcement.discriminator import Discriminator, DiscriminatorTrainer, Steps
from ampc.learning.reinforcement.driving import train_sac
from ampc.learning.reinforcement.rewarded_memory import RewardedBuffer
from ampc.learning.reinforcement.rounds import Between, Part
from ampc.learning.reinforcement.sac_settings import AdversarialSettings
from ampc.policies.policy import Policy

MakeDiscriminator = Callable[[FloatArray, FloatArray, int], Discriminator]
"""A discriminator for features with a mean and a deviation (F,), and a number of actions."""

_EDGE = 0.999
"""Actions are cut to this before the density of a squashed Gaussian is taken, which is infinite at 1."""


def learn_against(
    make: MakeDiscriminator,
    lesson: Lesson,
    name: str,
    settings: AdversarialSettings,
    folder: Path,
    console: Console | None,
) -> Policy:
    """Soft actor-critic on the reward of a discriminator that is trained after every round.

    The agent learns off-policy from all that it remembers, with the reward that the discriminator gives by
    then; the discriminator sees the agent's recent rounds (Kostrikov et al. 2019, arXiv 1809.02925). Agents'
    episodes never terminate; what takes the place of absorbing states is in `Demonstrations.of`.

    Args:
        make: Makes the discriminator.
        lesson: The lesson.
        name: Of the algorithm.
        settings: The algorithm's own.
        folder: Receives demonstrations, checkpoint, logs and policy.
        console: Where progress goes; None for standard error.
    """
    own = settings.discriminator
    held = settings.experience.held(lesson.control_period)
    dataset = lesson.demonstrate(folder, console)
    shown = Demonstrations.of(dataset, lesson.specification(), held, lesson.steps)
    expert = Steps(shown.features, shown.actions, shown.following)

    def prepare(agent: Agent, env: ArmsEnv) -> tuple[Between, dict[str, Part]]:
        assert isinstance(agent, SAC)
        assert isinstance(agent.replay_buffer, RewardedBuffer)
        mean, deviation = shown.scale
        trainer = DiscriminatorTrainer(make(mean, deviation, shown.actions.shape[1]), own)
        buffer = agent.replay_buffer
        buffer.reward_of = lambda steps: own.reward_scale * trainer.discriminator.reward(steps)
        rows = own.recent * env.decisions

        def between() -> dict[str, float]:
            logged: dict[str, float] = {}
            for _ in range(own.updates):
                chosen = torch.randint(len(shown), (own.batch_size,))
                batch = Steps(*(part[chosen] for part in expert))
                logged = trainer.update(
                    batch, buffer.recent(own.batch_size, rows), lambda steps: log_probability(agent, steps)
                )
            return logged

        return between, {"discriminator": trainer}

    return train_sac(
        lesson,
        name,
        settings,
        folder,
        console,
        reward=lambda features, actions: np.zeros(len(features)),
        memory=RewardedBuffer,
        prepare=prepare,
        given=shown.digest,
    )


def log_probability(agent: SAC, steps: Steps) -> Tensor:
    """Logarithm of the density (B,) with which an agent would do what was done, its exploration included."""
    mean, log_deviation, _ = agent.actor.get_action_dist_params(steps.features)
    distribution = SquashedDiagGaussianDistribution(mean.shape[1])
    distribution.proba_distribution(mean, log_deviation)
    return distribution.log_prob(steps.actions.clamp(-_EDGE, _EDGE))
