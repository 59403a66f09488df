"""Generative adversarial imitation learning: a discriminator's word as reward, learned beside the agent."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ampc.arrays import FloatArray
from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.discriminator_settings import DiscriminatorSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.policies.policy import Policy

if TYPE_CHECKING:
    from ampc.learning.reinforcement.discriminator import Discriminator


@dataclass(frozen=True)
class Settings:
    """Generative adversarial imitation learning (Ho and Ermon 2016, arXiv 1606.03476), by SAC."""

    experience: ExperienceSettings = field(default_factory=ExperienceSettings)
    """How much the agent drives."""
    sac: SACSettings = field(default_factory=SACSettings)
    """The agent."""
    network: NetworkShape = field(default_factory=NetworkShape)
    """Actor and critics."""
    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    """The discriminator."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Imitate demonstrations by driving; equations in `GailDiscriminator`."""
    require_stable_baselines()
    from ampc.learning.reinforcement.adversarial import learn_against
    from ampc.learning.reinforcement.discriminator import GailDiscriminator

    def make(mean: FloatArray, deviation: FloatArray, actions: int) -> "Discriminator":
        return GailDiscriminator(mean, deviation, actions, settings.discriminator.hidden_size)

    return learn_against(make, lesson, "gail", settings, folder, console)


ALGORITHM = Algorithm("gail", "imitation by driving: a discriminator's word as reward", Settings, learn)
