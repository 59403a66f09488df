"""LeRobot's v3.0 dataset layout: paths, metadata tables and statistics.

Follows what ``lerobot.datasets`` writes with ``codebase_version`` v3.0: many episodes in one parquet file,
one row of ``meta/episodes`` per episode that says where its rows are, and tasks in words.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ampc.arrays import FloatArray, IntArray
from ampc.episodes.frames import TASK, Feature, record_types

CODEBASE_VERSION = "v3.0"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
ROWS_PER_FILE = 200_000
"""A data file is closed once it has this many rows: below LeRobot's 100 MB for arms of up to ten joints."""

EXTRA_PREFIX = "ampc/"
"""Begins the names of the columns that this package adds to ``meta/episodes``."""

_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def file_place(number: int) -> dict[str, int]:
    """Chunk and file index of the data file with that number."""
    return {"chunk_index": number // FILES_PER_CHUNK, "file_index": number % FILES_PER_CHUNK}


def data_file(folder: Path, number: int) -> Path:
    """Path of a data file."""
    return folder / DATA_PATH.format(**file_place(number))


def episodes_file(folder: Path, number: int) -> Path:
    """Path of the file of episode metadata that goes with a data file."""
    return folder / EPISODES_PATH.format(**file_place(number))


def split_into_files(lengths: Sequence[int], rows_per_file: int = ROWS_PER_FILE) -> list[range]:
    """Which episodes each data file holds.

    Appending episodes changes only the last file, and only by appending to it. So a dataset can be extended
    in place, and ends up the same as if it had been collected at once.
    """
    files, first, rows = [], 0, 0
    for episode, length in enumerate(lengths):
        rows += length
        if rows >= rows_per_file:
            files.append(range(first, episode + 1))
            first, rows = episode + 1, 0
    if first < len(lengths):
        files.append(range(first, len(lengths)))
    return files


def info(
    features: Mapping[str, Feature], robot: str, control_period: float, episodes: int, frames: int
) -> dict[str, Any]:
    """Content of ``meta/info.json``."""
    rate = 1.0 / control_period
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": robot,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": round(rate) if abs(rate - round(rate)) < 1e-6 else rate,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": {
            name: {
                "dtype": feature.dtype,
                "shape": [feature.size],
                "names": None if feature.names is None else list(feature.names),
            }
            for name, feature in features.items()
        },
    }


def tasks_table() -> pa.Table:
    """Content of ``meta/tasks.parquet``: what pandas writes for a frame indexed by the task in words."""
    table = pa.table({"task_index": pa.array([0], pa.int64()), "task": [TASK]})
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": kind,
                "numpy_type": numpy_type,
                "metadata": None,
            }
            for name, kind, numpy_type in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def episodes_table(
    number: int,
    episodes: range,
    first_row: int,
    records: Sequence[Mapping[str, Any]],
    frames: Mapping[str, FloatArray],
    n_actuated: int,
) -> pa.Table:
    """Metadata of the episodes of one data file.

    Args:
        number: Number of the data file.
        episodes: Indices of its episodes.
        first_row: Index of its first row in the whole dataset.
        records: What is stored once per episode.
        frames: Its rows by column, (N, d) or (N,).
        n_actuated: Number of joints with motors m.
    """
    count = len(episodes)
    lengths = np.array([record["length"] for record in records], dtype=np.int64)
    ends = first_row + np.cumsum(lengths)
    columns: dict[str, Any] = {
        "episode_index": pa.array(episodes, pa.int64()),
        "tasks": pa.array([[TASK]] * count, pa.list_(pa.string())),
        "length": pa.array(lengths),
        "dataset_from_index": pa.array(ends - lengths),
        "dataset_to_index": pa.array(ends),
    }
    for kind in ("data", "meta/episodes"):
        for name, value in file_place(number).items():
            columns[f"{kind}/{name}"] = pa.array([value] * count, pa.int64())
    for name, arrow_type in record_types(n_actuated, records).items():
        columns[EXTRA_PREFIX + name] = pa.array([record[name] for record in records], arrow_type)
    for name, values in frames.items():
        matrix = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        for statistic, rows in _statistics_by_episode(matrix, lengths).items():
            columns[f"stats/{name}/{statistic}"] = pa.array(list(rows), pa.list_(pa.float64()))
        columns[f"stats/{name}/count"] = pa.array([[length] for length in lengths.tolist()])
    return pa.table(columns)


def statistics(values: np.ndarray[Any, Any]) -> dict[str, list[float] | list[int]]:
    """Statistics of one column (N, d) or (N,) over all rows, as in ``meta/stats.json``."""
    matrix = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    result: dict[str, list[float] | list[int]] = {
        "min": matrix.min(axis=0).tolist(),
        "max": matrix.max(axis=0).tolist(),
        "mean": matrix.mean(axis=0).tolist(),
        "std": matrix.std(axis=0).tolist(),
        "count": [len(matrix)],
    }
    quantiles = np.quantile(matrix, list(_QUANTILES.values()), axis=0)
    return result | {name: row.tolist() for name, row in zip(_QUANTILES, quantiles, strict=True)}


def _statistics_by_episode(matrix: FloatArray, lengths: IntArray) -> dict[str, FloatArray]:
    """The same statistics of consecutive episodes of rows (N, d), each (E, d); all episodes at once."""
    starts = np.cumsum(lengths) - lengths
    counts = lengths[:, None]
    mean = np.add.reduceat(matrix, starts, axis=0) / counts
    deviation = matrix - np.repeat(mean, lengths, axis=0)
    result = {
        "min": np.minimum.reduceat(matrix, starts, axis=0),
        "max": np.maximum.reduceat(matrix, starts, axis=0),
        "mean": mean,
        "std": np.sqrt(np.add.reduceat(deviation**2, starts, axis=0) / counts),
    }
    ordered = np.full((len(lengths), lengths.max(), matrix.shape[1]), np.inf)
    episode_of_row = np.repeat(np.arange(len(lengths)), lengths)
    ordered[episode_of_row, np.arange(len(matrix)) - np.repeat(starts, lengths)] = matrix
    ordered.sort(axis=1)
    episode = np.arange(len(lengths))
    for name, share in _QUANTILES.items():
        position = share * (lengths - 1)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, lengths - 1)
        weight = (position - below)[:, None]
        result[name] = (1 - weight) * ordered[episode, below] + weight * ordered[episode, above]
    return result
