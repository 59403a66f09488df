"""Policies by the algorithm `ampc.learning.algorithms.ppo`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Store
from ampc.learning.algorithms import ppo
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class PPOPolicy(AgentPolicy):
    """A policy by ppo."""

    settings: ppo.Settings = field(default_factory=ppo.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        return ppo.learn(lesson, self.settings, folder, QUIET)
