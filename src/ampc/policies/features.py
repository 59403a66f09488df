"""What a network sees: features of states, reference and goal, computed and normalised in torch."""

import torch
from torch import Tensor, nn

from ampc.policies.kinematics import ForwardKinematics
from ampc.policies.spec import PolicySpec


class Features(nn.Module):
    """Features of every entry of a history, normalised to zero mean and unit deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make the features that a specification asks for, without normalisation yet."""
        super().__init__()
        self._inputs = spec.inputs
        self._actuated = list(spec.actuated) if spec.n_actuated != spec.n_joints else None
        m, n = spec.n_actuated, spec.n_joints
        sizes = {
            "state": 2 * m,
            "state_error": 2 * m,
            "reference": n,
            "target": 3,
            "target_error": 3,
            "sincos": 2 * m,
        }
        self.size = sum(sizes[name] for name in spec.inputs.components) + m * spec.inputs.past_commands
        """Number of features F of one entry."""
        self.kinematics = (
            ForwardKinematics(spec.kinematic_chain) if "target_error" in spec.inputs.components else None
        )
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("deviation", torch.ones(self.size))

    def raw(self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor) -> Tensor:
        """Features in physical units (B, T, F), in the order of the components, past commands last.

        Args:
            states: Measured q [rad] and dq [rad/s] (B, T, 2m), newest last.
            reference: Joint reference (B, n) [rad]; not read unless a component needs it.
            goal: End-effector goal (B, 3) [m]; not read unless a component needs it.
            past_commands: Commands applied just before the states (B, T, m); not read unless asked for.
        """
        q, dq = torch.chunk(states, 2, dim=-1)
        parts: list[Tensor] = []
        for component in self._inputs.components:
            match component:
                case "state":
                    parts.append(states)
                case "state_error":
                    q_ref = reference if self._actuated is None else reference[:, self._actuated]
                    parts += [q - q_ref[:, None], dq]
                case "reference":
                    parts.append(reference[:, None].expand(-1, states.shape[1], -1))
                case "target":
                    parts.append(goal[:, None].expand(-1, states.shape[1], -1))
                case "target_error":
                    assert self.kinematics is not None
                    parts.append(goal[:, None] - self.kinematics(q))
                case "sincos":
                    parts += [torch.sin(q), torch.cos(q)]
        if self._inputs.past_commands:
            parts.append(past_commands)
        return torch.cat(parts, dim=-1)

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation from raw features (..., F); features that never change are only centred."""
        flat = features.detach().double().reshape(-1, self.size)
        mean, deviation = flat.mean(0), flat.std(0, correction=0)
        deviation[deviation <= 1e-6 * (1.0 + mean.abs())] = 1.0
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def forward(self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor) -> Tensor:
        """Normalised features (B, T, F); arguments as for `raw`."""
        raw = self.raw(states, reference, goal, past_commands)
        return (raw - self.mean) / self.deviation
