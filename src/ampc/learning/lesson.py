"""What every algorithm is given: an arm, its expert, tasks, and the policy to make."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ampc.control.safety_settings import SafetyFilterSettings
from ampc.episodes.collection import collect, tasks_of_episodes
from ampc.episodes.dataset import Dataset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.recipe import Sampler, sampler_of
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import SettingsError
from ampc.learning.dagger import Teaching
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import InputSettings, PolicySpec
from ampc.tasks import Task
from ampc.tasks.flexible import FlexibleTaskSettings

if TYPE_CHECKING:
    from ampc.environments.loops import ManyLoops

DEMONSTRATIONS = "demonstrations"
"""Folder of the expert's episodes, inside that of the lesson."""


@dataclass(frozen=True)
class Lesson:
    """The same for all algorithms, so that what they make of it can be compared."""

    teaching: Teaching
    """Robot, plant and expert; tasks; seed, regions and length of the episodes. Demonstrations are the first
    tasks of that seed; who drives for itself meets the following ones."""
    demonstrations: int = 100
    """Episodes of the expert, for algorithms that imitate."""
    seed: int = 0
    """Seed of weights, batches and exploration."""
    given: Path | None = None
    """A dataset with these demonstrations, where they have been collected before."""

    @property
    def control_period(self) -> float:
        """Time between two decisions of the policy [s]."""
        return self._setup.plant.control_period

    @property
    def steps(self) -> int:
        """Length of an episode in control steps."""
        return round(self.teaching.collection.max_duration / self.control_period)

    def specification(self, network: NetworkSettings | None = None) -> PolicySpec:
        """The policy to make: what it sees is the same for all algorithms, the network is theirs.

        Where walls are drawn for each task, it sees on which side they stand.
        """
        setup, model, tasks = self._setup, self._setup.build_model(), self.teaching.tasks
        if isinstance(setup, FlexibleSetup):
            walled = isinstance(tasks, FlexibleTaskSettings) and tasks.walls is not None
            limits = np.abs(model.torque_limits).max(axis=1)
            law, inputs = "gravity-compensation", flexible_inputs(directions=walled)
        else:
            limits = np.full(model.n_actuated, setup.controller.command_limit)
            law, inputs = setup.controller.torque_law, InputSettings(history=1)
        limit = tuple(float(each) for each in limits)
        return PolicySpec.for_robot(model, self.control_period, limit, law, inputs, network)  # type: ignore[arg-type]

    def demonstrate(self, folder: Path, console: Console | None = None) -> Dataset:
        """The expert's episodes; collected, or gone on with, where they are not given."""
        if self.given is not None:
            return Dataset.open(self.given)
        settings = dataclasses.replace(
            self.teaching.collection, episodes=self.demonstrations, max_labels=None
        )
        return collect(self._setup, self.teaching.tasks, settings, folder / DEMONSTRATIONS, console)

    def arms(self, count: int, filtered: bool = False) -> "ManyLoops":
        """Arms that are driven side by side, each behind a safety filter if asked to.

        Raises:
            SettingsError: There is no safety filter for this arm.
        """
        # Gymnasium is needed only where there is something to drive.
        from ampc.environments.flexible_loops import FlexibleLoops
        from ampc.environments.rigid_loops import RigidLoops

        setup = self._setup
        if isinstance(setup, FlexibleSetup):
            return FlexibleLoops(setup, count, safety=SafetyFilterSettings() if filtered else None)
        if filtered:
            raise SettingsError("the safety filter is for arms with flexible links; set filtered to false")
        return RigidLoops(setup, count)

    def drawing(self, seed: int | None = None) -> Callable[[range], list[Task]]:
        """What gives the tasks of consecutive episodes: those after the demonstrations, or another seed's."""
        sampler, settings = self._sampler, self.teaching.collection
        first = settings.first_task + self.demonstrations if seed is None else 0
        settings = dataclasses.replace(
            settings, first_task=first, seed=settings.seed if seed is None else seed
        )
        return lambda episodes: tasks_of_episodes(sampler, settings, episodes)

    @cached_property
    def _sampler(self) -> Sampler:
        return sampler_of(self._setup.build_robot(), self.teaching.tasks)

    @property
    def _setup(self) -> FlexibleSetup | EpisodeSetup:
        setup = self.teaching.setup
        assert isinstance(setup, FlexibleSetup | EpisodeSetup)
        return setup
