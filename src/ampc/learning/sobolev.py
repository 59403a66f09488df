"""Sobolev training: a policy is fitted to the expert's derivatives as well as to its commands.

Czarnecki et al., Sobolev Training for Neural Networks, NeurIPS 2017. The expert's sensitivities du_0/d(e, dq)
are exact and cost nothing beyond the solution that they belong to.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ampc.errors import SettingsError
from ampc.learning.labels import Labelled
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.windows import Batch, Frames
from ampc.policies.policy import Policy

_SLOPE_SHARE = 1e-3
"""Weight of derivatives beside commands. Within its limits, on a small part of the states, the expert is some
sixteen times steeper per standard deviation than its whole range; with ten times this weight the slopes win
and the commands are lost (measured: 80 % success instead of 99 % with 250 labels)."""


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


@dataclass(frozen=True, eq=False)
class DerivativeError:
    """Part of the loss of labels that come with a derivative by the whole state, see `Frames.derivatives`.

    Only the newest state of a window is moved; the expert acts on that alone.
    """

    settings: SobolevSettings
    """How derivatives enter."""
    unit: Tensor
    """Unit of distance of each position, as a deviation from the reference, and velocity (2n,)."""

    @classmethod
    def of(cls, frames: Frames, settings: SobolevSettings) -> "DerivativeError":
        """The one for some frames: distances are in standard deviations of the labelled states.

        Raises:
            SettingsError: If the states are not those of all joints.
        """
        n = frames.references.shape[1]
        if frames.states.shape[1] < 2 * n:
            raise SettingsError(
                f"derivatives are by the states of all {n} joints, but the states of this dataset are "
                f"measurements of {frames.states.shape[1] // 2}: set dagger.derivative_share to 0"
            )
        rows = frames.labelled
        q, dq = frames.states[rows, :n], frames.states[rows, n : 2 * n]
        unit = torch.cat([q - frames.references[rows], dq], dim=1).std(0)
        return cls(settings, unit.clamp_min(1e-6))

    def errors(self, policy: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
        """Errors in units of the limits (D, m) of the labels with a derivative, and which those are (B,).

        They are differences of commands at states nearby or, for the form ``derivative``, of directional
        derivatives, scaled such that both forms are balanced against commands.

        Args:
            policy: The policy, not recurrent.
            batch: Windows; every newest state has a label.
        """
        assert batch.derivatives is not None
        derivatives = batch.derivatives[:, -1]
        known = torch.isfinite(derivatives).flatten(1).all(1)
        states, derivatives = batch.states[known], derivatives[known]
        others = [each[known] for each in (batch.reference, batch.goal, batch.past_commands)]
        shift = torch.zeros_like(states)
        moved = self.unit * torch.randn(len(states), len(self.unit))
        if self.settings.form == "tangent":
            moved = moved * self.settings.radius * 10.0 ** (-2.0 * torch.rand(len(states), 1))
        shift[:, -1, : len(self.unit)] = moved
        change = torch.einsum("bmx,bx->bm", derivatives, moved)
        if self.settings.form == "tangent":
            tangent = policy.saturate(batch.commands[known, -1] + change)
            return (policy(states + shift, *others) - tangent) / policy.command_limit, known
        _, slopes = torch.func.jvp(  # type: ignore[misc]  # typed for jvp(..., has_aux=True)
            lambda moving: policy(moving, *others), (states,), (shift,)
        )
        return _SLOPE_SHARE**0.5 * (slopes - change) / policy.command_limit, known
