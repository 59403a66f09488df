"""What a network sees: features of states, reference and goal, computed and normalised in torch."""

import numpy as np
import torch
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.errors import PolicyError
from ampc.policies.spec import PolicySpec


class ForwardKinematics(nn.Module):
    """End-effector position of a serial chain, as a graph of few small operations.

    From the tip down, each joint maps p to ``o + R Rot(axis, q) p``, and by Rodrigues' formula
    ``Rot(axis, q) = I + sin(q) K + (1 - cos(q)) K^2`` with K the cross-product matrix of the axis: one
    product of p with a constant 3 x 9 matrix per joint.
    """

    products: Tensor
    offsets: Tensor
    tool: Tensor

    def __init__(self, kinematic_chain: dict[str, object]) -> None:
        """Take the constants of `KinematicChain.to_dict`.

        Raises:
            PolicyError: If they are missing or of the wrong shape.
        """
        super().__init__()
        try:
            rotations, offsets, axes, tool = (
                np.asarray(kinematic_chain[name], dtype=np.float64)
                for name in ("rotations", "offsets", "axes", "tool")
            )
        except (KeyError, ValueError, TypeError) as error:
            raise PolicyError(
                f"kinematic_chain needs numeric rotations, offsets, axes, tool: {error}"
            ) from error
        n = len(axes)
        shapes = (rotations.shape, offsets.shape, axes.shape, tool.shape)
        if shapes != ((n, 3, 3), (n, 3), (n, 3), (3,)):
            raise PolicyError(
                f"kinematic_chain has shapes {shapes}; rotations (n, 3, 3), offsets (n, 3), axes (n, 3) and "
                "tool (3,) are needed"
            )
        cross = np.cross(
            np.eye(3)[None], axes[:, None, :]
        )  # row i is e_i x axis, so that cross @ p = axis x p
        blocks = np.concatenate([rotations, rotations @ cross, rotations @ cross @ cross], axis=1)
        self.register_buffer("products", _constant(blocks.transpose(0, 2, 1)), persistent=False)
        self.register_buffer("offsets", _constant(offsets), persistent=False)
        self.register_buffer("tool", _constant(tool), persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        """End-effector positions (..., 3) [m] for joint positions (..., n) [rad]."""
        sine, versine = torch.sin(q), 1.0 - torch.cos(q)
        position = self.tool
        for joint in reversed(range(len(self.offsets))):
            fixed, by_sine, by_versine = torch.chunk(position @ self.products[joint], 3, dim=-1)
            moved = sine[..., joint, None] * by_sine + versine[..., joint, None] * by_versine
            position = self.offsets[joint] + fixed + moved
        return position


def _constant(values: FloatArray) -> Tensor:
    return torch.tensor(values, dtype=torch.get_default_dtype())


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
