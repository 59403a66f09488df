"""Demonstrations of an expert as a cell."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.episodes.collection import CollectionSettings, collect
from ampc.episodes.dataset import Dataset
from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Cell, Store
from ampc.tasks import TaskSettings


@dataclass(frozen=True)
class Demonstrations(Cell):
    """A dataset; it lies in ``dataset`` of the cell's folder."""

    collection: CollectionSettings
    """How many episodes, from where, with which seed."""
    setup: EpisodeSetup = field(default_factory=EpisodeSetup)
    """Who demonstrates, on which plant."""
    tasks: TaskSettings = field(default_factory=TaskSettings)
    """What the tasks look like."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Collect."""
        alone = replace(self.collection, workers=1)
        collect(self.setup, self.tasks, alone, self.path(folder), Console(quiet=True))
        return {"labels": len(self.open(folder))}

    @staticmethod
    def path(folder: Path) -> Path:
        """Where the dataset lies in the cell's folder."""
        return folder / "dataset"

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """The dataset in the cell's folder."""
        return Dataset.open(cls.path(folder))
