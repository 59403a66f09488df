"""Policies that were taught, tuned by the algorithm `ampc.learning.algorithms.ppo`, as cells."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from ampc.experiments.agents.base import QUIET, AgentPolicy
from ampc.experiments.cell import Cell, Store
from ampc.learning.algorithms import ppo
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class TunedPolicy(AgentPolicy):
    """A policy that begins with one that was taught."""

    taught: Cell | None = None
    """The cell in whose folder the policy to begin with is saved; None to begin with nothing."""
    settings: ppo.Settings = field(default_factory=ppo.Settings)
    """Of the algorithm."""

    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn."""
        begin_with = None if self.taught is None else store.folder(self.taught)
        return ppo.learn(lesson, replace(self.settings, begin_with=begin_with), folder, QUIET)
