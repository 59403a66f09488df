"""What a training says while it runs: a line per epoch, a CSV file and TensorBoard scalars."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from ampc.episodes.files import write_atomically

LOG_FILE = "training.csv"


class TrainingLog:
    """Keeps ``training.csv`` and ``tensorboard/`` of a folder in step with the history of a training."""

    def __init__(self, folder: Path, epochs: int, done: int, console: Console | None = None) -> None:
        """Open the log.

        Args:
            folder: Folder of the training.
            epochs: Largest number of epochs, for the time that remains.
            done: Epochs that an earlier run has done; later TensorBoard scalars are dropped.
            console: Where the lines go; None for standard error.
        """
        self._name = folder.name
        self._path = folder / LOG_FILE
        self._epochs, self._done = epochs, done
        self._console = console or Console(stderr=True)
        self._writer = SummaryWriter(folder / "tensorboard", purge_step=done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def say(self, message: str) -> None:
        """Print a line that begins with the folder's name: several trainings may run side by side."""
        self._console.print(f"{self._name}: {message}", highlight=False)

    def epoch(self, history: list[dict[str, float]]) -> None:
        """Say the last entry of a history."""
        row = history[-1]
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"training/{name}", value, int(row["epoch"]))
        seconds = sum(entry["seconds"] for entry in history[self._done :]) / (len(history) - self._done)
        remaining = seconds * (self._epochs - len(history))
        self.say(
            f"epoch {len(history):3d}/{self._epochs}  loss {row['loss']:.3e}  validation "
            f"{row['validation_loss']:.3e}  {row['seconds']:.1f} s  at most {_duration(remaining)} left"
        )

    def write(self, history: list[dict[str, float]]) -> None:
        """Bring the files up to date with a history."""
        self._writer.flush()
        write_atomically(self._path, lambda path: _write_csv(path, history))


def _write_csv(path: Path, history: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
