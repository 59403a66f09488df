"""Soft actor-critic on the distance to the goal: reinforcement learning without an expert."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.sac_settings import DrivingSettings
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class Settings(DrivingSettings):
    """Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905)."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Maximise the discounted reward, see `ExperienceSettings`, and the entropy."""
    require_stable_baselines()
    from ampc.learning.reinforcement.driving import train_sac

    return train_sac(lesson, "sac", settings, folder, console)


ALGORITHM = Algorithm("sac", "reinforcement learning, off-policy: soft actor-critic", Settings, learn)
