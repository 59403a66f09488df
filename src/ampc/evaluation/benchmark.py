"""Controllers on the same tasks, in parallel processes, resumable at any moment.

Every chunk of tasks of one controller is one file, named by the hash of all that its content depends on:
code, setup, files that it points to, robot, tasks, settings. A file that exists is therefore never run again,
and a changed controller finds none of its old files.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import ampc
from ampc.control.controller import Controller
from ampc.episodes.rollout import Plant
from ampc.errors import SettingsError
from ampc.evaluation.chunks import Chunk, run_chunk
from ampc.evaluation.metrics import MetricSettings
from ampc.evaluation.results import BenchmarkResult, Part, merge
from ampc.robots.robot import Robot
from ampc.settings import to_dict
from ampc.tasks.obstacles import obstacles_to_plain
from ampc.tasks.task import Task
from ampc.workers import count_cores, run_in_processes

CODE = (
    "robots",
    "chain",
    "plants",
    "solvers",
    "control",
    "policies",
    "episodes",
    "evaluation",
)
"""Rooms whose code decides what an episode and its figures are."""


class Setup(Protocol):
    """A frozen dataclass of plain settings from which any process builds the same closed loop."""

    def build_robot(self) -> Robot:
        """Load the arm."""

    def build(self) -> tuple[Plant, Controller]:
        """Make the plant and the controller."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """How a benchmark is run."""

    duration: float = 3.0
    """Length of every episode [s]."""
    traces: int = 4
    """Tasks per region, the first ones, of which joint states and torques are kept for figures and videos."""
    chunk: int = 50
    """Tasks that one process runs at a time, and that a killed run may lose."""
    workers: int | None = None
    """Processes; None for one per core, 1 to stay in this process."""
    metrics: MetricSettings = field(default_factory=MetricSettings)
    """What counts as reached, settled and violated."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise SettingsError(f"benchmark.chunk is {self.chunk}; it must be at least 1")
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"benchmark.workers is {self.workers}; it must be at least 1, or left out")


class Benchmark:
    """Named controllers on task sets by region: every controller meets the same tasks with the same noise.

    Example:
        >>> lqr = EpisodeSetup(controller=ControllerSettings(kind="lqr"))
        >>> setups = {"expert": EpisodeSetup(), "lqr": lqr}
        >>> result = Benchmark(Path("runs/one"), setups, {"interior": tasks}).run()
        >>> result.values("lqr", "interior", "rmse")
    """

    def __init__(
        self,
        folder: Path,
        setups: Mapping[str, Setup],
        tasks: Mapping[str, Sequence[Task]],
        settings: BenchmarkSettings | None = None,
    ) -> None:
        """Plan a benchmark.

        Args:
            folder: Where results are kept; made if missing.
            setups: Recipe of each controller's loop, by the name used in tables and figures.
            tasks: Task set of each region.
            settings: How it is run.

        Raises:
            SettingsError: If there is no controller, no region or an empty region.
        """
        if not setups:
            raise SettingsError("a benchmark needs at least one controller")
        empty = [region for region, of_region in tasks.items() if not of_region]
        if empty or not tasks:
            raise SettingsError(f"a benchmark needs tasks; none for {', '.join(empty) or 'any region'}")
        self.folder = folder
        self.settings = settings or BenchmarkSettings()
        self._setups = dict(setups)
        self._tasks = {region: tuple(of_region) for region, of_region in tasks.items()}

    def run(self, console: Console | None = None) -> BenchmarkResult:
        """Run what has not been run yet, and gather everything.

        Args:
            console: Where progress is shown; None for standard output. Works without a terminal.

        Returns:
            The result, also written to ``episodes.parquet`` and ``benchmark.json`` in the folder.

        Raises:
            SettingsError: If the setups are of different arms.
            AmpcError: If a setup cannot be built, or a task is not for its robot.
        """
        chunk_folder = self.folder / "chunks"
        chunk_folder.mkdir(parents=True, exist_ok=True)
        # Chunk by chunk through all controllers, so that all contend for the cores alike.
        planned = sorted(self._plan(chunk_folder), key=lambda pair: (pair[0].region, pair[0].first))
        missing = [chunk for part, chunk in planned if not part.path.exists()]
        episodes = sum(len(chunk.tasks) for _, chunk in planned)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("episodes"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            done = episodes - sum(len(chunk.tasks) for chunk in missing)
            bar = progress.add_task("benchmark", total=episodes, completed=done)
            for n_episodes in _execute(missing, self.settings.workers or count_cores()):
                progress.advance(bar, n_episodes)
        merge(
            self.folder,
            [part for part, _ in planned],
            controllers=tuple(self._setups),
            regions=tuple(self._tasks),
            settings=to_dict(self.settings),
            setups={name: to_dict(setup) for name, setup in self._setups.items()},
        )
        return BenchmarkResult.open(self.folder)

    def _plan(self, chunk_folder: Path) -> Iterator[tuple[Part, Chunk]]:
        arms = {name: setup.build_robot().fingerprint for name, setup in self._setups.items()}
        other = [name for name, arm in arms.items() if arm != next(iter(arms.values()))]
        if other:
            raise SettingsError(
                f"all controllers of a benchmark run on one arm; {next(iter(arms))!r} and {other[0]!r} do not"
            )
        for name, setup in self._setups.items():
            setup_key = setup_fingerprint(setup)
            for region, tasks in self._tasks.items():
                for first in range(0, len(tasks), self.settings.chunk):
                    chunk = Chunk(
                        path=chunk_folder,
                        setup_key=setup_key,
                        setup=setup,
                        tasks=tasks[first : first + self.settings.chunk],
                        n_traced=max(0, self.settings.traces - first),
                        duration=self.settings.duration,
                        metrics=self.settings.metrics,
                    )
                    path = chunk_folder / f"{_chunk_key(chunk)}.parquet"
                    yield Part(name, region, first, path), dataclasses.replace(chunk, path=path)


def setup_fingerprint(setup: Setup) -> str:
    """Hash of a setup: its settings, the arm, and the content of every file that it points to."""
    digest = hashlib.sha256(code_fingerprint(Path(ampc.__file__).parent))
    digest.update(type(setup).__qualname__.encode())
    digest.update(_canonical(to_dict(setup)))
    digest.update(setup.build_robot().fingerprint.encode())
    for path in _paths_in(setup):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def code_fingerprint(package: Path) -> bytes:
    """Hash of a package's sources in the rooms of `CODE`: other code, other results."""
    digest = hashlib.sha256()
    for path in sorted(path for room in CODE for path in (package / room).rglob("*.*")):
        if path.suffix in (".py", ".c", ".h"):
            digest.update(path.read_bytes())
    return digest.digest()


def _paths_in(settings: Any) -> Iterator[Path]:
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, Path):
            yield value
        elif dataclasses.is_dataclass(value):
            yield from _paths_in(value)


def _chunk_key(chunk: Chunk) -> str:
    digest = hashlib.sha256(chunk.setup_key.encode())
    traced = min(chunk.n_traced, len(chunk.tasks))
    digest.update(_canonical([chunk.duration, traced, to_dict(chunk.metrics)]))
    for task in chunk.tasks:
        digest.update(_canonical([task.index, task.seed, to_dict(task.variation)]))
        digest.update(task.start.tobytes())
        digest.update(task.goal.tobytes())
        if task.obstacles is not None:
            digest.update(_canonical(obstacles_to_plain(task)))
    return digest.hexdigest()[:32]


def _canonical(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


def _execute(chunks: Sequence[Chunk], workers: int) -> Iterator[int]:
    """Run chunks in any order, yielding the number of episodes of each that is finished and written."""
    if workers == 1:
        yield from map(run_chunk, chunks)
    else:
        yield from run_in_processes(run_chunk, chunks, workers)
