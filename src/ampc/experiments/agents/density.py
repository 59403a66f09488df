"""Policies by the algorithm `ampc.learning.algorithms.density`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Store
from ampc.learning.algorithms import density
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class DensityPolicy(AgentPolicy):
    """A policy by density."""

    settings: density.Settings = field(default_factory=density.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        return density.learn(lesson, self.settings, folder, QUIET)
