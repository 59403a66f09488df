"""Behaviour cloning: the expert's commands, by regression."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from ampc.learning.algorithms import Algorithm
from ampc.learning.behaviour_cloning import train_policy
from ampc.learning.lesson import Lesson
from ampc.learning.settings import TrainingSettings
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings


@dataclass(frozen=True)
class Settings:
    """Behaviour cloning."""

    training: TrainingSettings = field(default_factory=TrainingSettings)
    """The protocol; the seed is the lesson's."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Fit a policy to the demonstrations."""
    spec = lesson.specification(settings.network)
    training = replace(settings.training, seed=lesson.seed)
    model = lesson.teaching.setup.build_model()
    return train_policy(lesson.demonstrate(folder, console), spec, training, folder, console, model)


ALGORITHM = Algorithm("bc", "imitation by regression on demonstrations", Settings, learn)
