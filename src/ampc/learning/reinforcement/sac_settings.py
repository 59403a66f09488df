"""Settings of all algorithms that let soft actor-critic drive."""

from dataclasses import dataclass, field

from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.discriminator_settings import DiscriminatorSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape


@dataclass(frozen=True)
class DrivingSettings:
    """Driving by soft actor-critic."""

    experience: ExperienceSettings = field(default_factory=ExperienceSettings)
    """How much the agent drives."""
    sac: SACSettings = field(default_factory=SACSettings)
    """The agent."""
    network: NetworkShape = field(default_factory=NetworkShape)
    """Actor and critics."""


@dataclass(frozen=True)
class AdversarialSettings(DrivingSettings):
    """Driving against a discriminator."""

    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    """The discriminator; of AIRL the reward and its shaping, each a network of that size."""
