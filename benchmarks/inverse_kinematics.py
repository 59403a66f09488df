"""Inverse kinematics: convergence by workspace region, and time per goal, all variants in one process.

Run with ``python benchmarks/inverse_kinematics.py [--robot arm.xml] [--goals 1000]``.
"""

import os

# Time one core, whatever the machine has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from ampc.arrays import FloatArray
from ampc.provenance import save_result
from ampc.robots import InverseKinematics, Robot, load_robot
from ampc.robots.inverse_kinematics.damped_least_squares import (
    LITERAL_SETTINGS,
    DampedLeastSquares,
    DampedLeastSquaresSettings,
)
from ampc.tasks import REGIONS, ConvergenceRow, TaskSampler, convergence_by_region


@dataclass(frozen=True)
class Options:
    """What to measure."""

    robot: str = "rigid-arm"
    """Name of a built-in arm, or path of a model file."""
    goals: int = 1000
    """Goals per region for convergence."""
    batch: int = 5000
    """Interior goals for the time of a batch."""
    singles: int = 100
    """Goals per region for the time of one."""
    seed: int = 0
    """Seed of the goals."""
    output: Path | None = None
    """JSON file for the figures."""


def main(options: Options) -> None:
    """Print both tables and, if asked, write them down."""
    console = Console()
    robot = load_robot(options.robot)
    rows = convergence_by_region(robot, options.goals, options.seed)
    console.print(convergence_table(rows, robot))
    times = time_per_goal(robot, options)
    console.print(time_table(times))
    if options.output is not None:
        figures = {"robot": robot.name, "convergence": [asdict(row) for row in rows], "milliseconds": times}
        save_result(options.output, figures)


def time_per_goal(robot: Robot, options: Options) -> dict[str, dict[str, float]]:
    """Milliseconds per goal of each variant: one at a time (median, 95th percentile) and in a batch."""
    sampler = TaskSampler(robot)
    present = [region for region in REGIONS if len(sampler.workspace.pool[region])]
    tasks = [task for region in present for task in sampler.sample(options.singles, region, options.seed)]
    singles = np.array([task.goal for task in tasks])
    batch = np.array([task.goal for task in sampler.sample(options.batch, "interior", options.seed)])

    solver = InverseKinematics(robot)
    literal = DampedLeastSquares(robot, LITERAL_SETTINGS)
    tuned = DampedLeastSquares(robot, DampedLeastSquaresSettings())
    variants: dict[str, tuple[Callable[[FloatArray], object], Callable[[FloatArray], object]]] = {
        "literal": (
            lambda g: literal.solve_batch(g, robot.home),
            lambda g: literal.solve_batch(g, robot.home),
        ),
        "tuned": (lambda g: tuned.solve_batch(g, robot.home), lambda g: tuned.solve_batch(g, robot.home)),
        "default": (solver.solve, solver.solve_batch),
    }
    times: dict[str, dict[str, float]] = {}
    for name, (solve_one, solve_many) in variants.items():
        each = [seconds(solve_one, goal) for goal in singles]
        times[name] = {
            "one, p50": 1e3 * float(np.median(each)),
            "one, p95": 1e3 * float(np.percentile(each, 95)),
            "in a batch": 1e3 * seconds(solve_many, batch) / len(batch),
        }
    return times


def seconds(solve: Callable[[FloatArray], object], goals: FloatArray) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    solve(goals)
    return time.perf_counter() - start


def convergence_table(rows: list[ConvergenceRow], robot: Robot) -> Table:
    """Rows of `convergence_by_region` for the terminal."""
    table = Table(title=f"{robot.name}: {rows[0].goals} reachable goals per region")
    headings = ("region", "variant", "tolerance, m", "converged", "within limits", "beyond ±π", "usable")
    for heading in (*headings, "iterations p50 / p95"):
        table.add_column(heading, justify="left" if heading in ("region", "variant") else "right")
    for row in rows:
        table.add_row(
            row.region, row.variant, f"{row.tolerance:g}", f"{row.converged:.1%}",
            f"{1.0 - row.outside_limits:.1%}", f"{row.winding:.1%}", f"{row.usable:.1%}",
            f"{row.iterations_p50:.0f} / {row.iterations_p95:.0f}",
        )  # fmt: skip
    return table


def time_table(times: dict[str, dict[str, float]]) -> Table:
    """Milliseconds per goal for the terminal, with ratios to the default."""
    table = Table(title="Time per goal in ms (ratio to the default)")
    table.add_column("variant")
    for heading in times["default"]:
        table.add_column(heading, justify="right")
    for name, row in times.items():
        cells = [f"{value:.3f} ({value / times['default'][key]:.2f})" for key, value in row.items()]
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main(tyro.cli(Options))
