"""The four networks of the specification: normalised features (B, T, F) in, outputs (B, m) out."""

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ampc.policies.spec import PolicySpec

Hidden = tuple[Tensor, ...]
"""Hidden state of a recurrent network: (h,) for GRU, (h, c) for LSTM, each (layers, B, hidden size)."""


class FeedForward(nn.Module):
    """Fully connected layers with ReLU on the flattened history."""

    def __init__(self, n_features: int, n_outputs: int, history: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [history * n_features] + [width] * depth
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, m) for a history of features (B, T, F)."""
        return cast(Tensor, self.layers(features.flatten(1)))


class Recurrent(nn.Module):
    """Stacked LSTM or GRU with a linear read-out of the last layer's hidden state."""

    def __init__(self, n_features: int, n_outputs: int, kind: str, width: int, depth: int) -> None:
        super().__init__()
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        self.cells: nn.LSTM | nn.GRU = cell(n_features, width, depth, batch_first=True)
        self.readout = nn.Linear(width, n_outputs)
        self._kind, self._width, self._depth = kind, width, depth

    def initial_hidden(self, batch: int) -> Hidden:
        """Zero hidden state for a batch."""
        like = self.readout.weight
        shape = (self._depth, batch, self._width)
        # Distinct tensors: the ONNX exporter merges inputs that are one object.
        return tuple(like.new_zeros(shape) for _ in range(2 if self._kind == "lstm" else 1))

    def sequence(self, features: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """Outputs (B, T, m) after each entry of features (B, T, F), and the hidden state after the last."""
        if self._kind == "lstm":
            outputs, after = self.cells(features, hidden)
        else:
            outputs, last = self.cells(features, hidden[0])
            after = (last,)
        return self.readout(outputs), after

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, m) after the last entry of features (B, T, F), started from zero hidden state."""
        outputs, _ = self.cells(features)
        return cast(Tensor, self.readout(outputs[:, -1]))


class Transformer(nn.Module):
    """Encoder with sinusoidal positions (Vaswani et al. 2017, arXiv 1706.03762) and mean pooling.

    Its layers normalise before attention and feed-forward block, which trains without a warm-up of the
    learning rate (Xiong et al. 2020, arXiv 2002.04745).
    """

    positions: Tensor

    def __init__(
        self, n_features: int, n_outputs: int, history: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(n_features, width)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
                )
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, n_outputs)
        angles = torch.arange(history)[:, None] * torch.exp(
            torch.arange(0, width, 2) * (-math.log(10000.0) / width)
        )
        positions = torch.stack([torch.sin(angles), torch.cos(angles)], dim=-1).flatten(1)
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, m) for a history of features (B, T, F)."""
        x = self.layers(self.embedding(features) + self.positions)
        return cast(Tensor, self.readout(self.norm(x).mean(1)))


def make_network(spec: PolicySpec, n_features: int) -> FeedForward | Recurrent | Transformer:
    """The network of a specification, freshly initialised, for F features per entry."""
    width, depth = spec.network.size
    history, n_outputs = spec.inputs.history, spec.n_actuated
    match spec.network.architecture:
        case "ffn":
            return FeedForward(n_features, n_outputs, history, width, depth)
        case "transformer":
            return Transformer(n_features, n_outputs, history, width, depth, spec.network.heads)
        case kind:
            return Recurrent(n_features, n_outputs, kind, width, depth)
