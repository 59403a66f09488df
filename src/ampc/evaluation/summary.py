"""One row for every region, controller and figure: its value and how it compares with the expert's."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import DatasetError
from ampc.evaluation.results import BenchmarkResult
from ampc.evaluation.statistics import (
    BootstrapSettings,
    Relation,
    Statistic,
    TaskBootstrap,
    maximum,
    mean,
    quantile,
    success_difference,
    success_share,
)

StatisticName = Literal["mean", "median", "p95", "max"]

ALL_REGIONS = "all"
OUT_OF_DISTRIBUTION = "out-of-distribution"
TRAINING_REGION = "interior"

STATISTICS: dict[StatisticName, Statistic] = {
    "mean": mean,
    "median": quantile(0.5),
    "p95": quantile(0.95),
    "max": maximum,
}


@dataclass(frozen=True)
class FigureKind:
    """A figure that is given for every region and controller."""

    metric: str
    """Field of `ampc.evaluation.metrics.EpisodeMetrics`."""
    statistic: StatisticName
    """What is computed over tasks."""
    relation: Relation
    """How it is compared with the expert."""
    unit: str
    """SI unit; empty for shares and counts."""


FIGURES = (
    FigureKind("rmse", "mean", "ratio", "m"),
    FigureKind("success", "mean", "difference", ""),
    FigureKind("steady_error", "mean", "difference", "m"),
    FigureKind("steady_error", "median", "difference", "m"),
    FigureKind("steady_error", "p95", "difference", "m"),
    FigureKind("steady_error_max", "median", "difference", "m"),
    FigureKind("final_error", "mean", "difference", "m"),
    FigureKind("t95", "median", "difference", "s"),
    FigureKind("t95", "p95", "difference", "s"),
    FigureKind("torque_saturation", "mean", "difference", ""),
    FigureKind("command_saturation", "mean", "difference", ""),
    FigureKind("position_violations", "mean", "difference", ""),
    FigureKind("position_excess", "max", "difference", "rad"),
    FigureKind("velocity_violations", "mean", "difference", ""),
    FigureKind("velocity_excess", "max", "difference", "rad/s"),
    FigureKind("torque_variation", "mean", "ratio", "N m"),
    FigureKind("torque_roughness", "mean", "ratio", ""),
    FigureKind("fallback_steps", "mean", "difference", ""),
    FigureKind("step_time_p50", "median", "ratio", "s"),
    FigureKind("step_time_p99", "median", "ratio", "s"),
    FigureKind("step_time_max", "max", "ratio", "s"),
)
"""Step times are those of contending processes; `ampc.evaluation.latency` gives the comparable ones."""


@dataclass(frozen=True)
class Figure:
    """One figure of one controller in one region, beside the expert's on the same tasks."""

    region: str
    """Region; ``out-of-distribution`` pools those without demonstrations, ``all`` pools all."""
    controller: str
    """Controller, or group of seeds of one."""
    metric: str
    """Field of `ampc.evaluation.metrics.EpisodeMetrics`."""
    statistic: StatisticName
    """What was computed over tasks."""
    unit: str
    """SI unit; empty for shares and counts."""
    tasks: int
    """Number of tasks."""
    seeds: int
    """Number of controllers in the group."""
    value: float
    """The controller's figure."""
    low: float | None
    """Lower end of its interval; None for a maximum, which has none."""
    high: float | None
    """Upper end of its interval."""
    expert: float
    """The expert's figure on the same tasks."""
    relation: Relation
    """How the two are compared: controller over expert, or controller minus expert."""
    relative: float
    """That ratio or difference."""
    relative_low: float | None
    """Lower end of its paired interval."""
    relative_high: float | None
    """Upper end of its paired interval."""


def relation_of(metric: str) -> Relation:
    """How a metric is compared with the expert's.

    Raises:
        DatasetError: If there is no figure of such a metric.
    """
    for kind in FIGURES:
        if kind.metric == metric:
            return kind.relation
    metrics = ", ".join(dict.fromkeys(kind.metric for kind in FIGURES))
    raise DatasetError(f"no figure is made of {metric!r}; figures are made of {metrics}")


def to_plain(value: Any) -> Any:
    """A value as JSON can hold it: infinite numbers become the words ``inf`` and ``-inf``."""
    return str(value) if isinstance(value, float) and math.isinf(value) else value


class Summary:
    """All figures of a benchmark.

    Attributes:
        figures: One for every region, controller and kind of figure.
        expert: Name of the controller that all are compared with.
        confidence: Probability that an interval covers.
    """

    def __init__(self, figures: tuple[Figure, ...], expert: str, confidence: float) -> None:
        """Wrap figures; use `summarise` or `load`."""
        self.figures = figures
        self.expert = expert
        self.confidence = confidence
        self._index = {(f.region, f.controller, f.metric, f.statistic): f for f in figures}

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures)

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions and pooled regions, in order."""
        return tuple(dict.fromkeys(figure.region for figure in self.figures))

    @property
    def controllers(self) -> tuple[str, ...]:
        """Controllers and groups, in order."""
        return tuple(dict.fromkeys(figure.controller for figure in self.figures))

    def find(self, region: str, controller: str, metric: str, statistic: StatisticName = "mean") -> Figure:
        """One figure.

        Raises:
            DatasetError: If the benchmark has no such figure.
        """
        try:
            return self._index[region, controller, metric, statistic]
        except KeyError:
            raise DatasetError(
                f"the summary has no {statistic} of {metric} of {controller!r} in {region!r}; regions are"
                f" {', '.join(self.regions)}, controllers {', '.join(self.controllers)}"
            ) from None

    def save(self, folder: Path) -> None:
        """Write ``summary.csv`` and ``summary.json``; infinite values read ``inf``."""
        rows = [{name: to_plain(value) for name, value in asdict(figure).items()} for figure in self.figures]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "summary.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Figure)])
            writer.writeheader()
            writer.writerows(rows)
        content = {"expert": self.expert, "confidence": self.confidence, "figures": rows}
        (folder / "summary.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Summary":
        """Read what `save` has written.

        Raises:
            DatasetError: If there is none.
        """
        path = folder / "summary.json"
        if not path.exists():
            raise DatasetError(f"no summary in {folder}: {path.name} is missing")
        content = json.loads(path.read_text())
        figures = tuple(
            Figure(**{name: _number(value) for name, value in row.items()}) for row in content["figures"]
        )
        return cls(figures, content["expert"], content["confidence"])


def summarise(
    result: BenchmarkResult,
    expert: str,
    settings: BootstrapSettings | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    familiar: tuple[str, ...] = (TRAINING_REGION,),
    kinds: Sequence[FigureKind] = FIGURES,
) -> Summary:
    """Figures of every controller in every region, and in all regions pooled.

    Args:
        result: The benchmark.
        expert: Name of the controller that all are compared with.
        settings: How intervals are made.
        groups: Controllers that are seeds of one: name of the group to its members. A group is summarised
            besides its members, its intervals covering tasks and seeds.
        familiar: Regions of the demonstrations; the others are out of distribution.
        kinds: Which figures to give.
    """
    settings = settings or BootstrapSettings()
    members = {name: (name,) for name in result.controllers} | dict(groups or {})
    figures: list[Figure] = []
    for region, parts in _pooled(result.regions, familiar).items():

        def values(controllers: tuple[str, ...], metric: str, parts: tuple[str, ...] = parts) -> FloatArray:
            rows = [
                np.concatenate([result.values(name, part, metric) for part in parts]) for name in controllers
            ]
            return np.stack(rows)

        bootstrap = TaskBootstrap(values((expert,), "rmse").shape[1], settings)
        for name, of_name in members.items():
            for kind in kinds:
                ours, theirs = values(of_name, kind.metric), values((expert,), kind.metric)
                figures.append(_figure(region, name, kind, ours, theirs, bootstrap))
    return Summary(tuple(figures), expert, settings.confidence)


def _pooled(regions: tuple[str, ...], familiar: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    pooled: dict[str, tuple[str, ...]] = {region: (region,) for region in regions}
    unfamiliar = tuple(region for region in regions if region not in familiar)
    if len(unfamiliar) > 1:
        pooled[OUT_OF_DISTRIBUTION] = unfamiliar
    if len(regions) > 1:
        pooled[ALL_REGIONS] = regions
    return pooled


def _figure(
    region: str,
    controller: str,
    kind: FigureKind,
    ours: FloatArray,
    theirs: FloatArray,
    bootstrap: TaskBootstrap,
) -> Figure:
    statistic = STATISTICS[kind.statistic]
    if kind.metric == "success":
        own = success_share(ours > 0.5, bootstrap)
        relative = success_difference(ours > 0.5, theirs > 0.5, bootstrap)
    else:
        own = bootstrap.estimate(ours, statistic)
        relative = bootstrap.compare(ours, theirs, statistic, kind.relation)
    return Figure(
        region=region,
        controller=controller,
        metric=kind.metric,
        statistic=kind.statistic,
        unit=kind.unit,
        tasks=ours.shape[1],
        seeds=ours.shape[0],
        value=own.value,
        low=own.low,
        high=own.high,
        expert=float(statistic(theirs)[0]),
        relation=kind.relation,
        relative=relative.value,
        relative_low=relative.low,
        relative_high=relative.high,
    )


def _number(value: Any) -> Any:
    return float(value) if value in ("inf", "-inf") else value
