"""What the cells of all agents have in common."""

import csv
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.files import POLICY_FILE
from ampc.experiments.flexible.policies import DURATION, teaching
from ampc.export.onnx import export_onnx
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy

FIRST_ROUND = Path("rounds/0/dataset")
"""The demonstrations in the folder of a policy that was taught by DAgger or behaviour cloning."""


@dataclass(frozen=True)
class AgentPolicy(Cell):
    """A policy that has learned by driving."""

    seed: int
    """Seed of its tasks, weights, batches and exploration."""
    demonstrations: int = 100
    """Episodes of the tasks' seed that it does not drive, since they were demonstrated to it or to others."""
    shown: Cell | None = None
    """The cell whose first round are the demonstrations that it imitates; None where it imitates nothing."""
    duration: float = DURATION
    """Length of the episodes [s]."""

    @abstractmethod
    def learn(self, lesson: Lesson, folder: Path, console: Console) -> Policy:
        """Let the algorithm learn."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Learn and export; a run that was killed goes on."""
        given = None if self.shown is None else store.folder(self.shown) / FIRST_ROUND
        lesson = Lesson(teaching(self.seed, duration=self.duration), self.demonstrations, self.seed, given)
        policy = self.learn(lesson, folder, Console(quiet=True))
        export_onnx(policy, folder / POLICY_FILE)
        steps = policy.spec.training["control_steps"]
        return {"control steps": steps, "curve": curve_of(folder / "training.csv")}


def curve_of(path: Path) -> list[dict[str, float]]:
    """Rounds of a learning curve in which the policy was judged."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("judged distance")]
    names = ("steps", "judged distance", "judged violating")
    return [{name: float(row[name]) for name in names} for row in rows]
