"""Summaries, verdicts and latencies as tables in the console, in plain words."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from ampc.evaluation.display import (
    QUANTITIES,
    write_number,
    write_relative,
    write_relative_interval,
    write_value,
)
from ampc.evaluation.latency import LatencyFigures
from ampc.evaluation.summary import StatisticName, Summary
from ampc.evaluation.verdicts import Verdict

ROWS: tuple[tuple[str, StatisticName, bool], ...] = (
    ("success", "mean", True),
    ("rmse", "mean", True),
    ("steady_error", "mean", False),
    ("t95", "median", False),
    ("t95", "p95", False),
    ("torque_saturation", "mean", False),
    ("position_violations", "mean", False),
    ("velocity_violations", "mean", False),
    ("torque_variation", "mean", True),
    ("step_time_p50", "median", False),
)
"""Metric, statistic, and whether the comparison with the expert is shown below the figure."""


def summary_tables(summary: Summary) -> Iterator[Table]:
    """One table per region: a row per figure, a column per controller, intervals in brackets."""
    for region in summary.regions:
        n_tasks = summary.find(region, summary.expert, "success").tasks
        title = f"{region}: {n_tasks} tasks, {summary.confidence:.0%} intervals; second lines are against"
        table = Table(title=f"{title} {summary.expert}", title_justify="left")
        table.add_column("")
        for controller in summary.controllers:
            table.add_column(controller, justify="right")
        for metric, statistic, compared in ROWS:
            cells = [
                _cell(summary, region, name, metric, statistic, compared) for name in summary.controllers
            ]
            table.add_row(_heading(metric, statistic), *cells)
        yield table


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """One row per criterion."""
    table = Table(title="verdicts", title_justify="left")
    for heading in ("controller", "claim", "asked by", "required", "measured", "interval", "met"):
        table.add_column(heading)
    for verdict in verdicts:
        table.add_row(
            verdict.controller,
            verdict.claim,
            verdict.source,
            verdict.required,
            verdict.measured,
            verdict.interval,
            _met(verdict),
        )
    return table


def latency_table(figures: Sequence[LatencyFigures], reference: str) -> Table:
    """One row per controller."""
    table = Table(title="time per step, controllers in turns in one process", title_justify="left")
    for heading in ("controller", "median", "p99", "longest", f"median against {reference}"):
        table.add_column(heading, justify="left" if heading == "controller" else "right")
    for figure in figures:
        table.add_row(
            figure.controller,
            write_value("step_time_p50", figure.p50),
            write_value("step_time_p99", figure.p99),
            write_value("step_time_max", figure.max),
            f"x {figure.ratio:.3g} ({figure.ratio_low:.3g} to {figure.ratio_high:.3g})",
        )
    return table


def _heading(metric: str, statistic: StatisticName) -> str:
    quantity = QUANTITIES[metric]
    qualifier = "" if statistic == "mean" or metric == "step_time_p50" else f" {statistic}"
    contended = ", cores contended" if metric.startswith("step_time") else ""
    unit = f", {quantity.unit}" if quantity.unit else ""
    return f"{quantity.label}{qualifier}[dim]{unit}{contended}[/dim]"


def _cell(
    summary: Summary, region: str, controller: str, metric: str, statistic: StatisticName, compared: bool
) -> str:
    figure = summary.find(region, controller, metric, statistic)
    cell = write_number(metric, figure.value)
    if figure.low is not None and figure.high is not None and figure.low < figure.high:
        cell += f" ({write_number(metric, figure.low)} to {write_number(metric, figure.high)})"
    if compared and controller != summary.expert:
        relative = write_relative(metric, figure.relation, figure.relative)
        bounds = write_relative_interval(
            metric, figure.relation, figure.relative_low, figure.relative_high, unit=False
        )
        cell += f"\n{relative} ({bounds})"
    return cell


def _met(verdict: Verdict) -> str:
    if verdict.passed is None:
        return "[yellow]not measured[/yellow]"
    word = "[green]yes[/green]" if verdict.passed else "[red]no[/red]"
    return word if verdict.certain in (True, None) else f"{word}, but the interval spans the bound"
