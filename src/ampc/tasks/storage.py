"""Task sets on disk: one parquet file, which says which robot the tasks are for."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ampc.errors import TaskError
from ampc.robots.robot import Robot
from ampc.settings import to_dict
from ampc.tasks.flexible import FlexibleTaskSettings
from ampc.tasks.obstacles import obstacles_from_plain, obstacles_to_plain
from ampc.tasks.sampler import TaskSettings
from ampc.tasks.task import PlantVariation, Task

FORMAT_VERSION = 1
_METADATA_KEY = b"ampc_tasks"
_VECTORS = ("start", "goal", "witness")


def save_tasks(
    path: Path,
    tasks: Sequence[Task],
    robot: Robot,
    settings: TaskSettings | FlexibleTaskSettings | None = None,
    seed: int | None = None,
) -> None:
    """Write tasks to a parquet file, whole or not at all.

    Columns: ``index``, ``region``, ``start``, ``goal``, ``witness``, ``seed`` and ``variation``, a struct of
    the fields of `PlantVariation`; where tasks have obstacles of their own, ``obstacles`` as well. The file's
    metadata hold the format version, the robot's name and fingerprint, the number of tasks, and the settings
    and seed that made them.

    Raises:
        TaskError: There are no tasks, or they have another number of motors than the robot.
    """
    if not tasks:
        raise TaskError("there are no tasks to save")
    if any(len(task.start) != robot.n_actuated for task in tasks):
        raise TaskError(
            f"tasks to save are not for {robot.name!r}, which has {robot.n_actuated} joints with motors"
        )
    metadata = {
        "version": FORMAT_VERSION,
        "robot": robot.name,
        "fingerprint": robot.fingerprint,
        "count": len(tasks),
        "settings": None if settings is None else to_dict(settings),
        "seed": seed,
    }
    columns: dict[str, Any] = {
        "index": pa.array([task.index for task in tasks], pa.int64()),
        "region": pa.array([task.region for task in tasks], pa.string()),
        **{
            name: pa.array([getattr(task, name) for task in tasks], pa.list_(pa.float64()))
            for name in _VECTORS
        },
        "seed": pa.array([task.seed for task in tasks], pa.int64()),
        "variation": pa.array([dataclasses.asdict(task.variation) for task in tasks], _VARIATION_TYPE),
    }
    if any(task.obstacles is not None for task in tasks):
        columns["obstacles"] = pa.array([obstacles_to_plain(task) for task in tasks], _OBSTACLES_TYPE)
    table = pa.table(columns).replace_schema_metadata({_METADATA_KEY: json.dumps(metadata)})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    pq.write_table(table, unfinished)
    os.replace(unfinished, path)


def load_tasks(path: Path, robot: Robot) -> list[Task]:
    """Read tasks that `save_tasks` wrote.

    Raises:
        TaskError: The file is missing, damaged, of another format version or made for another robot.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise TaskError(f"there is no task file {path}") from error
    except (pa.ArrowException, OSError) as error:
        raise TaskError(f"task file {path} is truncated or damaged: {error}") from error
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        raise TaskError(f"{path} is a parquet file, but not one of tasks")
    metadata = json.loads(raw)
    if metadata["version"] != FORMAT_VERSION:
        raise TaskError(
            f"task file {path} has format version {metadata['version']}, this program reads {FORMAT_VERSION}"
        )
    if metadata["fingerprint"] != robot.fingerprint:
        raise TaskError(
            f"task file {path} was made for robot {metadata['robot']!r} (fingerprint "
            f"{metadata['fingerprint']}), not for {robot.name!r} ({robot.fingerprint}); sample them again"
        )
    if metadata["count"] != table.num_rows:
        raise TaskError(f"task file {path} holds {table.num_rows} of {metadata['count']} tasks")
    return [_task(row) for row in table.to_pylist()]


def _task(row: dict[str, Any]) -> Task:
    variation: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row["variation"].items()
    }
    vectors = {name: np.array(row[name], dtype=np.float64) for name in _VECTORS}
    obstacles = obstacles_from_plain(row.get("obstacles"))
    return Task(**{**row, **vectors, "variation": PlantVariation(**variation), "obstacles": obstacles})


_OBSTACLES_TYPE = pa.list_(
    pa.struct([("name", pa.string()), ("normal", pa.list_(pa.float64())), ("point", pa.list_(pa.float64()))])
)
_VARIATION_TYPE = pa.struct(
    [
        (field.name, pa.list_(pa.float64()) if PlantVariation.is_per_joint(field.name) else pa.float64())
        for field in dataclasses.fields(PlantVariation)
    ]
)
