"""Policies taught otherwise than those of the studies: among drawn walls, behind the safety filter."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.episodes.dataset import Dataset
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Store
from ampc.experiments.flexible.files import POLICY_FILE
from ampc.experiments.flexible.policies import TRAINING_TASKS, FlexiblePolicy, teaching
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import dagger
from ampc.learning.dagger_log import ROUNDS_FOLDER
from ampc.learning.lesson import Lesson
from ampc.tasks import WallSettings


def guarded(setup: FlexibleSetup) -> GuardedSetup:
    """The same loop for teaching, with the safety filter between learners and the arm."""
    return GuardedSetup(**vars(setup))


@dataclass(frozen=True, kw_only=True)
class WalledPolicy(FlexiblePolicy):
    """A `FlexiblePolicy` that meets another wall in each task that it learns on."""

    walls: WallSettings
    """Where walls stand."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Teach and export."""
        lessons = teaching(self.seed, self.setup, self.duration)
        lessons = replace(
            lessons,
            tasks=replace(TRAINING_TASKS, walls=self.walls),
            collection=replace(lessons.collection, workers=self.workers),
        )
        spec = replace(Lesson(lessons).specification(self.network), inputs=self.inputs)
        training = replace(self.training, seed=self.seed)
        console = Console(quiet=True) if self.workers == 1 else None
        policy = dagger(lessons, spec, training, self.dagger, folder, console)
        parity = export_onnx(policy, folder / POLICY_FILE)
        rounds = [folder / ROUNDS_FOLDER / str(number) for number in range(self.dagger.rounds + 1)]
        labels = [int(Dataset.open(each / "dataset").label_counts.sum()) for each in rounds]
        return {
            "labels": sum(labels) + (0 if spec.recurrent else self.dagger.goals),
            "labels by round": labels,
            "validation loss": policy.spec.training["validation_loss"],
            "parity": parity.raw_command,
        }
