"""Demonstrations by the thousand: closed loops in parallel processes, stored so that they survive a kill."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ampc.episodes.dataset import Dataset
from ampc.episodes.header import DatasetHeader
from ampc.episodes.progress import EpisodeProgress
from ampc.episodes.rollout import StopRule, run_episode
from ampc.episodes.setup import EpisodeSetup
from ampc.episodes.storage import DatasetWriter
from ampc.errors import AmpcError, DatasetError, SettingsError
from ampc.settings import to_dict
from ampc.tasks import Region, Task, TaskSampler, TaskSettings
from ampc.workers import count_cores, run_in_processes


@dataclass(frozen=True)
class CollectionSettings:
    """How many demonstrations, from where, and by how many processes."""

    episodes: int = 5000
    """Number of episodes; more than a finished dataset has extends it."""
    seed: int = 0
    """Seed of the tasks; those of an evaluation must have another."""
    regions: tuple[Region, ...] = ("interior",)
    """Regions that the episodes take in turn; name one several times to weigh it. The other regions are then
    out of the distribution of the data."""
    max_duration: float = 3.0
    """Longest episode [s]."""
    settle_tolerance: float = 0.01
    """Deviation of the joint positions from the reference [rad] that counts as settled; see `StopRule`."""
    hold: float = 0.3
    """Time that is still recorded after the arm has settled [s]: how to hold still is learned from it."""
    workers: int | None = None
    """Processes; None for one a core, 1 for none beside this one."""
    shard_episodes: int = 50
    """Episodes that are stored together; at most so many for each worker are lost by a kill."""

    def __post_init__(self) -> None:
        for name in ("episodes", "workers", "shard_episodes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"collection.{name} is {value}; it must be at least 1")
        for name in ("max_duration", "settle_tolerance"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(
                    f"collection.{name} is {getattr(self, name)}; it must be positive and finite"
                )
        if not 0.0 <= self.hold < math.inf:
            raise SettingsError(f"collection.hold is {self.hold}; it must be a time in seconds, not negative")
        if not self.regions:
            raise SettingsError("collection.regions is empty; name at least one, such as 'interior'")

    @property
    def stop(self) -> StopRule:
        """When an episode ends."""
        return StopRule(self.settle_tolerance, self.hold)


def collect(
    setup: EpisodeSetup,
    tasks: TaskSettings,
    settings: CollectionSettings,
    folder: Path,
    console: Console | None = None,
) -> Dataset:
    """Collect demonstrations; go on where an earlier call with the same settings has stopped.

    The dataset depends on the settings alone: not on the number of processes, nor on interruptions.

    Args:
        setup: Robot, controller and plant.
        tasks: What the tasks look like.
        settings: How many episodes, and how.
        folder: Folder of the dataset.
        console: Where progress is shown; None for standard error.

    Returns:
        The dataset, opened.

    Raises:
        DatasetError: If the folder holds data of other settings, the disk is full, or a worker process died;
            what was stored before is kept.
        AmpcError: If robot, controller, plant or tasks do not fit together.
        KeyboardInterrupt: On Ctrl-C, after what is at work has been stored.
    """
    header = _describe(setup, tasks, settings)
    writer = DatasetWriter(folder, header)
    runs = writer.missing(settings.episodes, settings.shard_episodes)
    stored = settings.episodes - sum(len(run) for run in runs)
    with EpisodeProgress(settings.episodes, stored, console) as progress:
        if stored and runs:
            progress.say(f"{folder}: {stored:,} of {settings.episodes:,} episodes are there, going on")
        recipe = _Recipe(setup, tasks, settings, folder, header)
        try:
            for count, rows in _work(recipe, runs, settings.workers or count_cores()):
                progress.add(count, rows)
        except KeyboardInterrupt:
            progress.say(f"stopped: {progress.summary}. Run the same command again to go on")
            raise
        if runs:
            progress.say(f"collected {progress.summary}")
    writer.finish(settings.episodes)
    return Dataset.open(folder)


def tasks_of_episodes(sampler: TaskSampler, settings: CollectionSettings, episodes: range) -> list[Task]:
    """Tasks of consecutive episodes: each region's own tasks, the regions taking turns."""
    regions = settings.regions
    tasks: dict[int, Task] = {}
    for region in set(regions):
        members = [episode for episode in episodes if regions[episode % len(regions)] == region]
        if not members:
            continue
        cycles, place = divmod(members[0], len(regions))
        first = cycles * regions.count(region) + regions[:place].count(region)
        drawn = sampler.sample(len(members), region, settings.seed, first)
        tasks |= dict(zip(members, drawn, strict=True))
    return [tasks[episode] for episode in episodes]


@dataclass(frozen=True)
class _Recipe:
    """What a worker process needs to make episodes."""

    setup: EpisodeSetup
    tasks: TaskSettings
    settings: CollectionSettings
    folder: Path
    header: DatasetHeader


class _Worker:
    """One process's own plant, controller and sampler."""

    def __init__(self, recipe: _Recipe) -> None:
        self.recipe = recipe
        self.plant, self.controller = recipe.setup.build()
        self.sampler = TaskSampler(self.plant.robot, recipe.tasks)
        self.writer = DatasetWriter(recipe.folder, recipe.header)

    def run(self, episodes: range) -> tuple[int, int]:
        """Make and store episodes; the number of them and of their rows."""
        settings = self.recipe.settings
        done = [
            run_episode(self.plant, self.controller, task, settings.max_duration, settings.stop)
            for task in tasks_of_episodes(self.sampler, settings, episodes)
        ]
        return len(episodes), self.writer.write(episodes.start, done)


def _describe(setup: EpisodeSetup, tasks: TaskSettings, settings: CollectionSettings) -> DatasetHeader:
    """Header of the dataset; also the test that robot, plant and controller can be built."""
    plant, controller = setup.build()
    shaping = to_dict(settings)
    for name in ("episodes", "workers", "shard_episodes"):
        del shaping[name]
    recorded = {**to_dict(setup), "tasks": to_dict(tasks), "collection": shaping}
    del recorded["robot"]  # the fingerprint says it better than a path
    return DatasetHeader.describe(plant.robot, controller.name, plant.control_period, recorded)


def _work(recipe: _Recipe, runs: list[range], workers: int) -> Iterator[tuple[int, int]]:
    """Make the runs of episodes, in this process or in several; count and rows of each as it is stored."""
    if not runs:
        return
    if workers == 1:
        worker = _Worker(recipe)
        yield from map(worker.run, runs)
        return
    yield from run_in_processes(_run_in_worker, runs, workers, _start_worker, (recipe,))


_worker: _Worker | AmpcError
"""The worker of this process, or why it could not be built."""


def _start_worker(recipe: _Recipe) -> None:
    global _worker
    try:
        _worker = _Worker(recipe)
    except AmpcError as error:
        _worker = error


def _run_in_worker(episodes: range) -> tuple[int, int]:
    if isinstance(_worker, AmpcError):
        raise DatasetError(str(_worker))
    return _worker.run(episodes)
