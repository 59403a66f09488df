"""Settings of the networks that tell the expert's steps from the agent's."""

import math
from dataclasses import dataclass

from ampc.errors import SettingsError


@dataclass(frozen=True)
class DiscriminatorSettings:
    """The discriminator."""

    hidden_size: int = 64
    """Width of its two hidden layers."""
    learning_rate: float = 3e-4
    """Step size of Adam."""
    batch_size: int = 256
    """Steps of the expert in an update, and as many of the agent."""
    updates: int = 50
    """Updates after every round."""
    recent: int = 20
    """Rounds from which the agent's steps are drawn."""
    gradient_penalty: float = 1.0
    """Weight of the squared norm of the logit's gradient at the expert's and the agent's steps (Mescheder et
    al. 2018, arXiv 1801.04406, R1 at both): the reward stays smooth where both can be told apart."""
    reward_scale: float = 0.1
    """Factor of the reward, which is a logarithm of some tens: an agent whose settings are made for distances
    in metres does not learn what is worth hundreds."""
    noise: float = 0.3
    """Noise on what it is trained with, in deviations of the demonstrations (instance noise: Arjovsky and
    Bottou 2017, arXiv 1701.04862). Without it, it tells all steps apart by how links tremble under torques
    that are held, and has nothing to say about what matters."""

    def __post_init__(self) -> None:
        for name in ("hidden_size", "batch_size", "updates", "recent"):
            if getattr(self, name) < 1:
                raise SettingsError(f"discriminator.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "reward_scale"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise SettingsError(f"discriminator.{name} must be positive and finite, not {value}")
        for name in ("gradient_penalty", "noise"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise SettingsError(f"discriminator.{name} must be finite and not negative, not {value}")
