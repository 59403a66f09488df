"""What every verb does: a few calls of the package, and printing."""

import dataclasses
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ampc.cli.options import (
    Bench,
    Check,
    Collect,
    Dataset,
    Distill,
    Evaluate,
    Export,
    Report,
    Reproduce,
    Train,
)
from ampc.cli.stopping import stopping_at_once
from ampc.errors import RobotError, SettingsError
from ampc.runs import Run

FINDING_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim", "goal": "green"}


def check(options: Check, console: Console) -> int:
    """Print findings about a robot and its goals."""
    from ampc.robots import check_robot, load_robot
    from ampc.tasks import check_goals

    findings = check_robot(options.robot, options.end_effector)
    for finding in findings:
        _print_finding(console, finding.severity, str(finding))
    if any(finding.severity == "error" for finding in findings):
        return 1
    status = 0
    if options.goal:
        robot = load_robot(options.robot, options.end_effector)
        for found in check_goals(robot, [np.array(goal) for goal in options.goal]):
            _print_finding(console, "goal" if found.reachable else "error", found.message)
            status |= int(not found.reachable)
    return status


def distill(options: Distill, console: Console) -> int:
    """Every stage of a run."""
    console.rule("[bold]check")
    if check(Check(options.settings.robot.source, options.settings.robot.end_effector), console):
        raise RobotError(f"{options.settings.robot.source} cannot be used as it is; see above")
    run = Run.create(options.out, options.settings, console)
    run.collect()
    run.train()
    run.export()
    _print_evaluation(run, console)
    console.print(f"\nreport: [bold]{run.report()}[/]", soft_wrap=True)
    return 0


def collect(options: Collect, console: Console) -> int:
    """First stage of a run."""
    Run.create(options.out, options.settings, console).collect()
    console.print(f"next: ampc train {options.out}")
    return 0


def train(options: Train, console: Console) -> int:
    """Second stage."""
    run = Run.open(options.run, console)
    before = run.settings.learning
    run.change(learning=options.settings)
    try:
        run.train()
    except SettingsError:  # refused: the policies in the folder are still those of the old settings
        run.change(learning=before)
        raise
    console.print(f"next: ampc export {options.run}")
    return 0


def export(options: Export, console: Console) -> int:
    """Third stage."""
    run = Run.open(options.run, console)
    exported, following = (
        (run.export(), f"ampc evaluate {options.run}")
        if options.format == "onnx"
        else (run.export_c(), "make check, in such a folder or on the target")
    )
    for path in exported.values():
        console.print(path, soft_wrap=True)
    console.print(f"next: {following}")
    return 0


def evaluate(options: Evaluate, console: Console) -> int:
    """Fourth stage."""
    run = Run.open(options.run, console)
    run.change(evaluation=options.settings)
    _print_evaluation(run, console)
    console.print(f"next: ampc report {options.run}")
    return 0


def report(options: Report, console: Console) -> int:
    """Last stage."""
    console.print(Run.open(options.run, console).report(), soft_wrap=True)
    return 0


def dataset(options: Dataset, console: Console) -> int:
    """Print a summary of a dataset."""
    from ampc.episodes.dataset import Dataset as StoredDataset
    from ampc.episodes.summary import summarise

    nested = options.dataset / "dataset"
    summary = summarise(StoredDataset.open(nested if nested.is_dir() else options.dataset))
    facts = Table(show_header=False, box=None)
    columns = Table("column", "of", *(["mean", "std", "low", "high"]), title="columns")
    for item in dataclasses.fields(summary):
        value = getattr(summary, item.name)
        if item.name != "columns":
            facts.add_row(item.name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    for column in summary.columns:
        numbers = (column.mean, column.std, column.low, column.high)
        columns.add_row(column.column, column.name, *(f"{number:.4g}" for number in numbers))
    console.print(facts, columns)
    return 0


def bench(options: Bench, console: Console) -> int:
    """Print the latency table."""
    from ampc.evaluation.tables import latency_table

    latency = Run.open(options.run, console).measure_latency(options.tasks)
    console.print(
        latency_table(latency.figures("mpc"), "mpc"), latency_table(latency.figures("mpc-ipopt"), "mpc-ipopt")
    )
    return 0


def reproduce(options: Reproduce, console: Console) -> int:
    """Run studies."""
    from ampc.experiments import Budget, Store, choose, tell_left_out
    from ampc.experiments import reproduce as run_studies

    output = options.output or Path("runs/quick" if options.quick else "results", options.arm)
    studies = choose(options.arm, options.study, Budget(options.seeds, options.steps))
    if not (options.study or options.all or options.quick):
        tell_left_out([study for study in studies if study.long], console)
        studies = [study for study in studies if not study.long]
    store = Store(options.cells)
    with stopping_at_once():
        run_studies(studies, store, output, options.quick, options.workers, console, options.only)
    return 0


def _print_finding(console: Console, kind: str, message: str) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text(f"{kind:>7}", style=FINDING_STYLES[kind]), Text(message))
    console.print(grid)


def _print_evaluation(run: Run, console: Console) -> None:
    from ampc.evaluation.tables import latency_table, summary_tables, verdict_table

    summary, verdicts, latency = run.evaluate()
    for table in (*summary_tables(summary), latency_table(latency.figures("mpc-ipopt"), "mpc-ipopt")):
        console.print(table)
    console.print(verdict_table(verdicts))
