"""Demonstrations by the thousand: closed loops in parallel processes, stored so that they survive a kill."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.header import DatasetHeader
from ampc.episodes.progress import EpisodeProgress
from ampc.episodes.recipe import AnyTaskSettings, EpisodeMaker, Learner, Recipe, Setup, tasks_of_episodes
from ampc.episodes.storage import DatasetWriter
from ampc.errors import AmpcError, DatasetError
from ampc.workers import count_cores, run_in_processes

__all__ = ["CollectionSettings", "Learner", "Setup", "collect", "tasks_of_episodes"]


def collect(
    setup: Setup,
    tasks: AnyTaskSettings,
    settings: CollectionSettings,
    folder: Path,
    console: Console | None = None,
    learner: Learner | None = None,
) -> Dataset:
    """Collect demonstrations; go on where an earlier call with the same settings has stopped.

    The dataset depends on the settings alone: not on the number of processes, nor on interruptions.

    Args:
        setup: Robot, controller and plant.
        tasks: What the tasks look like.
        settings: How many episodes, and how.
        folder: Folder of the dataset.
        console: Where progress is shown; None for standard error.
        learner: Who drives; None for the controller of the setup, the expert. The labels are the expert's
            in both cases.

    Returns:
        The dataset, opened.

    Raises:
        DatasetError: If the folder holds data of other settings, the disk is full, or a worker process died;
            what was stored before is kept.
        AmpcError: If robot, controller, plant or tasks do not fit together.
        KeyboardInterrupt: On Ctrl-C, after what is at work has been stored.
    """
    recipe = Recipe(setup, tasks, settings, learner)
    header = recipe.header()
    writer = DatasetWriter(folder, header)
    workforce = _Workforce(recipe, folder, header)
    lengths = writer.stored_lengths()
    episodes = 0
    with EpisodeProgress(len(lengths), console) as progress:
        # With a bound on the labels, in waves of as many episodes as are sure to keep to it.
        every = 1 if learner is None else learner.shadow.ask_every
        while (target := _affordable(settings, header.control_period, every, lengths, episodes)) > episodes:
            episodes = target
            runs = writer.missing(episodes, settings.shard_episodes)
            stored = episodes - sum(len(run) for run in runs)
            progress.expect(episodes)
            if stored and runs and not progress.began:
                progress.say(f"{folder}: {stored:,} of {episodes:,} episodes are there, going on")
            try:
                for run in workforce.work(runs):
                    lengths |= run
                    progress.add(len(run), sum(run.values()))
            except KeyboardInterrupt:
                progress.say(f"stopped: {progress.summary}. Run the same command again to go on")
                raise
        if progress.began:
            progress.say(f"collected {progress.summary}")
    writer.finish(episodes)
    return Dataset.open(folder)


def _affordable(
    settings: CollectionSettings,
    control_period: float,
    every: int,
    lengths: Mapping[int, int],
    episodes: int,
) -> int:
    """How many episodes may be made, given the lengths of the first ``episodes`` of them."""
    if settings.max_labels is None:
        return settings.episodes
    longest = max(1, round(settings.max_duration / control_period))
    left = settings.max_labels - sum(labels_in(lengths[episode], every) for episode in range(episodes))
    return min(settings.episodes, episodes + left // labels_in(longest, every))


def labels_in(length: int, every: int) -> int:
    """Labels of an episode of so many steps, of which every n-th is labelled, the first included."""
    return -(-length // every)


class _Workforce:
    """Makes and stores episodes, in this process or in several."""

    def __init__(self, recipe: Recipe, folder: Path, header: DatasetHeader) -> None:
        self._order = (recipe, folder, header)
        self._number = recipe.settings.workers or count_cores()
        self._single: _Worker | None = None

    def work(self, runs: Sequence[range]) -> Iterator[dict[int, int]]:
        """Number of rows of each episode of a run, by its index, as the run is stored."""
        if self._number > 1:
            yield from run_in_processes(_run_in_worker, runs, self._number, _start_worker, self._order)
        elif runs:
            self._single = self._single or _Worker(*self._order)
            yield from map(self._single.run, runs)


class _Worker:
    """What makes episodes in one process, and where they go."""

    def __init__(self, recipe: Recipe, folder: Path, header: DatasetHeader) -> None:
        self._maker = EpisodeMaker(recipe)
        self._writer = DatasetWriter(folder, header)

    def run(self, episodes: range) -> dict[int, int]:
        """Make and store episodes; the number of rows of each by its index."""
        made = self._maker.make(episodes)
        self._writer.write(episodes.start, made)
        return dict(zip(episodes, map(len, made), strict=True))


_worker: _Worker | AmpcError
"""The worker of this process, or why it could not be built."""


def _start_worker(recipe: Recipe, folder: Path, header: DatasetHeader) -> None:
    global _worker
    try:
        _worker = _Worker(recipe, folder, header)
    except AmpcError as error:
        _worker = error


def _run_in_worker(episodes: range) -> dict[int, int]:
    if isinstance(_worker, AmpcError):
        raise DatasetError(str(_worker))
    return _worker.run(episodes)
