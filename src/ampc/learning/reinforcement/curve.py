"""The learning curve: a line a round on the console, a CSV file and TensorBoard scalars."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from ampc.episodes.files import write_atomically
from ampc.learning.log import LOG_FILE


class Curve:
    """Keeps ``training.csv`` and ``tensorboard/`` of a folder; quantities may be missing from a round.

    Attributes:
        history: Logged quantities of every round.
    """

    def __init__(self, folder: Path, stored: dict[str, Any] | None, console: Console | None = None) -> None:
        """Open the curve.

        Args:
            folder: Folder of the training.
            stored: The checkpoint that it goes on from; later scalars are dropped.
            console: Where lines go; None for standard error.
        """
        self.history: list[dict[str, float]] = list(stored["history"]) if stored else []
        self._name, self._path = folder.name, folder / LOG_FILE
        self._console = console or Console(stderr=True)
        last = int(self.history[-1]["steps"]) + 1 if self.history else 0
        self._writer = SummaryWriter(folder / "tensorboard", purge_step=last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def say(self, message: str) -> None:
        """Print a line that begins with the folder's name."""
        self._console.print(f"{self._name}: {message}", highlight=False)

    def add(self, row: dict[str, float]) -> None:
        """Take the quantities of a round; say them if it was judged."""
        self.history.append(row)
        steps = int(row["steps"])
        for name, value in row.items():
            if name not in ("round", "steps"):
                name = name if "/" in name else f"rounds/{name}"
                self._writer.add_scalar(name, value, steps)
        if "judged distance" in row:
            self.say(
                f"{steps:,} control steps  median distance {100.0 * row['judged distance']:.1f} cm  "
                f"violating {100.0 * row['judged violating']:.0f} %  {row['seconds']:.1f} s for the round"
            )

    def write(self) -> None:
        """Bring the files up to date."""
        self._writer.flush()
        write_atomically(self._path, self._write_csv)

    def _write_csv(self, path: Path) -> None:
        names = list(dict.fromkeys(name for row in self.history for name in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names)
            writer.writeheader()
            writer.writerows(self.history)
