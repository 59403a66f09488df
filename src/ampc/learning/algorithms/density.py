"""Imitation by driving where the expert would be: a density of its steps as reward."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.density import DensityReward, DensitySettings
from ampc.learning.reinforcement.sac_settings import DrivingSettings
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class Settings(DrivingSettings):
    """Soft actor-critic on a Gaussian kernel estimate of the expert's density."""

    density: DensitySettings = field(default_factory=DensitySettings)
    """The kernel estimate."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Imitate demonstrations by driving; the equation in `DensityReward`."""
    require_stable_baselines()
    from ampc.learning.reinforcement.demonstrations import Demonstrations
    from ampc.learning.reinforcement.driving import train_sac

    held = settings.experience.held(lesson.control_period)
    dataset = lesson.demonstrate(folder, console)
    shown = Demonstrations.of(dataset, lesson.specification(), held, lesson.steps)
    reward = DensityReward(shown, settings.density)
    return train_sac(lesson, "density", settings, folder, console, reward, given=shown.digest)


ALGORITHM = Algorithm(
    "density", "imitation by driving: a kernel density of the expert as reward", Settings, learn
)
