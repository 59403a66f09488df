"""State of an unfinished training on disk, always that after a whole epoch."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from ampc.episodes.files import write_atomically
from ampc.errors import PolicyError

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass
class TrainingState:
    """All that the next epoch depends on, as tensors and plain values.

    Random numbers are not among it: every epoch draws its own from the seed and its number.
    """

    identity: dict[str, Any]
    """What is being trained, on what and how; a checkpoint of something else is refused."""
    model: dict[str, Any]
    """Weights after the last epoch."""
    optimiser: dict[str, Any]
    """State of the optimiser."""
    best: dict[str, Any]
    """Weights with the smallest validation loss so far."""
    best_loss: float
    """That loss."""
    best_epoch: int
    """The epoch they come from, counted from 1; 0 before the first."""
    history: list[dict[str, float]]
    """Logged quantities of every epoch."""
    finished: bool = False
    """Whether training has ended."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def save(self, folder: Path) -> None:
        """Write the checkpoint, replacing the last one at once.

        Raises:
            DatasetError: If the disk is full or the folder cannot be written.
        """
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        write_atomically(folder / CHECKPOINT_FILE, lambda path: torch.save(content, path))

    @classmethod
    def load(cls, folder: Path) -> "TrainingState | None":
        """Read the checkpoint of a folder; None if there is none.

        Raises:
            PolicyError: If the file is damaged or was written by another version.
        """
        path = folder / CHECKPOINT_FILE
        if not path.exists():
            return None
        try:
            return cls(**torch.load(path, weights_only=True))
        except Exception as error:  # torch.load fails in many undocumented ways on a damaged file
            raise PolicyError(f"{path} is damaged ({error}); delete it to train from the start") from error
