"""Which states are worth a label: those on which an ensemble trained on the labels so far disagrees."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ampc.errors import SettingsError
from ampc.learning.labels import JointMPCOracle, Labelled
from ampc.learning.sobolev import spread, states_nearby
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.steps import minimise
from ampc.learning.windows import Samples
from ampc.policies.policy import Policy

QueryStrategy = Literal["random", "disagreement"]


@dataclass(frozen=True)
class QuerySettings:
    """How states are chosen for labelling."""

    strategy: QueryStrategy = "disagreement"
    """``random``: evenly; ``disagreement``: round by round, `random_share` evenly and the others with a
    probability in proportion to the standard deviation of an ensemble's commands."""
    random_share: float = 0.5
    """Share of each round that is drawn evenly: an ensemble disagrees little, and yet enough to matter, near
    the goal, where all its members are to be exact."""
    first: int = 25
    """Labels of the first round, chosen evenly."""
    growth: float = 2.0
    """Factor by which each round multiplies the labels."""
    members: int = 4
    """Networks in the ensemble; they differ in weights and batches."""
    hidden_size: int = 64
    """Width of their two layers."""
    steps: int = 500
    """Training steps of the ensemble in each round."""
    batch_size: int = 128
    """Labels in such a step."""
    learning_rate: float = 2e-3
    """Step size at its start."""
    candidates: int = 10_000
    """States among which a round chooses, evenly drawn from the pool, or four times what it needs."""

    def __post_init__(self) -> None:
        for name, least in (
            ("first", 2),
            ("members", 2),
            ("hidden_size", 1),
            ("steps", 1),
            ("batch_size", 1),
        ):
            if getattr(self, name) < least:
                raise SettingsError(f"queries.{name} must be at least {least}, not {getattr(self, name)}")
        if not 0.0 <= self.random_share < 1.0:
            raise SettingsError(f"queries.random_share must lie in [0, 1), not {self.random_share}")
        if not 1.0 < self.growth < math.inf:
            raise SettingsError(f"queries.growth must be above 1, not {self.growth}")


class Ensemble(nn.Module):
    """Small feed-forward networks side by side, from features (B, F) to commands (K, B, m)."""

    def __init__(self, n_features: int, n_outputs: int, members: int, width: int) -> None:
        super().__init__()
        sizes = list(pairwise([n_features, width, width, n_outputs]))
        self.weights = nn.ParameterList(
            (2.0 * torch.rand(members, before, after) - 1.0) / math.sqrt(before) for before, after in sizes
        )
        self.biases = nn.ParameterList(torch.zeros(members, 1, after) for _, after in sizes)

    def forward(self, features: Tensor) -> Tensor:
        """Commands (K, B, m) for features (B, F), or (K, B, F) of each member's own."""
        x = features.expand(len(self.weights[0]), -1, -1) if features.dim() == 2 else features
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu()
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])


def ask(
    pool: Samples,
    oracle: JointMPCOracle,
    policy: Policy,
    count: int,
    settings: QuerySettings,
    sobolev: SobolevSettings | None,
    rng: np.random.Generator,
) -> Labelled:
    """Spend so many labels on states of a pool.

    A state is asked about once at most, and the pool's own commands are not looked at.

    Args:
        pool: States that were visited, by whatever controller.
        oracle: The expert.
        policy: Gives features and limits, normalisation fitted; its network is neither used nor changed.
        count: Labels to spend.
        settings: How to choose.
        sobolev: How derivatives count in the ensemble's training; None for not at all.
        rng: Source of all random numbers; torch's own are seeded from it.

    Raises:
        SettingsError: If the pool is smaller than the number of labels.
    """
    if not 2 <= count <= len(pool):
        raise SettingsError(f"{count} labels were asked for from a pool of {len(pool)} states; at least 2")
    order = torch.from_numpy(rng.permutation(len(pool)))
    if settings.strategy == "random":
        return oracle.label(pool, order[:count])
    torch.manual_seed(int(rng.integers(2**31)))
    first = min(settings.first, count)
    labels, rest = oracle.label(pool, order[:first]), order[first:]
    while len(labels) < count:
        ensemble = _train(labels, policy, settings, sobolev)
        wanted = min(count - len(labels), max(1, int(len(labels) * (settings.growth - 1.0))))
        n_candidates = min(len(rest), max(settings.candidates, 4 * wanted))
        rest = rest[torch.from_numpy(rng.permutation(len(rest)))]
        doubt = disagreement(ensemble, policy, pool, rest[:n_candidates])
        share = doubt.double().numpy() + 1e-9
        share = settings.random_share / n_candidates + (1.0 - settings.random_share) * share / share.sum()
        chosen = rng.choice(n_candidates, wanted, replace=False, p=share / share.sum())
        labels = Labelled.joined([labels, oracle.label(pool, rest[chosen])])
        rest = torch.from_numpy(np.delete(rest.numpy(), chosen))
    return labels


def disagreement(ensemble: Ensemble, policy: Policy, pool: Samples, indices: Tensor) -> Tensor:
    """Standard deviation over the members, of saturated commands in units of their limits (B,)."""
    batch = pool.batch(indices)
    with torch.inference_mode():
        features = policy.features(*batch[:4]).flatten(1)
        commands: Tensor = ensemble(features)
        return commands.clamp(-1.0, 1.0).var(0).sum(-1).sqrt()


def _train(
    labels: Labelled, policy: Policy, settings: QuerySettings, sobolev: SobolevSettings | None
) -> Ensemble:
    """An ensemble fitted to the labels so far, each member by its own batches."""
    limit, members = policy.command_limit, settings.members
    n_features = policy.features.size * labels.states.shape[1]
    ensemble = Ensemble(n_features, labels.commands.shape[1], members, settings.hidden_size)
    deviation = spread(labels)

    def features(states: Tensor, batch: Labelled) -> Tensor:
        raw: Tensor = policy.features(states, batch.reference, batch.goal, batch.past_commands)
        return raw.reshape(members, settings.batch_size, -1)

    def error(found: Tensor, expected: Tensor) -> Tensor:
        of_members = (found - expected.reshape(found.shape) / limit).square().mean((1, 2))
        return of_members.sum()

    def loss(_: float) -> Tensor:
        batch = labels.rows(torch.randint(len(labels), (members * settings.batch_size,)))
        value = error(ensemble(features(batch.states, batch)), batch.commands)
        if sobolev is not None:
            nearby, tangent = states_nearby(batch, deviation, sobolev.radius)
            near = error(ensemble(features(nearby, batch)), policy.saturate(tangent))
            value = value + sobolev.weight * near
        return value

    minimise(ensemble, loss, settings.steps, settings.learning_rate, weight_decay=1e-4)
    return ensemble
