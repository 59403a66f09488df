"""Policies by the algorithm `ampc.learning.algorithms.airl`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Store
from ampc.learning.algorithms import airl
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class AIRLPolicy(AgentPolicy):
    """A policy by airl."""

    settings: airl.Settings = field(default_factory=airl.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        return airl.learn(lesson, self.settings, folder, QUIET)
