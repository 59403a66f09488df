"""What agents against a discriminator remember: steps, with rewards as they are seen by now."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from ampc.learning.reinforcement.discriminator import Steps
from ampc.learning.reinforcement.memory import MirroredBuffer


class RewardedBuffer(MirroredBuffer):
    """Rewards are what the discriminator says when a step is remembered, and what was given on the way."""

    reward_of: Callable[[Steps], Tensor]
    """Rewards (B,) of steps."""

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        found = super()._get_samples(batch_inds, env)
        steps = Steps(found.observations, found.actions, found.next_observations)
        with torch.no_grad():
            return found._replace(rewards=self.reward_of(steps)[:, None] + found.rewards)

    def recent(self, count: int, rows: int) -> Steps:
        """Steps (count,) drawn from the last rows of the memory, a row being a step of every arm."""
        stored = self.buffer_size if self.full else self.pos
        back = np.random.randint(1, min(rows, stored) + 1, size=count)  # noqa: NPY002 - as the base class
        row = (self.pos - back) % self.buffer_size
        arm = np.random.randint(0, self.n_envs, size=count)  # noqa: NPY002
        names = ("observations", "actions", "next_observations")
        return Steps(*(self.to_torch(getattr(self, name)[row, arm]) for name in names))
