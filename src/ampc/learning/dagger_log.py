"""What a DAgger training writes down: a line per round, and the epochs of all rounds one after the other."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.episodes.files import write_atomically
from ampc.learning.log import LOG_FILE

ROUNDS_FILE = "rounds.csv"
ROUNDS_FOLDER = "rounds"


@dataclass(frozen=True)
class Round:
    """A line of ``rounds.csv``."""

    round: int
    """Number of the round; 0 are the demonstrations."""
    beta: float
    """Share of the driving that was the expert's."""
    episodes: int
    """Episodes of the round."""
    labels: int
    """Labels that the expert has given so far."""
    final_error_median: float
    """Median distance to the goal at the end of the round's episodes [m]: how well who drove did."""
    final_error_p95: float
    """Its 95th percentile [m]."""
    epochs: int
    """Epochs of the training that followed."""
    validation_loss: float
    """Least validation loss of that training, on all rounds so far."""

    def say(self, console: Console | None) -> None:
        """Print it; on standard error where there is no console."""
        (console or Console(stderr=True)).print(
            f"round {self.round}: {self.labels:,} labels, beta {self.beta:.2g}; distance at the end of its "
            f"episodes: median {1000.0 * self.final_error_median:.2f} mm, 95 % below "
            f"{1000.0 * self.final_error_p95:.1f} mm; validation loss {self.validation_loss:.3e}",
            highlight=False,
            soft_wrap=True,
        )


def write_rounds(folder: Path, rounds: Sequence[Round]) -> None:
    """Write ``rounds.csv``, and ``training.csv`` with the epochs of all rounds so far."""
    write_atomically(folder / ROUNDS_FILE, lambda path: _write(path, [dataclasses.asdict(r) for r in rounds]))
    epochs: list[dict[str, Any]] = []
    for line in rounds:
        with (folder / ROUNDS_FOLDER / str(line.round) / LOG_FILE).open(newline="") as file:
            before = len(epochs)
            epochs += [{**row, "epoch": before + float(row["epoch"])} for row in csv.DictReader(file)]
    write_atomically(folder / LOG_FILE, lambda path: _write(path, epochs))


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
