"""Pieces of a dataset that is being collected: some episodes each, written once, in any order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ampc.episodes.episode import Episode
from ampc.episodes.files import TEMPORARY_SUFFIX, read_table, write_table
from ampc.episodes.frames import Feature, episode_columns, episode_record
from ampc.errors import DatasetError

SHARD_FOLDER = ".shards"
"""Where shards lie inside the dataset until it is complete."""

_RECORDS_KEY = b"ampc.episodes"
MEND_SHARD = "delete it and run the collection again: only its episodes are computed anew"


@dataclass(frozen=True)
class Shard:
    """A stored run of consecutive episodes."""

    path: Path
    """Its file."""
    first: int
    """Index of its first episode."""
    records: tuple[dict[str, Any], ...]
    """What is stored once per episode."""

    @property
    def episodes(self) -> range:
        """Indices of its episodes."""
        return range(self.first, self.first + len(self.records))

    def read(self) -> pa.Table:
        """Its rows, without LeRobot's ``index`` column.

        Raises:
            DatasetError: If the file is damaged.
        """
        return read_table(self.path, MEND_SHARD)


def write_shard(
    folder: Path, first: int, episodes: Sequence[Episode], features: dict[str, Feature]
) -> tuple[int, int]:
    """Store consecutive episodes of a dataset.

    Args:
        folder: Folder of the dataset.
        first: Index of the first of them.
        episodes: The episodes.
        features: Columns of the dataset.

    Returns:
        Number of episodes and number of rows stored.

    Raises:
        DatasetError: If an episode is not fit to be stored, or the disk does not take it.
    """
    parts = [episode_columns(episode) for episode in episodes]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lengths = [len(episode) for episode in episodes]
    columns["timestamp"] = np.concatenate([episode.time for episode in episodes])
    columns["frame_index"] = np.concatenate([np.arange(length) for length in lengths])
    columns["episode_index"] = np.repeat(np.arange(first, first + len(episodes)), lengths)
    columns["task_index"] = np.zeros(sum(lengths), dtype=np.int64)
    names = [name for name in features if name in columns]
    records = json.dumps([episode_record(episode) for episode in episodes])
    table = pa.table({name: features[name].to_arrow(columns[name]) for name in names})
    path = folder / SHARD_FOLDER / f"episodes-{first:08d}-{first + len(episodes) - 1:08d}.parquet"
    write_table(path, table.replace_schema_metadata({_RECORDS_KEY: records}))
    return len(episodes), sum(lengths)


def find_shards(folder: Path) -> list[Shard]:
    """Shards of a dataset, by first episode; what a killed process left half-written is removed.

    Raises:
        DatasetError: If a shard is damaged.
    """
    shards = []
    for path in sorted((folder / SHARD_FOLDER).glob("*")):
        if path.suffix == TEMPORARY_SUFFIX:
            path.unlink(missing_ok=True)
            continue
        try:
            metadata = pq.read_schema(path).metadata or {}
            first = int(path.stem.split("-")[1])
            shards.append(Shard(path, first, tuple(json.loads(metadata[_RECORDS_KEY]))))
        except (OSError, pa.ArrowException, KeyError, IndexError, ValueError) as error:
            raise DatasetError(f"{path} is damaged ({error}); {MEND_SHARD}") from error
    return shards
