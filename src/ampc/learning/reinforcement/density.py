"""How likely the expert is to be in a state and to do something there, by a kernel estimate."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.errors import SettingsError
from ampc.learning.reinforcement.demonstrations import Demonstrations


@dataclass(frozen=True)
class DensitySettings:
    """The kernel estimate."""

    bandwidth: float = 0.5
    """Standard deviation h of the kernel, in deviations of the demonstrations."""
    kernels: int = 10_000
    """Demonstrated steps that the estimate is made of at most, drawn evenly over all of them."""
    reach: float = 500.0
    """How much less likely than the median of the demonstrated steps a step can be, as a logarithm, before it
    makes no difference any more; it is rewarded by -1 then."""

    def __post_init__(self) -> None:
        if not 0.0 < self.bandwidth < math.inf:
            raise SettingsError(f"density.bandwidth is {self.bandwidth}; it must be positive and finite")
        if not 0.0 < self.reach < math.inf:
            raise SettingsError(f"density.reach is {self.reach}; it must be positive and finite")
        if self.kernels < 1:
            raise SettingsError(f"density.kernels is {self.kernels}; it must be at least 1")


class DensityReward:
    """Reward of a state-action pair: the logarithm of a Gaussian kernel estimate of the expert's density.

    With x = (features, action) of D numbers, standardised column by column to the demonstrations x_i::

        log p(x) = log (1/N) sum_i (2 pi h^2)^(-D/2) exp(-|x - x_i|^2 / (2 h^2))
        r(x) = max((log p(x) - median_i log p(x_i)) / reach, -1)

    An arm that has been flung about is at log p = -1e6, where the demonstrations are at -100: without the cut
    critics learn of nothing else. The reward is fixed before the agent begins, so that it can be given as the
    agent drives. Nothing says that what the expert often does is good: standing at the goal is, and so is
    anything else that takes long.
    """

    def __init__(self, demonstrations: Demonstrations, settings: DensitySettings) -> None:
        """Take the demonstrations."""
        pairs = torch.cat([demonstrations.features, demonstrations.actions], dim=1).double()
        self._mean, deviation = pairs.mean(0), pairs.std(0, correction=0)
        deviation[deviation <= 1e-6 * (1.0 + self._mean.abs())] = 1.0
        self._deviation = deviation
        count = min(settings.kernels, len(pairs))
        chosen = torch.linspace(0, len(pairs) - 1, count).round().long()
        self._kernels = self._standardised(pairs[chosen])
        self._squares = (self._kernels**2).sum(1)
        self._width = settings.bandwidth
        size = pairs.shape[1]
        self._constant = -math.log(count) - 0.5 * size * math.log(2.0 * math.pi * self._width**2)
        self._reach, usual = settings.reach, torch.linspace(0, len(pairs) - 1, min(1000, len(pairs)))
        some = pairs[usual.round().long()].float().numpy()
        actions = demonstrations.actions.shape[1]
        self._median = float(np.median(self.log_density(some[:, :-actions], some[:, -actions:])))

    def __call__(self, features: NDArray[np.float32], actions: NDArray[np.float32]) -> FloatArray:
        """Rewards (B,) of features (B, F) and actions (B, m)."""
        above = self.log_density(features, actions) - self._median
        return np.maximum(above / self._reach, -1.0)

    def log_density(self, features: NDArray[np.float32], actions: NDArray[np.float32]) -> FloatArray:
        """Logarithms of the density (B,) at features (B, F) and actions (B, m)."""
        x = self._standardised(torch.from_numpy(np.concatenate([features, actions], axis=1)).double())
        distances = (x**2).sum(1, keepdim=True) + self._squares - 2.0 * x @ self._kernels.T
        exponents = -distances.clamp(min=0.0) / (2.0 * self._width**2)
        return np.asarray((torch.logsumexp(exponents, dim=1) + self._constant).numpy())

    def _standardised(self, pairs: Tensor) -> Tensor:
        return (pairs - self._mean) / self._deviation
