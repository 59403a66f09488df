"""Windows that change with the state: how much of the history a policy uses near singularities."""

import torch
from torch import Tensor, nn

from ampc.policies.kinematics import ForwardKinematics, determinant, task_space_gram
from ampc.policies.spec import PolicySpec


class AdaptiveWindow(nn.Module):
    """Hides the older part of a history, more of it or less depending on the manipulability.

    With the manipulability ``w = sqrt(det(J J^T))`` of the newest state (Yoshikawa, Int. J. Robotics
    Research 4(2), 1985) and its quantile w_s over the training states, s being ``inputs.window_share``, the
    closeness to a singularity is ``max(0, 1 - w / w_s)``: zero for all states but that share. The window
    grows with it from ``inputs.shortest`` entries to ``inputs.history``, or the other way round for the
    counter-test. Entries outside the window are replaced by the oldest inside it, as those before the start
    of an episode are by the first.
    """

    quantile: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make the window of a specification; `fit` or loaded weights complete it."""
        super().__init__()
        inputs = spec.inputs
        self._history, self._shortest, self._share = inputs.history, inputs.shortest, inputs.window_share
        self._grows = inputs.window == "longer-near-singularities"
        self.kinematics = ForwardKinematics(spec.kinematic_chain)
        self.register_buffer("quantile", torch.ones(()))

    def fit(self, states: Tensor) -> None:
        """Take the quantile of the manipulability from the newest of representative states (B, T, 2m)."""
        self.quantile.copy_(torch.quantile(self.manipulability(states[:, -1]), self._share).clamp_min(1e-9))

    def manipulability(self, state: Tensor) -> Tensor:
        """``sqrt(det(J J^T))`` (B,) [m^3] of states (B, 2m)."""
        _, jacobian = self.kinematics.with_jacobian(torch.chunk(state, 2, dim=-1)[0])
        return determinant(task_space_gram(jacobian)).clamp_min(0.0).sqrt()

    def lengths(self, states: Tensor) -> Tensor:
        """Entries used (B,), whole numbers, for states (B, T, 2m)."""
        closeness = (1.0 - self.manipulability(states[:, -1]) / self.quantile).clamp_min(0.0)
        if not self._grows:
            closeness = 1.0 - closeness
        return torch.round(self._shortest + (self._history - self._shortest) * closeness)

    def forward(self, features: Tensor, states: Tensor) -> Tensor:
        """Features (B, T, F) of the states (B, T, 2m), with those outside the window replaced."""
        index = torch.arange(self._history, dtype=features.dtype, device=features.device)
        oldest = self._history - self.lengths(states)[:, None]
        source = torch.maximum(index, oldest)  # (B, T): which entry stands at each place
        selection = (source[:, :, None] == index).to(features.dtype)
        return selection @ features
