"""What one label of the expert costs, by each way of solving its problem, in the same process.

All solvers see the same states of an arm. `max |u - exact|` says how far a solver's first input is from the
exact one: a fast wrong answer is not a fast answer. Run with OMP_NUM_THREADS=1 for one core:

    OMP_NUM_THREADS=1 python benchmarks/joint_mpc.py --output joint_mpc.json
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from ampc.experiments.rigid.label_cost import LabelCost, Row, time_solvers
from ampc.provenance import save_result


@dataclass(frozen=True)
class BenchmarkSettings:
    """Which states are solved."""

    cost: tyro.conf.OmitArgPrefixes[LabelCost] = field(default_factory=LabelCost)
    """The measurement."""
    output: Path | None = None
    """JSON file to write."""


def show(rows: list[Row], settings: LabelCost) -> None:
    """Print the table."""
    table = Table(title=f"Cost of one label of {settings.joints} joints in µs, {settings.states} states")
    columns = ("solver", "p50", "p99", "max", "cold IPOPT /", "warm IPOPT /", "max |u - exact|")
    for column in columns:
        table.add_column(column, justify="left" if column == "solver" else "right")
    cold, warm = rows[0].p50 or 0.0, rows[1].p50 or 0.0
    for row in rows:
        if row.p50 is None:
            table.add_row(row.solver, "failed")
            continue
        numbers = (row.p50, row.p99, row.max, cold / row.p50, warm / row.p50)
        table.add_row(row.solver, *(f"{number:.4g}" for number in numbers), f"{row.worst_error:.1e}")
    Console(width=120).print(table)


def main(settings: BenchmarkSettings) -> None:
    """Measure, print, write."""
    rows = time_solvers(settings.cost)
    show(rows, settings.cost)
    if settings.output is not None:
        result = {
            "states": settings.cost.states,
            "joints": settings.cost.joints,
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        save_result(settings.output, result)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkSettings, description=__doc__))
