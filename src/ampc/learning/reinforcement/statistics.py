"""Mean and deviation of a stream of rows, and the layer that normalises by them."""

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.policies.features import IRRELEVANT
from ampc.policies.yaw_symmetry import YawSymmetry


class RunningStatistics:
    """Mean and variance of all rows so far, by the update of Chan, Golub and LeVeque (1979)."""

    def __init__(self, size: int) -> None:
        """Begin without rows."""
        self.count = 0
        self.mean: FloatArray = np.zeros(size)
        self._squares: FloatArray = np.zeros(size)

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows (B, F) in."""
        rows = rows.astype(np.float64)
        mean, count = rows.mean(axis=0), self.count + len(rows)
        change = mean - self.mean
        self._squares += ((rows - mean) ** 2).sum(axis=0) + change**2 * self.count * len(rows) / count
        self.mean = self.mean + change * len(rows) / count
        self.count = count

    def scale(self, symmetry: YawSymmetry | None = None) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation (F,) to normalise by, as `Features.fit` would have them from the same rows.

        Args:
            symmetry: That of the features: what points sideways has no mean, and what says where the arm
                looks is made zero.
        """
        mean, variance = self.mean.copy(), self._squares / max(1, self.count)
        if symmetry is not None:
            variance[symmetry.sideways] += mean[symmetry.sideways] ** 2
            mean[symmetry.sideways] = 0.0
        deviation: FloatArray = np.sqrt(variance)
        deviation[deviation <= 1e-6 * (1.0 + np.abs(mean))] = 1.0
        if symmetry is not None:
            mean[symmetry.bearing], deviation[symmetry.bearing] = 0.0, IRRELEVANT
        return mean, deviation

    def state(self) -> dict[str, Any]:
        """All of it, as tensors and plain values."""
        return {
            "count": self.count,
            "mean": torch.from_numpy(self.mean.copy()),
            "squares": torch.from_numpy(self._squares.copy()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.count, self.mean = state["count"], state["mean"].numpy().copy()
        self._squares = state["squares"].numpy().copy()


class Normalised(BaseFeaturesExtractor):
    """Observations less a mean, over a deviation; both are given, not learned."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, observation_space: gymnasium.spaces.Box) -> None:
        """Begin without normalisation."""
        size = observation_space.shape[0]
        super().__init__(observation_space, size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def forward(self, observations: Tensor) -> Tensor:
        """Normalised observations (B, F)."""
        return (observations - self.mean) / self.deviation


def normalise_by(module: nn.Module, mean: FloatArray, deviation: FloatArray) -> None:
    """Give every `Normalised` inside a module this mean and deviation (F,)."""
    for part in module.modules():
        if isinstance(part, Normalised):
            part.mean.copy_(torch.from_numpy(mean))
            part.deviation.copy_(torch.from_numpy(deviation))
