"""The comparison tables and the header's figures of a report, from an evaluation's summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.episodes.summary import DatasetSummary
from ampc.evaluation import Latency, Summary
from ampc.evaluation.display import (
    QUANTITIES,
    write_number,
    write_relative,
    write_relative_interval,
    write_value,
)
from ampc.evaluation.summary import TRAINING_REGION, Figure, StatisticName
from ampc.report.data import Cell, Column, Headline, Table
from ampc.report.style import quantity, significant

FIGURES: tuple[tuple[str, StatisticName, str], ...] = (
    ("steady_error", "mean", "steady error"),
    ("t95", "median", "t95 median"),
    ("t95", "p95", "t95 p95"),
    ("torque_saturation", "mean", "at torque limit"),
    ("position_violations", "mean", "beyond limits"),
    ("velocity_violations", "mean", "beyond speed"),
    ("torque_variation", "mean", "torque change"),
)
"""Figures shown besides success, RMSE and time: metric, statistic, heading."""
UNITS = {"position_violations": "samples", "velocity_violations": "samples"}


def comparison_tables(
    summary: Summary, controllers: tuple[str, ...], step_times: Mapping[str, FloatArray] | None
) -> tuple[Table, ...]:
    """One table per region and per pool of regions.

    Args:
        summary: Figures of the evaluation.
        controllers: Rows, in order; those that the summary lacks are left out.
        step_times: Controller to times of its control steps, measured in turns (S,) [s].
    """
    columns = [
        Column("controller"),
        Column("success", "%"),
        Column("RMSE", "mm"),
        Column("RMSE against expert", "%"),
    ]
    columns += [Column(title, UNITS.get(metric, QUANTITIES[metric].unit)) for metric, _, title in FIGURES]
    columns += [Column("step, median", "µs"), Column("step, p99", "µs")]
    rows_of = [name for name in controllers if name in summary.controllers]
    tables = []
    for region in summary.regions:
        rows = tuple(_row(summary, region, name, (step_times or {}).get(name)) for name in rows_of)
        tasks = summary.find(region, summary.expert, "success").tasks
        note = (
            f"{tasks:,} tasks, the same for all; {summary.confidence:.0%} intervals in brackets. Samples "
            "beyond limits are counted per episode."
        )
        tables.append(Table(region, tuple(columns), rows, note))
    return tuple(tables)


def _row(summary: Summary, region: str, name: str, times: FloatArray | None) -> tuple[Cell, ...]:
    success, rmse = summary.find(region, name, "success"), summary.find(region, name, "rmse")
    relative = None if name == summary.expert else _relative(rmse)
    steps = (
        ("–", "–") if times is None else tuple(significant(1e6 * t) for t in np.quantile(times, (0.5, 0.99)))
    )
    others = (write_number(m, summary.find(region, name, m, s).value) for m, s, _ in FIGURES)
    return (name, _with_interval(success), write_number("rmse", rmse.value), relative, *others, *steps)


def _with_interval(figure: Figure) -> str:
    value = write_number(figure.metric, figure.value)
    if figure.low is None or figure.high is None:
        return value
    return (
        f"{value} ({write_number(figure.metric, figure.low)} to {write_number(figure.metric, figure.high)})"
    )


def _relative(figure: Figure) -> str:
    value = write_relative(figure.metric, figure.relation, figure.relative).removesuffix(" %")
    interval = write_relative_interval(
        figure.metric, figure.relation, figure.relative_low, figure.relative_high, unit=False
    )
    return f"{value} ({interval})" if interval else value


def headlines(
    summary: Summary | None,
    latency: Latency | None,
    policy: str,
    members: Mapping[str, tuple[str, ...]],
    dataset: DatasetSummary | None,
    stages: Mapping[str, Any],
) -> tuple[Headline, ...]:
    """The header's figures: how good the policy is, how fast, and what it took.

    Args:
        summary: Figures of the evaluation.
        latency: Times per control step.
        policy: Name of the policy in the report.
        members: Name in the report to the controllers that it stands for.
        dataset: Summary of the demonstrations.
        stages: Provenance of each stage.
    """
    found: list[Headline] = []
    if summary and policy in summary.controllers:
        region = TRAINING_REGION if TRAINING_REGION in summary.regions else summary.regions[0]
        success, rmse = summary.find(region, policy, "success"), summary.find(region, policy, "rmse")
        steady = summary.find(region, policy, "steady_error")
        gap = write_relative_interval("rmse", rmse.relation, rmse.relative_low, rmse.relative_high)
        found += [
            Headline(
                write_value("success", success.value),
                f"success, {region}",
                f"{summary.expert}: {write_value('success', success.expert)}",
            ),
            Headline(
                write_relative("rmse", rmse.relation, rmse.relative), f"RMSE against {summary.expert}", gap
            ),
            Headline(
                write_value("steady_error", steady.value),
                "steady error",
                f"{summary.expert}: {write_value('steady_error', steady.expert)}",
            ),
        ]
    if latency:
        ours = [latency.step_times[name] for name in members[policy] if name in latency.step_times]
        slowest = max(latency.step_times, key=lambda name: float(np.median(latency.step_times[name])))
        if ours:
            median, slow = float(np.median(np.stack(ours))), float(np.median(latency.step_times[slowest]))
            found.append(
                Headline(
                    f"{quantity(median, 's')}",
                    "per control step, median",
                    f"{slowest}: {quantity(slow, 's')}",
                )
            )
    if dataset:
        took = f"collected in {stages['collect']['seconds']:,.1f} s" if "collect" in stages else ""
        found.append(Headline(f"{dataset.rows:,}", "samples to learn from", took))
    return tuple(found)
