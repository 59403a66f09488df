"""The learning curve: a line a round on the console, a CSV file and TensorBoard scalars."""

from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.learning.log import TrainingLog


class Curve(TrainingLog):
    """The log of a training by driving; quantities may be missing from a round.

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
        done = int(self.history[-1]["steps"]) if self.history else 0
        super().__init__(folder, 0, done, console)

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

    def save(self) -> None:
        """Bring the files up to date."""
        names = dict.fromkeys(name for row in self.history for name in row)
        rows: list[Any] = [{name: row.get(name, "") for name in names} for row in self.history]
        self.write(rows)
