"""Adversarial inverse reinforcement learning: the expert's reward, sought beside the agent."""

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
    """Adversarial inverse reinforcement learning (Fu, Luo and Levine 2018, arXiv 1710.11248), by SAC.

    The agent's discount is that of the shaping too.
    """


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Imitate demonstrations by driving; equations in `AirlDiscriminator`."""
    require_stable_baselines()
    from ampc.learning.reinforcement.adversarial import learn_against
    from ampc.learning.reinforcement.discriminator import AirlDiscriminator

    def make(mean: FloatArray, deviation: FloatArray, actions: int) -> "Discriminator":
        width, gamma = settings.discriminator.hidden_size, settings.sac.gamma
        return AirlDiscriminator(mean, deviation, actions, width, gamma)

    return learn_against(make, lesson, "airl", settings, folder, console)


ALGORITHM = Algorithm("airl", "imitation by driving: the reward that the expert follows", Settings, learn)
