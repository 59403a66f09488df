"""Settings of the agents; those that are not here are stable-baselines3's own."""

import math
from dataclasses import dataclass

from ampc.errors import SettingsError


@dataclass(frozen=True)
class SACSettings:
    """Soft actor-critic."""

    learning_rate: float = 3e-4
    """Step size of Adam, for actor, critics and temperature."""
    buffer_size: int = 400_000
    """Actions that are remembered: all of two million control steps at 20 ms an action."""
    learning_starts: int = 1_600
    """Actions at random before the first update."""
    batch_size: int = 128
    """Actions in an update."""
    updates_per_action: float = 0.5
    """Updates for every action of an arm; rounded so that there is at least one for all arms together."""
    gamma: float = 0.98
    """Discount from one action to the next: a second at 20 ms an action."""
    tau: float = 0.005
    """Share of the critics that goes into the targets at every update."""
    mirror: bool = True
    """Remember half of the steps as in a mirror, where the arm has that symmetry; see `MirroredBuffer`."""
    entropy: str = "auto"
    """Weight of the entropy: a number, or ``auto`` to learn it."""
    first_entropy: float = 0.02
    """What ``auto`` begins with: of the size of rewards, or for long the agent does nothing but explore."""
    entropy_target: float = -2.0
    """Entropy of each action that ``auto`` is to keep: about that of a deviation of 3 % of the limit."""

    def __post_init__(self) -> None:
        for name in ("buffer_size", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"sac.{name} is {getattr(self, name)}; it must be at least 1")
        _require_rates(self, "sac", ("learning_rate", "updates_per_action", "tau", "first_entropy"))
        if self.entropy != "auto" and not _is_number(self.entropy):
            raise SettingsError(f"sac.entropy is {self.entropy!r}; it must be 'auto' or a number")


@dataclass(frozen=True)
class PPOSettings:
    """Proximal policy optimisation."""

    learning_rate: float = 3e-4
    """Step size of Adam."""
    batch_size: int = 256
    """Actions in an update."""
    epochs: int = 10
    """Times that every round is learned from."""
    gamma: float = 0.98
    """Discount from one action to the next: a second at 20 ms an action."""
    gae_lambda: float = 0.95
    """Trade of bias for variance in the advantages."""
    clip_range: float = 0.2
    """Largest change of an action's probability that is rewarded, as a share of it."""
    entropy: float = 0.0
    """Weight of the entropy."""
    max_gradient: float = 0.5
    """Norm that gradients are cut to."""
    first_deviation: float = 0.5
    """Standard deviation of the actions at the beginning."""
    critic_rounds: int = 0
    """Rounds at the beginning in which the critic alone learns: that of a policy that was taught begins anew,
    and what it says at first would ruin the policy."""
    largest_divergence: float | None = None
    """Divergence of the policy from that before the round, beyond 1.5 times which the round is over (the
    ``target_kl`` of stable-baselines3); None for no limit."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise SettingsError(f"ppo.{name} is {getattr(self, name)}; it must be at least 1")
        if self.critic_rounds < 0:
            raise SettingsError(f"ppo.critic_rounds is {self.critic_rounds}; it must not be negative")
        if self.largest_divergence is not None and not self.largest_divergence > 0.0:
            raise SettingsError(f"ppo.largest_divergence is {self.largest_divergence}; it must be positive")
        _require_rates(self, "ppo", ("learning_rate", "clip_range", "max_gradient", "first_deviation"))


def _require_rates(settings: SACSettings | PPOSettings, where: str, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not 0.0 < value < math.inf:
            raise SettingsError(f"{where}.{name} is {value}; it must be positive and finite")
    if not 0.0 <= settings.gamma < 1.0:
        raise SettingsError(f"{where}.gamma is {settings.gamma}; it must be at least 0 and less than 1")


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0.0
    except ValueError:
        return False
