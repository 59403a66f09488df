"""A bare training loop of so many steps, for small models that are trained whole in seconds."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ampc.errors import SettingsError


def minimise(
    model: nn.Module,
    loss: Callable[[float], Tensor],
    steps: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    largest_gradient: float = math.inf,
) -> None:
    """Minimise a loss by AdamW with a step size that falls to zero along half a cosine.

    Args:
        model: What is trained; left in evaluation mode.
        loss: Loss of a batch that it draws itself, for the share of the training that is done.
        steps: Number of steps.
        learning_rate: Step size at the start.
        weight_decay: Decoupled weight decay.
        largest_gradient: Length to which longer gradients are cut.

    Raises:
        SettingsError: If the weights are not finite in the end.
    """
    optimiser = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay, fused=True)
    model.train()
    for step in range(steps):
        progress = step / steps
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
        value = loss(progress)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        if largest_gradient < math.inf:
            nn.utils.clip_grad_norm_(model.parameters(), largest_gradient)
        optimiser.step()
    model.eval()
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters()):
        raise SettingsError(f"training diverged: the learning rate {learning_rate:g} is too large")
