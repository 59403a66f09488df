"""A controller on task sets, as a cell."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ampc.episodes.setup import ControllerSettings, EpisodeSetup, RobotSettings
from ampc.evaluation.chunks import Chunk, run_chunk
from ampc.evaluation.metrics import MetricSettings
from ampc.experiments.cell import Cell, Store
from ampc.plants import PlantSettings
from ampc.tasks import Region, TaskSampler, TaskSettings

CHUNK = 100
"""Tasks that are stored together, and that a killed cell may lose."""


@dataclass(frozen=True)
class TaskSet:
    """Tasks, the same for all controllers."""

    name: str
    """Name in tables."""
    count: int
    """Number of tasks."""
    seed: int
    """Their seed; must not be that of demonstrations."""
    region: Region = "interior"
    """Where the goals are."""
    settings: TaskSettings = field(default_factory=TaskSettings)
    """What the tasks look like, how their plants vary included."""


@dataclass(frozen=True)
class Trial(Cell):
    """Episodes of one controller; one file of metrics for each part of a task set."""

    sets: tuple[TaskSet, ...]
    """Which tasks."""
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    """Which controller."""
    policy: Cell | None = None
    """The cell that leaves the policy's ``policy.onnx``, for a controller of kind ``policy``."""
    plant: PlantSettings = field(default_factory=PlantSettings)
    """How the arm is simulated."""
    robot: RobotSettings = field(default_factory=RobotSettings)
    """Which arm."""
    duration: float = 3.0
    """Length of an episode [s]."""
    metrics: MetricSettings = field(default_factory=MetricSettings)
    """What counts as reached and settled."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Run all episodes."""
        controller = self.controller
        if self.policy is not None:
            controller = replace(controller, kind="policy", policy=store.folder(self.policy) / "policy.onnx")
        setup = EpisodeSetup(self.robot, controller, self.plant)
        robot = setup.build_robot()
        for tasks, first, path in self.parts(folder):
            if not path.exists():
                sampler = TaskSampler(robot, tasks.settings)
                count = min(CHUNK, tasks.count - first)
                drawn = sampler.sample(count, tasks.region, tasks.seed, first)
                run_chunk(Chunk(path, self.key, setup, drawn, 0, self.duration, self.metrics))
        return {}

    def parts(self, folder: Path) -> list[tuple[TaskSet, int, Path]]:
        """Task set, first task and file of each part, in the cell's folder."""
        return [
            (tasks, first, folder / f"{tasks.name}-{first}.parquet")
            for tasks in self.sets
            for first in range(0, tasks.count, CHUNK)
        ]
