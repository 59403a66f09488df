"""What the cells of all agents have in common."""

import csv
from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.experiments.cell import Cell, Store
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import Teaching
from ampc.learning.lesson import Lesson
from ampc.policies.policy import Policy

POLICY_FILE = "policy.onnx"
QUIET = Console(quiet=True)


@dataclass(frozen=True)
class AgentPolicy(Cell):
    """A policy that has learned by driving; it lies in ``policy.onnx`` of the cell's folder."""

    teaching: Teaching
    """Robot, plant and expert; tasks; seed, regions and length of the episodes."""
    seed: int
    """Seed of weights, batches and exploration."""
    demonstrations: int = 100
    """Episodes of the tasks' seed that it does not drive, since they were demonstrated to it or to others."""
    shown: Cell | None = None
    """The cell with the demonstrations that it imitates; None where it imitates nothing."""
    shown_at: str = "dataset"
    """Where they lie in the folder of that cell."""

    @abstractmethod
    def learn(self, lesson: Lesson, folder: Path, store: Store) -> Policy:
        """Let the algorithm learn, quietly."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Learn and export; a run that was killed goes on."""
        given = None if self.shown is None else store.folder(self.shown) / self.shown_at
        alone = replace(self.teaching, collection=replace(self.teaching.collection, workers=1))
        lesson = Lesson(alone, self.demonstrations, self.seed, given)
        policy = self.learn(lesson, folder, store)
        export_onnx(policy, folder / POLICY_FILE)
        steps = policy.spec.training["control_steps"]
        return {"control steps": steps, "curve": curve_of(folder / "training.csv")}


def curve_of(path: Path) -> list[dict[str, float]]:
    """Rounds of a learning curve in which the policy was judged."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("judged distance")]
    names = ("steps", "judged distance", "judged reward", "judged violating")
    return [{name: float(row[name]) for name in names} for row in rows]
