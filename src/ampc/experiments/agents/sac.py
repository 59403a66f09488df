"""Policies by the algorithm `ampc.learning.algorithms.sac`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ampc.experiments.agents.base import AgentPolicy
from ampc.learning.algorithms import sac
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class SACPolicy(AgentPolicy):
    """A policy by sac."""

    settings: sac.Settings = field(default_factory=sac.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, console: Console) -> Policy:
        """Let the algorithm learn."""
        return sac.learn(lesson, self.settings, folder, console)
