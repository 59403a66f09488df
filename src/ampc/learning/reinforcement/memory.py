"""What SAC agents remember: steps, half of them as in a mirror."""

from typing import Any

import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

Mirror = tuple[Tensor, Tensor]
"""Signs of features (F,) and of actions (m,) in a world with left and right exchanged."""


class MirroredBuffer(ReplayBuffer):
    """A memory of an arm with a `YawSymmetry`: half of what it gives, drawn at random, is in a mirror.

    Rewards stay what they are. Policies that are fitted to labels are taught in the same way.
    """

    def __init__(self, *arguments: Any, mirror: Mirror | None = None, **options: Any) -> None:
        """As the base class; ``mirror`` is None for arms without that symmetry."""
        super().__init__(*arguments, **options)
        self._mirror = mirror

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        found = super()._get_samples(batch_inds, env)
        if self._mirror is None:
            return found
        of_features, of_actions = self._mirror
        chosen = torch.rand(len(found.rewards), 1) < 0.5
        seen = torch.where(chosen, of_features, torch.ones_like(of_features))
        return found._replace(
            observations=found.observations * seen,
            actions=found.actions * torch.where(chosen, of_actions, torch.ones_like(of_actions)),
            next_observations=found.next_observations * seen,
        )
