"""Sobolev training: a policy is fitted to the expert's derivatives as well as to its commands.

Czarnecki et al., Sobolev Training for Neural Networks, NeurIPS 2017. The expert's sensitivities du_0/d(e, dq)
are exact and cost nothing beyond the solution that they belong to.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ampc.errors import SettingsError
from ampc.learning.labels import Labelled
from ampc.policies.policy import Policy

SobolevForm = Literal["tangent", "derivative"]

_SLOPE_SHARE = 1e-3
"""Weight of derivatives beside commands. Within its limits, on a small part of the states, the expert is some
sixteen times steeper per standard deviation than its whole range; with ten times this weight the slopes win
and the commands are lost (measured: 80 % success instead of 99 % with 250 labels)."""


@dataclass(frozen=True)
class SobolevSettings:
    """How derivatives enter the loss."""

    form: SobolevForm = "tangent"
    """``tangent``: the policy's command at a state nearby is compared with the expert's tangent, cut to the
    command limit; ``derivative``: its directional derivative is compared with the expert's."""
    weight: float = 1.0
    """Weight of that term; at 1 both forms are balanced against the commands' mean squared error."""
    radius: float = 0.1
    """Largest typical distance of a state nearby, in standard deviations of the labelled states; distances
    are spread evenly over the two decades below. Read by ``tangent`` only."""

    def __post_init__(self) -> None:
        for name in ("weight", "radius"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise SettingsError(f"sobolev.{name} must be positive, not {getattr(self, name)}")


def spread(labels: Labelled) -> Tensor:
    """Standard deviations (2m,) of the newest states, positions as deviations from the reference."""
    q, dq = torch.chunk(labels.states[:, -1], 2, dim=-1)
    return torch.cat([q - labels.reference, dq], dim=-1).std(0).clamp_min(1e-6)


def states_nearby(labels: Labelled, deviation: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Random states near the labelled ones, and what the expert does there to first order.

    The expert is piecewise affine: its tangent is exact as far as its active set does not change. Beyond,
    it is cut to the command limit by `policy_loss`; distances over two decades put most states close by.
    All entries of a history are moved, each on its own, and the expert acts on the newest alone.

    Args:
        labels: Labels (B).
        deviation: Unit of distance of each entry of the state (2m,).
        radius: Largest typical distance in that unit.

    Returns:
        States (B, T, 2m), and the commands of the tangent there (B, m), not cut.
    """
    size = radius * 10.0 ** (-2.0 * torch.rand(len(labels), 1, 1))
    shift = size * deviation * torch.randn_like(labels.states)
    return labels.states + shift, labels.commands + _along(labels.gradients, shift[:, -1])


def policy_loss(
    policy: Policy, labels: Labelled, sobolev: SobolevSettings | None, deviation: Tensor
) -> Tensor:
    """Mean squared error of the commands in units of their limits, with the derivatives' share.

    Args:
        policy: The policy, not recurrent.
        labels: A batch.
        sobolev: How derivatives count; None for not at all.
        deviation: `spread` of all labels.
    """
    others = (labels.reference, labels.goal, labels.past_commands)
    limit = policy.command_limit

    def error(found: Tensor, expected: Tensor) -> Tensor:
        return ((found - expected) / limit).square().mean()

    if sobolev is None:
        return error(policy(labels.states, *others), labels.commands)
    if sobolev.form == "tangent":
        nearby, tangent = states_nearby(labels, deviation, sobolev.radius)
        near = error(policy(nearby, *others), policy.saturate(tangent))
        return error(policy(labels.states, *others), labels.commands) + sobolev.weight * near
    direction = deviation * torch.randn_like(labels.states)
    commands, slopes = torch.func.jvp(  # type: ignore[misc]  # typed for jvp(..., has_aux=True)
        lambda states: policy(states, *others), (labels.states,), (direction,)
    )
    expected = _along(labels.gradients, direction[:, -1])
    # Large differences count by their size, not its square: they are those of the few steep states.
    steep = nn.functional.smooth_l1_loss(slopes / limit, expected / limit)
    return error(commands, labels.commands) + _SLOPE_SHARE * sobolev.weight * steep


def _along(gradients: Tensor, shift: Tensor) -> Tensor:
    """Change of commands (B, m) to first order for shifts (B, 2m) of the newest state."""
    return (gradients * torch.stack(torch.chunk(shift, 2, dim=-1), dim=-1)).sum(-1)
