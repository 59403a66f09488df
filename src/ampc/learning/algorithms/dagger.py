"""DAgger: the policy drives, the expert says what it would have done."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from ampc.learning.algorithms import Algorithm
from ampc.learning.dagger import dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.lesson import Lesson
from ampc.learning.settings import TrainingSettings
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings


@dataclass(frozen=True)
class Settings:
    """Dataset aggregation (Ross, Gordon and Bagnell 2011, arXiv 1011.0686)."""

    dagger: DaggerSettings = field(default_factory=DaggerSettings)
    """Rounds and labels; the number of demonstrations follows from them."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """How rounds are trained; the seed is the lesson's."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Learn from demonstrations, then from answers to what the policy meets.

    Given demonstrations are round 0: as many of them as fit into its labels.
    """
    given = None if lesson.given is None else lesson.demonstrate(folder, console)
    spec = lesson.specification(settings.network)
    training = replace(settings.training, seed=lesson.seed)
    return dagger(lesson.teaching, spec, training, settings.dagger, folder, console, given)


ALGORITHM = Algorithm("dagger", "imitation by answers to what the policy meets", Settings, learn)
