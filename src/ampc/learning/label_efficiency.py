"""How good a policy becomes with so many labels: one cell of the study of label efficiency."""

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ampc.errors import PolicyError, SettingsError
from ampc.learning.labels import JointMPCOracle
from ampc.learning.queries import QuerySettings, ask
from ampc.learning.sobolev import policy_loss, spread
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.steps import minimise
from ampc.learning.training import arithmetic
from ampc.learning.windows import Frames, Windows
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.settings import to_dict
from ampc.solvers.double_integrator import JointMPCSettings


@dataclass(frozen=True)
class LabelSettings:
    """How many labels are asked for, which, and how a policy learns from them."""

    labels: int = 1000
    """Labels to spend."""
    queries: QuerySettings = field(default_factory=QuerySettings)
    """How their states are chosen."""
    sobolev: SobolevSettings | None = None
    """How the expert's derivatives count; None for not at all."""
    steps: int = 6000
    """Training steps of the policy, whatever the number of labels."""
    batch_size: int = 256
    """Labels in a step; drawn with repetition."""
    learning_rate: float = 1e-3
    """Step size at the start; it falls to zero along half a cosine."""
    weight_decay: float = 1e-4
    """Decoupled weight decay."""
    seed: int = 0
    """Seed of choice, weights and batches."""
    threads: int = 1
    """Threads."""

    def __post_init__(self) -> None:
        for name, least in (("labels", 2), ("steps", 1), ("batch_size", 1), ("threads", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise SettingsError(f"labels.{name} must be at least {least}, not {getattr(self, name)}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise SettingsError(f"labels.learning_rate must be positive, not {self.learning_rate}")


def learn_from_labels(
    pool: Frames, spec: PolicySpec, expert: JointMPCSettings, settings: LabelSettings
) -> Policy:
    """Choose states, ask the expert about them, and train a policy on its answers alone.

    The normalisation comes from the pool: it needs states, not labels.

    Args:
        pool: States that were visited, by whatever controller; their commands are not read.
        spec: The policy to make, not recurrent.
        expert: The expert's optimal control problem.
        settings: How many labels, and how to use them.

    Returns:
        The policy, in evaluation mode.

    Raises:
        PolicyError: If the network is recurrent.
        SettingsError: If there are fewer states than labels, or the training diverges.
    """
    if spec.recurrent:
        raise PolicyError(
            "recurrent networks learn from whole episodes and cannot ask for single labels; use ffn or "
            "transformer"
        )
    windows = Windows(pool, np.arange(len(pool.lengths)), spec.inputs.history, spec.inputs.stride)
    oracle = JointMPCOracle(expert)
    with arithmetic(settings.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        policy = Policy(spec)
        policy.fit_normalisation(
            *windows.batch(torch.arange(0, len(windows), 1 + len(windows) // 20_000))[:4]
        )
        rng = np.random.default_rng(settings.seed)
        labels = ask(windows, oracle, policy, settings.labels, settings.queries, settings.sobolev, rng)
        deviation = spread(labels)

        def loss(_: float) -> Tensor:
            rows = torch.randint(len(labels), (settings.batch_size,))
            return policy_loss(policy, labels.rows(rows), settings.sobolev, deviation)

        minimise(policy, loss, settings.steps, settings.learning_rate, settings.weight_decay)
    policy.spec = dataclasses.replace(
        spec,
        training={
            **spec.training,
            "learner": "label queries",
            "settings": to_dict(settings),
            "labels": oracle.asked,
        },
    )
    return policy
