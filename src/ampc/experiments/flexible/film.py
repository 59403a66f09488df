"""A film of one episode, as a cell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampc.episodes.rollout import run_episode
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks
from ampc.report.episode import show_episode
from ampc.report.video import RenderingUnavailableError

FILE = "episode.mp4"


@dataclass(frozen=True)
class Film(Cell):
    """A controller on the first of some tasks."""

    tasks: FlexibleTasks
    """Which task."""
    contestant: Contestant
    """Which controller."""
    duration: float = 3.0
    """Length [s]."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Run the episode and film it; without OpenGL there is no film, and the result says why."""
        plant, controller = self.contestant.setup.build()
        controller.name = self.contestant.name
        episode = run_episode(plant, controller, self.tasks.sample(plant.robot)[0], self.duration)
        try:
            show_episode(episode, plant.robot, folder / FILE)
        except RenderingUnavailableError as error:
            return {"film": "", "reason": str(error)}
        return {"film": FILE, "reason": ""}
