"""Summaries, verdicts and latencies as tables in the console, in plain words."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from ampc.evaluation.display import write_interval, write_relative, write_value
from ampc.evaluation.latency import LatencyFigures
from ampc.evaluation.summary import StatisticName, Summary
from ampc.evaluation.verdicts import Verdict

COLUMNS: tuple[tuple[str, str, StatisticName, bool], ...] = (
    ("success", "success", "mean", True),
    ("RMSE", "rmse", "mean", True),
    ("steady error", "steady_error", "mean", False),
    ("t95 median", "t95", "median", False),
    ("t95 p95", "t95", "p95", False),
    ("torque at limit", "torque_saturation", "mean", False),
    ("beyond position limit", "position_violations", "mean", False),
    ("beyond speed limit", "velocity_violations", "mean", False),
    ("torque variation", "torque_variation", "mean", True),
    ("time per step (contended)", "step_time_p50", "median", False),
)
"""Heading, metric, statistic, and whether the comparison with the expert is shown below the figure."""


def summary_tables(summary: Summary) -> Iterator[Table]:
    """One table per region, one row per controller, each figure above its interval."""
    for region in summary.regions:
        first = summary.find(region, summary.expert, "success")
        title = f"{region}: {first.tasks} tasks, {summary.confidence:.0%} intervals, against {summary.expert}"
        table = Table(title=title, title_justify="left")
        table.add_column("controller", no_wrap=True)
        for heading, *_ in COLUMNS:
            table.add_column(heading, justify="right")
        for controller in summary.controllers:
            cells = [_cell(summary, region, controller, *column[1:]) for column in COLUMNS]
            table.add_row(controller, *cells, end_section=True)
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


def _cell(
    summary: Summary, region: str, controller: str, metric: str, statistic: StatisticName, compared: bool
) -> str:
    figure = summary.find(region, controller, metric, statistic)
    lines = [write_value(metric, figure.value), write_interval(metric, figure.low, figure.high)]
    if compared and controller != summary.expert:
        lines.append(write_relative(metric, figure.relation, figure.relative))
    return "\n".join(filter(None, lines))


def _met(verdict: Verdict) -> str:
    if verdict.passed is None:
        return "[yellow]not measured[/yellow]"
    word = "[green]yes[/green]" if verdict.passed else "[red]no[/red]"
    return word if verdict.certain in (True, None) else f"{word}, but the interval spans the bound"
