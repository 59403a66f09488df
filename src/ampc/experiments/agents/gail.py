"""Policies by the algorithm `ampc.learning.algorithms.gail`, as cells."""

from dataclasses import dataclass, field
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Store
from ampc.learning.algorithms import gail
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class GAILPolicy(AgentPolicy):
    """A policy by gail."""

    settings: gail.Settings = field(default_factory=gail.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        return gail.learn(lesson, self.settings, folder, QUIET)
