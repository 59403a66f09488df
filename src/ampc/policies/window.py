"""Windows that change with the state: how much of the history a policy uses near singularities."""

import torch
from torch import Tensor, nn

from ampc.policies.kinematics import ForwardKinematics, determinant, task_space_gram
from ampc.policies.spec import PolicySpec


class AdaptiveWindow(nn.Module):
    """Hides the older part of a history, more of it or less depending on the manipulability.

    The measure is the manipulability ``w = sqrt(det(J J^T))`` of the newest state (Yoshikawa, Int. J.
    Robotics Research 4(2), 1985). Of a share s of the training states, ``inputs.window_share``, the window is
    longer than ``inputs.shortest``: for ``longer-near-singularities`` of those with the least manipulability,
    for ``shorter-near-singularities``, the counter-test, of those with the most. It grows evenly with w, from
    the quantile of w that bounds the share to w = 0, or to the largest w, where it is ``inputs.history``.
    Entries outside the window are replaced by its oldest, as those before the start of an episode are by the
    first. A length between whole numbers has an oldest entry interpolated between two, so that the command
    is continuous in the state: rounded lengths make it jump, and two roundings of the same w make it differ.
    """

    start: Tensor
    end: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make the window of a specification; `fit` or loaded weights complete it."""
        super().__init__()
        inputs = spec.inputs
        self._history, self._shortest, self._share = inputs.history, inputs.shortest, inputs.window_share
        self._near = inputs.window == "longer-near-singularities"
        self.kinematics = ForwardKinematics(spec.kinematic_chain)
        self.register_buffer("start", torch.ones(()))
        self.register_buffer("end", torch.zeros(()))

    def fit(self, states: Tensor) -> None:
        """Take the measure's quantile and end from the newest of representative states (B, T, 2m)."""
        w = self.manipulability(states[:, -1])
        self.start.copy_(torch.quantile(w, self._share if self._near else 1.0 - self._share))
        self.end.copy_(torch.zeros(()) if self._near else w.max())

    def manipulability(self, state: Tensor) -> Tensor:
        """``sqrt(det(J J^T))`` (B,) [m^3] of states (B, 2m).

        The determinant is of double precision: where it is small its root magnifies roundings.
        """
        _, jacobian = self.kinematics.with_jacobian(torch.chunk(state, 2, dim=-1)[0])
        w = determinant(task_space_gram(jacobian.double())).clamp_min(0.0).sqrt()
        return w.to(state.dtype)

    def lengths(self, states: Tensor) -> Tensor:
        """Entries used (B,), parts of them included, for states (B, T, 2m)."""
        way = (self.manipulability(states[:, -1]) - self.start) / _away_from_zero(self.end - self.start)
        return self._shortest + (self._history - self._shortest) * way.clamp(0.0, 1.0)

    def forward(self, features: Tensor, states: Tensor) -> Tensor:
        """Features (B, T, F) of the states (B, T, 2m), with those outside the window replaced."""
        index = torch.arange(self._history, dtype=features.dtype, device=features.device)
        oldest = self._history - self.lengths(states)[:, None]
        source = torch.maximum(index, oldest)  # (B, T): which entry stands at each place
        interpolation = (1.0 - (source[:, :, None] - index).abs()).clamp_min(0.0)
        return interpolation @ features


def _away_from_zero(difference: Tensor) -> Tensor:
    """The difference, unless all training states had the same manipulability."""
    return torch.where(difference.abs() < 1e-9, 1e-9, difference)
