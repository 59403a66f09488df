"""Soft actor-critic on the distance to the goal: reinforcement learning without an expert."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class Settings:
    """Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905)."""

    experience: ExperienceSettings = field(default_factory=ExperienceSettings)
    """How much the agent drives."""
    sac: SACSettings = field(default_factory=SACSettings)
    """The agent."""
    network: NetworkShape = field(default_factory=NetworkShape)
    """Actor and critics."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Maximise the discounted sum of ``-distance - violation_penalty * violation``, and the entropy."""
    require_stable_baselines()
    from ampc.learning.reinforcement.driving import train_sac

    return train_sac(lesson, "sac", settings, folder, console)


ALGORITHM = Algorithm("sac", "reinforcement learning, off-policy: soft actor-critic", Settings, learn)
