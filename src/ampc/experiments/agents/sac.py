"""Policies by the algorithm `ampc.learning.algorithms.sac`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Store
from ampc.learning.algorithms import sac
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class SACPolicy(AgentPolicy):
    """A policy by sac."""

    settings: sac.Settings = field(default_factory=sac.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        return sac.learn(lesson, self.settings, folder, QUIET)
