"""How fast demonstrations are collected, and where the time goes.

Collects with the default settings into a temporary folder, worker start-up and consolidation included; then
some episodes run in this process with each part of the loop timed.

    python benchmarks/collection.py [--episodes 5000] [--workers 2]
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from ampc.episodes.collection import CollectionSettings, collect, tasks_of_episodes
from ampc.episodes.header import DatasetHeader
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import EpisodeSetup
from ampc.episodes.storage import DatasetWriter
from ampc.tasks import TaskSampler, TaskSettings


@dataclass(frozen=True)
class Options:
    """What to measure."""

    episodes: int = 5000
    """Episodes of the timed collection."""
    workers: int = 2
    """Processes."""
    profiled: int = 200
    """Episodes run in this process to find where the time goes."""


def main(options: Options) -> None:
    """Measure and print."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        settings = CollectionSettings(episodes=options.episodes, workers=options.workers)
        started = time.perf_counter()
        dataset = collect(EpisodeSetup(), TaskSettings(), settings, Path(folder) / "dataset")
        seconds = time.perf_counter() - started
    rows = len(dataset)
    console.print(
        f"{options.episodes:,} episodes, {rows:,} labels, {options.workers} workers: {seconds:.1f} s, "
        f"{rows / seconds:,.0f} labels/s; 100,000 labels in {1e5 * seconds / rows:.1f} s"
    )
    console.print(profile(replace(settings, episodes=options.profiled)))


def profile(settings: CollectionSettings) -> Table:
    """Time of the parts of the loop, in one process."""
    plant, controller = EpisodeSetup().build()
    sampler = TaskSampler(plant.robot)
    spent: dict[str, float] = defaultdict(float)
    time_calls(spent, "inverse kinematics", controller._inverse_kinematics, "solve")
    time_calls(spent, "MPC", controller._law, "command")
    time_calls(spent, "computed torque", controller._torque_law, "split")
    time_calls(spent, "simulation", plant, "step")
    time_calls(spent, "simulation", plant, "reset")

    started = time.perf_counter()
    episodes, rows = [], 0
    with tempfile.TemporaryDirectory() as folder:
        header = DatasetHeader.describe(plant.robot, controller.name, plant.control_period, {})
        writer = DatasetWriter(Path(folder) / "dataset", header)
        time_calls(spent, "storage", writer, "write")
        time_calls(spent, "storage", writer, "finish")
        time_calls(spent, "tasks", sampler, "sample")
        for first in range(0, settings.episodes, settings.shard_episodes):
            shard = range(first, min(first + settings.shard_episodes, settings.episodes))
            tasks = tasks_of_episodes(sampler, settings, shard)
            episodes = [
                run_episode(plant, controller, task, settings.max_duration, settings.stop) for task in tasks
            ]
            rows += writer.write(first, episodes)
        writer.finish(settings.episodes)
    total = time.perf_counter() - started
    spent["rest of the loop"] = total - sum(spent.values())

    table = Table("part", "share", "us per label", title=f"one process, {rows:,} labels, {total:.2f} s")
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{seconds / total:.0%}", f"{seconds / rows * 1e6:.1f}")
    return table


def time_calls(spent: dict[str, float], part: str, owner: Any, method: str) -> None:
    """Add the time of every call of a method to a part."""
    original: Callable[..., Any] = getattr(owner, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent[part] += time.perf_counter() - started

    setattr(owner, method, timed)


if __name__ == "__main__":
    main(tyro.cli(Options))
