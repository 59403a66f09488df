"""What a network sees: features of states, reference and goal, computed and normalised in torch."""

import torch
from torch import Tensor, nn

from ampc.policies.kinematics import ForwardKinematics
from ampc.policies.packing import feature_size
from ampc.policies.planar_kinematics import PlanarKinematics
from ampc.policies.spec import PolicySpec
from ampc.policies.yaw_symmetry import YawSymmetry, has_symmetry

IRRELEVANT = 1e9
"""Deviation by which features that say nothing about the command are divided, so that they are zero."""
NEAR_JOINTS, NEAR_GOAL, NEAR_OBSTACLE = 8.0, 15.0, 10.0
"""Slopes at zero of the features that tell small errors [1/rad], [1/m] and distances [1/m] apart."""


class Features(nn.Module):
    """Features of every entry of a history, normalised to zero mean and unit deviation."""

    mean: Tensor
    deviation: Tensor
    mirror: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make the features that a specification asks for, without normalisation yet."""
        super().__init__()
        self._inputs, self._n = spec.inputs, spec.n_joints
        motors = list(spec.actuated)
        self._passive = [joint for joint in range(spec.n_joints) if joint not in motors]
        self._motors = motors
        # Joints of a state, and which of them have motors.
        self._in_state = None if spec.inputs.estimated or not self._passive else motors
        self._state_motors = motors if spec.inputs.estimated else list(range(len(motors)))
        self.size = feature_size(spec)
        """Number of features F of one entry."""
        self.kinematics = (
            ForwardKinematics(spec.kinematic_chain) if "target_error" in spec.inputs.components else None
        )
        self.planar = None if spec.planar_chain is None else PlanarKinematics(spec.planar_chain)
        self.symmetry = YawSymmetry(spec) if has_symmetry(spec) else None
        """What a turned or mirrored world makes of the features; None for arms without that symmetry."""
        mirror = torch.ones(self.size)
        if self.symmetry is not None:
            mirror[self.symmetry.sideways] = -1.0
        self.register_buffer("mirror", mirror, persistent=False)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("deviation", torch.ones(self.size))

    def raw(self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor) -> Tensor:
        """Features in physical units (B, T, F), in the order of the components, past commands last.

        Args:
            states: States (B, T, S), newest last, see `PolicySpec.n_state`.
            reference: Joint reference (B, n), or one for each state (B, T, n) [rad]; not read unless a
                component needs it.
            goal: End-effector goal (B, 3) [m]; not read unless a component needs it.
            past_commands: Commands applied just before the states (B, T, m); not read unless asked for.
        """
        if self._inputs.estimated:
            q, dq, surroundings = torch.split(
                states, [self._n, self._n, states.shape[-1] - 2 * self._n], dim=-1
            )
        else:
            q, dq = torch.chunk(states, 2, dim=-1)
            surroundings = states[..., :0]
        if self._inputs.needs_reference and reference.dim() == 2:
            reference = reference[:, None].expand(-1, states.shape[1], -1)
        parts: list[Tensor] = []
        for component in self._inputs.components:
            match component:
                case "state":
                    parts.append(states)
                case "state_error":
                    parts += [self._error(q, reference), dq]
                case "near_error":
                    parts.append(torch.tanh(NEAR_JOINTS * self._error(q, reference)))
                case "reference":
                    parts.append(reference)
                case "reference_sincos":
                    parts += [
                        torch.sin(reference[..., self._motors]),
                        torch.cos(reference[..., self._motors]),
                    ]
                case "target":
                    parts.append(goal[:, None].expand(-1, states.shape[1], -1))
                case "target_error":
                    assert self.kinematics is not None
                    parts.append(goal[:, None] - self.kinematics(q))
                case "sincos":
                    turned = q[..., self._state_motors]
                    parts += [torch.sin(turned), torch.cos(turned)]
                case "bending":
                    parts.append(q[..., self._passive])
                case "stiffness":
                    parts.append(surroundings[..., :1])
                case "arm_target_error":
                    error = self._target(q, goal) - self._points(q, dq)[0][..., 0, :]
                    parts += [error, torch.tanh(NEAR_GOAL * error)]
                case "obstacles":
                    parts += self._obstacles(q, dq, goal, surroundings[..., 1:])
                case "obstacle_directions":
                    parts += self._directions(q, surroundings[..., 1:])
        if self._inputs.past_commands:
            parts.append(past_commands)
        return torch.cat(parts, dim=-1)

    def _error(self, q: Tensor, reference: Tensor) -> Tensor:
        return q - (reference if self._in_state is None else reference[..., self._in_state])

    def _points(self, q: Tensor, dq: Tensor) -> tuple[Tensor, Tensor]:
        assert self.planar is not None
        points: tuple[Tensor, Tensor] = self.planar(q, dq)
        return points

    def _target(self, q: Tensor, goal: Tensor) -> Tensor:
        """The goal in the arm's frame (B, T, 3)."""
        assert self.planar is not None
        from_base = (goal - self.planar.base)[:, None].expand(-1, q.shape[1], -1)
        return self.planar.turned(from_base, q[..., 0])

    def _obstacles(self, q: Tensor, dq: Tensor, goal: Tensor, obstacles: Tensor) -> list[Tensor]:
        """Distances and velocities of the points, distance of the goal, for each obstacle."""
        assert self.planar is not None
        positions, velocities = self._points(q, dq)
        target = self._target(q, goal)
        parts = []
        for obstacle in torch.split(obstacles, 4, dim=-1):
            normal = self.planar.turned(obstacle[..., :3], q[..., 0])
            height = obstacle[..., 3] - (obstacle[..., :3] * self.planar.base).sum(-1)
            distances = (positions * normal[..., None, :]).sum(-1) - height[..., None]
            parts += [
                distances,
                (velocities * normal[..., None, :]).sum(-1),
                ((target * normal).sum(-1) - height)[..., None],
                torch.tanh(NEAR_OBSTACLE * distances),
            ]
        return parts

    def _directions(self, q: Tensor, obstacles: Tensor) -> list[Tensor]:
        """Normal of each obstacle in the arm's frame."""
        planar = self.planar
        assert planar is not None
        return [planar.turned(each[..., :3], q[..., 0]) for each in torch.split(obstacles, 4, dim=-1)]

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation from raw features (..., F); features that never change are only centred.

        With a `YawSymmetry`, features that point sideways have no mean, and those that say where the arm
        looks are made zero.
        """
        flat = features.detach().double().reshape(-1, self.size)
        mean, deviation = flat.mean(0), flat.std(0, correction=0)
        if self.symmetry is not None:
            sideways, bearing = self.symmetry.sideways, self.symmetry.bearing
            mean[sideways], deviation[sideways] = 0.0, flat[:, sideways].square().mean(0).sqrt()
        deviation[deviation <= 1e-6 * (1.0 + mean.abs())] = 1.0
        if self.symmetry is not None:
            mean[bearing], deviation[bearing] = 0.0, IRRELEVANT
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def forward(self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor) -> Tensor:
        """Normalised features (B, T, F); arguments as for `raw`."""
        raw = self.raw(states, reference, goal, past_commands)
        return (raw - self.mean) / self.deviation
