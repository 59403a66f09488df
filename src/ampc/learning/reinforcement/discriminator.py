"""Networks that tell the expert's steps from the agent's: GAIL's and AIRL's, and how they are trained."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.learning.reinforcement.discriminator_settings import DiscriminatorSettings

LEAST_LOG_PROBABILITY = -10.0
"""What an agent would hardly ever do counts as this likely: the expert's steps are e^-1000 to an agent that
explores little, and a discriminator that sees that has nothing left to find out about them."""


class Steps(NamedTuple):
    """B steps; features are not normalised."""

    features: Tensor
    """Of the states (B, F)."""
    actions: Tensor
    """What was done there (B, m)."""
    following: Tensor
    """Features of the states after it (B, F)."""


class _Scaled(nn.Module):
    """Normalisation by given statistics."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: FloatArray, deviation: FloatArray) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("deviation", torch.from_numpy(deviation).float())

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation


class Discriminator(nn.Module):
    """Base: the logit of ``D``, the probability that a step is the expert's."""

    scaled: _Scaled

    def logit(self, steps: Steps, log_probability: Tensor) -> Tensor:
        """Logit (B,) of steps; ``log_probability`` (B,) is that of the agent to do the same."""
        raise NotImplementedError

    def reward(self, steps: Steps) -> Tensor:
        """Reward (B,) that the agent has for steps."""
        raise NotImplementedError


def _perceptron(inputs: int, width: int) -> nn.Sequential:
    """Two hidden layers that do not saturate: of two arms that are flung about, the slower is preferred."""
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, width, width]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


class GailDiscriminator(Discriminator):
    """Generative adversarial imitation learning (Ho and Ermon 2016, arXiv 1606.03476).

    With D(s, a) the probability that a pair is the expert's, the discriminator maximises::

        E_expert[log D(s, a)] + E_agent[log(1 - D(s, a))]

    and the agent is rewarded by ``log D - log(1 - D)``, the logit, as in off-policy versions (Kostrikov et
    al. 2019, arXiv 1809.02925). The ``-log(1 - D)`` of the paper (which has D the other way round) is zero
    wherever the discriminator is sure, and it soon is: then nothing says which way the expert is.
    """

    def __init__(self, mean: FloatArray, deviation: FloatArray, actions: int, width: int) -> None:
        """Make it for features with that mean and deviation (F,), and a number of actions."""
        super().__init__()
        self.scaled = _Scaled(mean, deviation)
        self.network = _perceptron(len(mean) + actions, width)

    def logit(self, steps: Steps, log_probability: Tensor) -> Tensor:
        """Logit (B,) of D; the agent's own probability is not used."""
        found: Tensor = self.network(torch.cat([self.scaled(steps.features), steps.actions], dim=1))
        return found[:, 0]

    def reward(self, steps: Steps) -> Tensor:
        """Reward (B,): the logit."""
        return self.logit(steps, steps.features.new_zeros(()))


class AirlDiscriminator(Discriminator):
    """Adversarial inverse reinforcement learning (Fu, Luo and Levine 2018, arXiv 1710.11248).

    The logit is made of a reward and of how likely the agent is to do the same::

        D = exp f / (exp f + pi(a | s)),   logit = f(s, a, s') - log pi(a | s)
        f(s, a, s') = g(s, a) + gamma h(s') - h(s)

    g is the reward that is sought, h a shaping that takes up what the dynamics alone decide. Where D can tell
    nothing, f = log pi_expert: the expert's advantage. The agent is rewarded by f; the paper's
    ``log D - log(1 - D) = f - log pi`` is the same less the entropy, which soft actor-critic adds by itself.
    """

    def __init__(
        self, mean: FloatArray, deviation: FloatArray, actions: int, width: int, gamma: float
    ) -> None:
        """Make it for features with that mean and deviation (F,), a number of actions, and a discount."""
        super().__init__()
        self.scaled = _Scaled(mean, deviation)
        self.own = _perceptron(len(mean) + actions, width)
        self.shaping = _perceptron(len(mean), width)
        self._gamma = gamma

    def logit(self, steps: Steps, log_probability: Tensor) -> Tensor:
        """Logit (B,): f less the logarithm of the agent's probability (B,)."""
        return self.reward(steps) - log_probability.clamp(min=LEAST_LOG_PROBABILITY)

    def reward(self, steps: Steps) -> Tensor:
        """Reward (B,): f."""
        before, after = self.scaled(steps.features), self.scaled(steps.following)
        found: Tensor = (
            self.own(torch.cat([before, steps.actions], dim=1))
            + self._gamma * self.shaping(after)
            - self.shaping(before)
        )
        return found[:, 0]


LogProbability = Callable[[Steps], Tensor]
"""Logarithm of the density (B,) with which the agent would do what was done in steps."""


class DiscriminatorTrainer:
    """Trains a discriminator by its cross-entropy, balanced, with a penalty on the gradient of the logit."""

    def __init__(self, discriminator: Discriminator, settings: DiscriminatorSettings) -> None:
        """Take the discriminator."""
        self.discriminator, self._settings = discriminator, settings
        self._optimiser = torch.optim.Adam(discriminator.parameters(), lr=settings.learning_rate)

    def update(self, expert: Steps, agent: Steps, log_probability: LogProbability) -> dict[str, float]:
        """One step on as many steps of the expert as of the agent; what there is to log."""
        half = len(expert.features)
        both = Steps(*(torch.cat(pair) for pair in zip(expert, agent, strict=True)))
        both = self._blurred(both, expert.actions.std(0))
        with torch.no_grad():
            probability = log_probability(both)
        inputs = Steps(*(part.detach().requires_grad_(True) for part in both))
        logits = self.discriminator.logit(inputs, probability)
        labels = torch.zeros_like(logits)
        labels[:half] = 1.0
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        total = loss
        if self._settings.gradient_penalty:
            used = (inputs.features, inputs.actions)
            scale = self.discriminator.scaled.deviation
            by_features, by_actions = torch.autograd.grad(logits.sum(), used, create_graph=True)
            squared = ((by_features * scale) ** 2).sum(1) + (by_actions**2).sum(1)
            total = loss + 0.5 * self._settings.gradient_penalty * squared.mean()
        self._optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        right = (logits > 0.0) == (labels > 0.5)
        return {
            "discriminator loss": float(loss.detach()),
            "expert seen as expert": float(right[:half].float().mean()),
            "agent seen as agent": float(right[half:].float().mean()),
        }

    def _blurred(self, steps: Steps, action_deviation: Tensor) -> Steps:
        """Steps with noise on them, see `DiscriminatorSettings.noise`."""
        if not self._settings.noise:
            return steps
        by_features = self._settings.noise * self.discriminator.scaled.deviation
        scales = Steps(by_features, self._settings.noise * action_deviation, by_features)
        return Steps(*(part + by * torch.randn_like(part) for part, by in zip(steps, scales, strict=True)))

    def state(self) -> dict[str, Any]:
        """All of it, as tensors and plain values."""
        return {"model": self.discriminator.state_dict(), "optimiser": self._optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.discriminator.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
