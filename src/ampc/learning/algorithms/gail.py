"""Generative adversarial imitation learning: a discriminator's word as reward, learned beside the agent."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ampc.arrays import FloatArray
from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.sac_settings import AdversarialSettings
from ampc.policies.policy import Policy

if TYPE_CHECKING:
    from ampc.learning.reinforcement.discriminator import Discriminator


@dataclass(frozen=True)
class Settings(AdversarialSettings):
    """Generative adversarial imitation learning (Ho and Ermon 2016, arXiv 1606.03476), by SAC."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Imitate demonstrations by driving; equations in `GailDiscriminator`."""
    require_stable_baselines()
    from ampc.learning.reinforcement.adversarial import learn_against
    from ampc.learning.reinforcement.discriminator import GailDiscriminator

    def make(mean: FloatArray, deviation: FloatArray, actions: int) -> "Discriminator":
        return GailDiscriminator(mean, deviation, actions, settings.discriminator.hidden_size)

    return learn_against(make, lesson, "gail", settings, folder, console)


ALGORITHM = Algorithm("gail", "imitation by driving: a discriminator's word as reward", Settings, learn)
