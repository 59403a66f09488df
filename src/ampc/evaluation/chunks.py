"""What one benchmark process does: run a few tasks of one controller and write them as one file."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ampc.control.controller import Controller
from ampc.episodes.episode import Episode
from ampc.episodes.rollout import Plant, run_episode
from ampc.errors import AmpcError
from ampc.evaluation.metrics import MetricSettings, error_samples, measure
from ampc.robots.robot import Robot
from ampc.tasks.task import Task

TRACES = ("q", "dq", "end_effector", "applied_torque")
"""Arrays of an `Episode` that are kept for the traced tasks."""

_built: dict[str, tuple[Robot, Plant, Controller]] = {}
"""The loops that this process has built, by the fingerprint of their setup."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive tasks of one controller in one region."""

    path: Path
    """File to write."""
    setup_key: str
    """Fingerprint of the setup."""
    setup: Any
    """Recipe of the loop, an `ampc.evaluation.benchmark.Setup`."""
    tasks: Sequence[Task]
    """The tasks."""
    n_traced: int
    """How many of them, from the first, are kept with states and torques."""
    duration: float
    """Length of an episode [s]."""
    metrics: MetricSettings
    """What counts as reached, settled and violated."""


def run_chunk(chunk: Chunk) -> int:
    """Run a chunk and write its file, whole or not at all; returns the number of episodes."""
    if chunk.setup_key not in _built:
        _built[chunk.setup_key] = (chunk.setup.build_robot(), *chunk.setup.build())
    robot, plant, controller = _built[chunk.setup_key]
    rows = []
    for i, task in enumerate(chunk.tasks):
        try:
            episode = run_episode(plant, controller, task, chunk.duration)
        except AmpcError as error:
            error.add_note(f"in the benchmark of {controller.name!r}, {task.region} task {task.index}")
            raise
        rows.append(_row(episode, robot, chunk.metrics, traced=i < chunk.n_traced))
    write_atomically(pa.Table.from_pylist(rows, schema=_schema(rows[0])), chunk.path)
    return len(chunk.tasks)


def write_atomically(table: pa.Table, path: Path) -> None:
    """Write a parquet file so that it appears whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    pq.write_table(table, draft)
    os.replace(draft, path)


def _row(episode: Episode, robot: Robot, settings: MetricSettings, traced: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": episode.task.index,
        "goal": episode.task.goal,
        "control_period": episode.control_period,
    }
    row |= asdict(measure(episode, robot, settings))
    row["fallback_reason"] = episode.fallbacks[0][1] if episode.fallbacks else ""
    row["error"] = error_samples(episode).astype(np.float32)
    row["step_time"] = episode.step_time.astype(np.float32)
    row |= {f"trace_{name}": getattr(episode, name).ravel() if traced else None for name in TRACES}
    return row


def _schema(row: dict[str, Any]) -> pa.Schema:
    def kind(name: str, value: Any) -> pa.DataType:
        if name in ("error", "step_time"):
            return pa.list_(pa.float32())
        if name == "goal" or name.startswith("trace_"):
            return pa.list_(pa.float64())
        return pa.scalar(value).type

    return pa.schema([(name, kind(name, value)) for name, value in row.items()])
