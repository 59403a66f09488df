"""What is in a dataset, in figures."""

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ampc.episodes.dataset import Dataset
from ampc.settings import to_dict
from ampc.tasks.task import PlantVariation

_SUMMARISED = ("action", "torque.corrective", "torque.compensation", "torque.applied")


@dataclass(frozen=True)
class ColumnSummary:
    """Range of one number of one column."""

    column: str
    """Name of the column."""
    name: str
    """Name of the number in it, such as the joint."""
    mean: float
    """Mean over all rows."""
    std: float
    """Standard deviation."""
    low: float
    """Smallest value."""
    high: float
    """Largest value."""


@dataclass(frozen=True)
class DatasetSummary:
    """What `ampc dataset` prints."""

    robot: str
    """Name of the arm."""
    robot_fingerprint: str
    """Its fingerprint."""
    controller: str
    """Controller whose commands are the actions."""
    control_period: float
    """Time between two rows [s]."""
    episodes: int
    """Number of episodes."""
    rows: int
    """Number of rows: labels."""
    regions: dict[str, int]
    """Number of episodes from each region."""
    duration_min: float
    """Shortest episode [s]."""
    duration_median: float
    """Median length of an episode [s]."""
    duration_max: float
    """Longest episode [s]."""
    settled_share: float
    """Share of the episodes that came to rest at their reference."""
    varied_share: float
    """Share of the episodes whose plant differed from the nominal one."""
    final_error_median: float
    """Median distance to the goal at the end [m]."""
    final_error_max: float
    """Largest distance to the goal at the end [m]."""
    torque_saturated_share: float
    """Share of the rows whose torque the plant cut to its limits."""
    command_saturated_share: float
    """Share of the rows whose command a policy cut to its limit."""
    fallback_episodes: int
    """Episodes in which controller or plant reported a fault."""
    columns: tuple[ColumnSummary, ...]
    """Ranges of commands and torques."""
    bytes: int
    """Size of the files."""


def summarise(dataset: Dataset) -> DatasetSummary:
    """Figures of a dataset."""
    episodes, rows = dataset.episodes, len(dataset)
    durations = dataset.episode_lengths * dataset.meta.control_period
    errors = np.array(episodes["final_error"])
    nominal = json.dumps(to_dict(PlantVariation()))
    return DatasetSummary(
        robot=dataset.meta.robot,
        robot_fingerprint=dataset.meta.robot_fingerprint,
        controller=dataset.meta.controller,
        control_period=dataset.meta.control_period,
        episodes=dataset.n_episodes,
        rows=rows,
        regions=dict(sorted(Counter(episodes["region"]).items())),
        duration_min=float(durations.min()),
        duration_median=float(np.median(durations)),
        duration_max=float(durations.max()),
        settled_share=float(np.mean([time is not None for time in episodes["settled_at"]])),
        varied_share=float(np.mean([variation != nominal for variation in episodes["variation"]])),
        final_error_median=float(np.median(errors)),
        final_error_max=float(errors.max()),
        torque_saturated_share=sum(episodes["torque_saturated"]) / rows,
        command_saturated_share=sum(episodes["command_saturated"]) / rows,
        fallback_episodes=sum(count > 0 for count in episodes["fallbacks"]),
        columns=_column_summaries(dataset),
        bytes=sum(path.stat().st_size for path in dataset.path.rglob("*") if path.is_file()),
    )


def _column_summaries(dataset: Dataset) -> tuple[ColumnSummary, ...]:
    return tuple(
        ColumnSummary(
            column, name, float(values.mean()), float(values.std()), float(values.min()), float(values.max())
        )
        for column in _SUMMARISED
        for name, values in zip(dataset.meta.actuated_names, dataset.frames[column].T, strict=True)
    )
