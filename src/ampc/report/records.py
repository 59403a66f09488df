"""The files of a run that are shown nearly as they are: verdicts, training logs, data, kinematics."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ampc.episodes.summary import DatasetSummary
from ampc.errors import DatasetError
from ampc.evaluation import Verdict
from ampc.report.data import Column, DatasetSection, Table, TrainingCurve

STATISTICS = tuple(Column(name, "", 3) for name in ("mean", "std", "low", "high"))


def read_verdicts(path: Path) -> tuple[Verdict, ...]:
    """Verdicts that `ampc.evaluation.save_verdicts` has written.

    Raises:
        DatasetError: If there are none.
    """
    rows: list[dict[str, Any]] = read_json(path)
    numbers = ("threshold", "value", "low", "high")
    return tuple(
        Verdict(**row | {key: None if row[key] is None else float(row[key]) for key in numbers})
        for row in rows
    )


def training_curves(folders: Mapping[str, Path]) -> tuple[TrainingCurve, ...]:
    """Losses from the ``training.csv`` of each policy's folder.

    Raises:
        DatasetError: If one is missing.
    """
    curves = []
    for name, folder in folders.items():
        path = folder / "training.csv"
        if not path.exists():
            raise DatasetError(f"{path} is missing")
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        epoch, loss, validation = (
            np.array([float(row[key]) for row in rows]) for key in ("epoch", "loss", "validation_loss")
        )
        curves.append(TrainingCurve(name, epoch, loss, validation))
    return tuple(curves)


def dataset_section(summary: DatasetSummary) -> DatasetSection:
    """The demonstrations in figures."""
    facts = (
        ("episodes", f"{summary.episodes:,}"),
        ("samples", f"{summary.rows:,}"),
        ("episode length", f"{summary.duration_min:.2f} to {summary.duration_max:.2f} s"),
        ("median length", f"{summary.duration_median:.2f} s"),
        ("regions", ", ".join(f"{name} {count:,}" for name, count in summary.regions.items())),
        ("settled", f"{100 * summary.settled_share:.1f} %"),
        ("varied plants", f"{100 * summary.varied_share:.1f} %"),
        ("final error", f"{1e3 * summary.final_error_median:.3f} mm (median)"),
        ("torque at limit", f"{100 * summary.torque_saturated_share:.2f} % of samples"),
        ("size", f"{summary.bytes / 1e6:.1f} MB"),
    )
    columns = (
        Column("column"),
        Column("joint"),
        *(Column(name, "", 3) for name in ("mean", "std", "low", "high")),
    )
    rows = tuple((c.column, c.name, c.mean, c.std, c.low, c.high) for c in summary.columns)
    note = "Actions in rad/s² under computed torque, in N m where torque is applied directly; torques in N m."
    return DatasetSection(facts, Table("Commands and torques", columns, rows, note))


def inverse_kinematics_table(path: Path) -> Table:
    """Convergence by region and variant, rows of `ampc.tasks.convergence.ConvergenceRow`.

    Raises:
        DatasetError: If there is none.
    """
    columns = (
        Column("region"),
        Column("variant"),
        Column("goals", "", 0),
        Column("tolerance", "mm", 4),
        Column("converged", "%", 1),
        Column("within limits", "%", 1),
        Column("iterations", "median", 0),
        Column("iterations", "p95", 0),
    )
    rows = tuple(
        (
            row["region"],
            row["variant"],
            float(row["goals"]),
            1e3 * row["tolerance"],
            100 * row["converged"],
            100 * row["usable"],
            row["iterations_p50"],
            row["iterations_p95"],
        )
        for row in read_json(path)
    )
    note = (
        "literal: the paper's constants; tuned: the same iteration with constants that converge; default: "
        "with joint limits, several starts and a canonical branch, as the controllers use it."
    )
    return Table("Reachable goals", columns, rows, note)


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        DatasetError: If it is missing.
    """
    if not path.exists():
        raise DatasetError(f"{path} is missing")
    return json.loads(path.read_text())
