"""Trials side by side: paired figures with intervals, rows for tables, points for figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ampc.arrays import FloatArray
from ampc.evaluation import BenchmarkResult, BootstrapSettings, Criterion, Summary, judge, summarise
from ampc.evaluation.results import FORMAT_VERSION
from ampc.evaluation.summary import FIGURES, StatisticName
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.protocol import group_of
from ampc.experiments.rigid.trial import Trial
from ampc.experiments.study import Row, Value
from ampc.report.boxes import BoxPanel, draw_boxes
from ampc.report.plotting import ERROR_FLOOR
from ampc.report.studies import Panel, Point

COLUMNS: Mapping[str, tuple[str, StatisticName, float]] = {
    "success [%]": ("success", "mean", 100.0),
    "RMSE [mm]": ("rmse", "mean", 1e3),
    "steady error [mm]": ("steady_error", "median", 1e3),
    "steady error p95 [mm]": ("steady_error", "p95", 1e3),
    "t95 [s]": ("t95", "median", 1.0),
    "t95 p95 [s]": ("t95", "p95", 1.0),
    "samples beyond a joint limit": ("position_violations", "mean", 1.0),
}
"""Columns of a comparison: metric, statistic over tasks, and factor from SI."""

_METRICS = {metric for metric, _, _ in COLUMNS.values()} | {"step_time_p50", "torque_saturation"}


def results_of(cells: Mapping[str, Cell], store: Store) -> BenchmarkResult:
    """Episodes of trials on the same task sets; cells that are no trials are left out."""
    trials = {name: cell for name, cell in cells.items() if isinstance(cell, Trial)}
    tables = []
    for name, trial in trials.items():
        for tasks, _, path in trial.parts(store.folder(trial)):
            table = pq.read_table(path)
            for column, value in (("region", tasks.name), ("controller", name)):
                table = table.add_column(0, column, pa.repeat(pa.scalar(value), len(table)))
            tables.append(table)
    description = {
        "format_version": FORMAT_VERSION,
        "controllers": tuple(trials),
        "regions": tuple(tasks.name for tasks in next(iter(trials.values())).sets),
        "settings": {},
        "setups": {},
    }
    return BenchmarkResult(pa.concat_tables(tables), description)


def compare(cells: Mapping[str, Cell], store: Store, expert: str) -> Summary:
    """Paired figures of trials on the same task sets, and of methods with several seeds.

    Args:
        cells: Trials by name, as `ampc.experiments.rigid.protocol.with_seed` gives it; others are left out.
        store: Where they are.
        expert: Name of the controller that all are compared with.
    """
    result = results_of(cells, store)
    groups: dict[str, tuple[str, ...]] = {}
    for name in result.controllers:
        if (group := group_of(name)) != name:
            groups[group] = (*groups.get(group, ()), name)
    kinds = tuple(kind for kind in FIGURES if kind.metric in _METRICS)
    settings = BootstrapSettings(resamples=1000)
    return summarise(result, expert, settings, groups, familiar=("interior",), kinds=kinds)


def draw_errors(cells: Mapping[str, Cell], store: Store) -> bytes:
    """Boxes of the steady errors from 1 um on by method, all seeds together, a panel for each task set."""
    result = results_of(cells, store)
    panels = []
    for region in result.regions:
        methods: dict[str, list[FloatArray]] = {}
        for name in result.controllers:
            errors = 1e3 * result.values(name, region, "steady_error")
            methods.setdefault(group_of(name), []).append(errors)
        boxes = {method: np.concatenate(errors) for method, errors in methods.items()}
        panels.append(BoxPanel(f"goals: {region}", {"": boxes}, "steady error [mm]", {"10 mm": 10.0}))
    return draw_boxes(panels, floor=1e3 * ERROR_FLOOR)


def rows(summary: Summary, regions: Sequence[str] | None = None, **labels: Value) -> list[Row]:
    """One row for every task set and method: figures with their intervals, and how they compare.

    Args:
        summary: What `compare` has given.
        regions: Task sets; None for all, pooled ones included.
        labels: First columns, the same in all rows.
    """
    found: list[Row] = []
    for region in summary.regions if regions is None else regions:
        for method in methods_of(summary):
            row: dict[str, Value] = {**labels, "tasks": region, "method": method}
            for column, (metric, statistic, scale) in COLUMNS.items():
                figure = summary.find(region, method, metric, statistic)
                row[column] = scale * figure.value
                if metric in ("success", "rmse"):
                    row[f"{metric} interval"] = interval(figure.low, figure.high, scale)
            success, rmse = summary.find(region, method, "success"), summary.find(region, method, "rmse")
            row["success - expert [points]"] = 100.0 * success.relative
            row["RMSE / expert"] = rmse.relative
            found.append(row | {"seeds": success.seeds, "number of tasks": success.tasks})
    return found


def methods_of(summary: Summary) -> list[str]:
    """Controllers, those with several seeds as one."""
    return [name for name in summary.controllers if group_of(name) == name]


def verdicts(summary: Summary, methods: Sequence[str], criteria: Sequence[Criterion]) -> list[Row]:
    """Criteria held against methods, one row each."""
    shown = ("controller", "claim", "source", "required", "measured", "interval", "passed", "certain")
    found: list[Row] = []
    for method in methods:
        for verdict in judge(summary, method, criteria):
            values = asdict(verdict)
            found.append({name: values[name] for name in shown})
    return found


def point(
    summary: Summary,
    region: str,
    method: str,
    metric: str,
    statistic: StatisticName = "mean",
    scale: float = 1.0,
) -> Point:
    """A figure with its interval, in another unit."""
    figure = summary.find(region, method, metric, statistic)
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return scale * figure.value, scale * low, scale * high


def interval(low: float | None, high: float | None, scale: float = 1.0) -> str:
    """An interval as text."""
    return "" if low is None or high is None else f"{scale * low:.4g} to {scale * high:.4g}"


def panel(
    summary: Summary,
    metric: str,
    label: str,
    regions: Sequence[str],
    statistic: StatisticName = "mean",
    scale: float = 1.0,
    log: bool = False,
    title: str = "",
) -> Panel:
    """All methods over task sets."""
    series: dict[str, dict[float | str, Point]] = {
        name: {region: point(summary, region, name, metric, statistic, scale) for region in regions}
        for name in methods_of(summary)
    }
    return Panel(title, series, label, log_y=log)
