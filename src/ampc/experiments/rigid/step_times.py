"""Time per control step of controllers that take turns, as a cell."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.evaluation import measure_latency
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.policies import ONNX_FILE
from ampc.experiments.rigid.trial import TaskSet
from ampc.tasks import TaskSampler


@dataclass(frozen=True)
class Contestant:
    """One of the controllers."""

    name: str
    """Its name."""
    controller: ControllerSettings
    """What it is."""
    policy: Cell | None = None
    """The cell that leaves its ``policy.onnx``, if it is a policy."""


@dataclass(frozen=True)
class StepTimes(Cell):
    """Time per step of controllers that take turns in one process; see `measure_latency`."""

    contestants: tuple[Contestant, ...]
    """The controllers; the first is what the others are compared with."""
    tasks: TaskSet
    """Tasks to run."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Measure."""
        setups = {each.name: _setup(each, store) for each in self.contestants}
        robot = next(iter(setups.values())).build_robot()
        tasks = TaskSampler(robot, self.tasks.settings).sample(
            self.tasks.count, self.tasks.region, self.tasks.seed
        )
        latency = measure_latency(setups, tasks)
        latency.save(folder)
        return {"rows": [asdict(row) for row in latency.figures(self.contestants[0].name)]}


def _setup(contestant: Contestant, store: Store) -> EpisodeSetup:
    controller = contestant.controller
    if contestant.policy is not None:
        path = store.folder(contestant.policy) / ONNX_FILE
        controller = replace(controller, kind="policy", policy=path)
    return EpisodeSetup(controller=replace(controller, name=contestant.name))
