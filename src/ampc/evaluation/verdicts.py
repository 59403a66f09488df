"""Claims with a threshold, held against what was measured."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from ampc.evaluation.display import (
    QUANTITIES,
    write_interval,
    write_relative,
    write_relative_interval,
    write_value,
)
from ampc.evaluation.summary import (
    ALL_REGIONS,
    OUT_OF_DISTRIBUTION,
    TRAINING_REGION,
    StatisticName,
    Summary,
    relation_of,
    to_plain,
)


@dataclass(frozen=True)
class Criterion:
    """A bound that a figure has to meet."""

    source: str
    """Who asks for it, such as ``paper``."""
    metric: str
    """Field of `ampc.evaluation.metrics.EpisodeMetrics`."""
    bound: Literal["at most", "at least"]
    """On which side of the threshold it has to be; the threshold itself passes."""
    threshold: float
    """The bound: SI units or a share; for a ratio 1.05 means 5 % above the expert."""
    against: Literal["itself", "expert"] = "itself"
    """Whether the controller's own figure is meant, or its ratio to or difference from the expert's."""
    region: str = TRAINING_REGION
    """Region, or pooled regions."""
    statistic: StatisticName = "mean"
    """What is computed over tasks."""


PAPER = (
    Criterion("paper", "rmse", "at most", 1.10, "expert"),
    Criterion("paper", "rmse", "at most", 1.05, "expert"),
    Criterion("paper", "step_time_p50", "at most", 1e-3, statistic="median"),
    Criterion("paper", "success", "at least", -0.15, "expert", OUT_OF_DISTRIBUTION),
)
"""What the paper expects of a policy. Its RMSE is dominated by the transient; see docs/evaluation.md."""

STRICT = (
    Criterion("strict", "success", "at least", -0.002, "expert"),
    Criterion("strict", "rmse", "at most", 1.005, "expert"),
    Criterion("strict", "steady_error", "at most", 0.0002),
)
"""What a policy that replaces its expert without loss has to meet."""

SEQUENCE_MODELS = (
    Criterion("strict", "success", "at least", -0.005, "expert"),
    Criterion("strict", "rmse", "at most", 1.01, "expert"),
)
"""The same for recurrent networks and transformers."""

EXPERT = (
    Criterion("strict", "success", "at least", 0.998),
    Criterion("strict", "success", "at least", 0.99, region=ALL_REGIONS),
)
"""What the expert itself has to meet, since nothing learned from it can be expected to do better."""


@dataclass(frozen=True)
class Verdict:
    """A criterion and what was measured."""

    controller: str
    """Name of the controller."""
    claim: str
    """The criterion in words."""
    source: str
    """Who asks for it."""
    region: str
    """Region or pooled regions."""
    required: str
    """The bound, in the unit shown."""
    measured: str
    """The figure, in the unit shown; ``not measured`` if the benchmark has no such region."""
    interval: str
    """Its interval, in the unit shown; empty where it has none."""
    passed: bool | None
    """Whether the figure meets the bound; None if it was not measured."""
    certain: bool | None
    """Whether the whole interval is on the same side as the figure; None without interval."""
    threshold: float
    """The bound in SI units."""
    value: float | None
    """The figure in SI units."""
    low: float | None
    """Lower end of its interval in SI units."""
    high: float | None
    """Upper end of its interval in SI units."""


def judge(summary: Summary, controller: str, criteria: Sequence[Criterion]) -> list[Verdict]:
    """Hold a controller against criteria.

    A verdict is of the figure itself; `Verdict.certain` says whether its interval agrees.

    Raises:
        DatasetError: If the summary has no such controller.
    """
    return [_judge(summary, controller, criterion) for criterion in criteria]


def save_verdicts(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write ``verdicts.csv`` and ``verdicts.json``."""
    rows = [{name: to_plain(value) for name, value in asdict(verdict).items()} for verdict in verdicts]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "verdicts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Verdict)])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "verdicts.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n")


def _judge(summary: Summary, controller: str, criterion: Criterion) -> Verdict:
    metric, relation = criterion.metric, relation_of(criterion.metric)
    against_expert = criterion.against == "expert"
    value = low = high = None
    if criterion.region in summary.regions:
        figure = summary.find(criterion.region, controller, metric, criterion.statistic)
        value, low, high = (
            (figure.relative, figure.relative_low, figure.relative_high)
            if against_expert
            else (figure.value, figure.low, figure.high)
        )
    if against_expert:
        threshold = write_relative(metric, relation, criterion.threshold)
        measured = write_relative(metric, relation, value)
        interval = write_relative_interval(metric, relation, low, high)
    else:
        threshold = write_value(metric, criterion.threshold)
        measured = write_value(metric, value)
        interval = write_interval(metric, low, high)
    name = QUANTITIES[metric].label
    if criterion.statistic != "mean":
        name = f"{criterion.statistic} of {name}"
    return Verdict(
        controller=controller,
        claim=f"{name}{' against the expert' if against_expert else ''}, {criterion.region}",
        source=criterion.source,
        region=criterion.region,
        required=f"{criterion.bound} {threshold}",
        measured="not measured" if value is None else measured,
        interval=interval,
        passed=None if value is None else _meets(value, criterion),
        certain=None if low is None or high is None else _meets(low, criterion) == _meets(high, criterion),
        threshold=criterion.threshold,
        value=value,
        low=low,
        high=high,
    )


def _meets(value: float, criterion: Criterion) -> bool:
    slack = 1e-12 * max(1.0, abs(criterion.threshold))
    if criterion.bound == "at most":
        return value <= criterion.threshold + slack
    return value >= criterion.threshold - slack
