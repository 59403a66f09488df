"""Writing a dataset: shards in any order by any number of processes, then LeRobot's layout."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ampc.episodes import lerobot
from ampc.episodes.dataset import MEND_DATASET, Dataset
from ampc.episodes.episode import Episode
from ampc.episodes.files import TEMPORARY_SUFFIX, read_table, write_json, write_table
from ampc.episodes.frames import frame_features
from ampc.episodes.header import HEADER_PATH, DatasetHeader
from ampc.episodes.shards import SHARD_FOLDER, Shard, find_shards, write_shard
from ampc.errors import DatasetError


class DatasetWriter:
    """Fills a folder with episodes, and may be killed at any moment.

    Episodes have indices 0, 1, 2, ... and are stored in shards, each of which is either on disk in full or
    not at all. `finish` turns the shards into LeRobot's layout, of which ``meta/info.json`` comes last: as
    long as it does not count an episode, the episode's shard is kept. The result depends on the episodes
    alone, not on how they were cut into shards, on interruptions, or on whether the dataset was extended.
    """

    def __init__(self, folder: Path, header: DatasetHeader) -> None:
        """Open a folder for writing; begin a dataset if there is none.

        Args:
            folder: Folder of the dataset.
            header: Whose data it is to hold.

        Raises:
            DatasetError: If the folder holds something else, or data that other settings have shaped.
        """
        self.folder = folder
        self.header = header
        self.features = frame_features(header.naming)
        if (folder / HEADER_PATH).exists():
            changes = DatasetHeader.read(folder).differences(header)
            if changes:
                raise DatasetError(
                    f"{folder} already holds data of other settings:\n  "
                    + "\n  ".join(changes)
                    + "\nChoose another folder, go back to the old settings, or delete the folder"
                )
        elif folder.exists() and any(path.name != "meta" for path in folder.iterdir()):
            raise DatasetError(f"{folder} is not empty and holds no dataset of ampc; choose another folder")
        else:
            header.write(folder)

    def stored_lengths(self) -> dict[int, int]:
        """Number of rows of each episode that is stored, finished or not, by its index.

        Raises:
            DatasetError: If a stored file is damaged.
        """
        finished = Dataset.read_records(self.folder, Dataset.count_episodes(self.folder))
        lengths = {index: int(record["length"]) for index, record in enumerate(finished)}
        for shard in find_shards(self.folder):
            for index, record in zip(shard.episodes, shard.records, strict=True):
                lengths[index] = int(record["length"])
        return lengths

    def missing(self, episodes: int, shard_episodes: int) -> list[range]:
        """Runs of episodes that are still to be made.

        Args:
            episodes: Number of episodes that the dataset is to have.
            shard_episodes: Largest length of a run; runs end at its multiples, however the last one ended.

        Raises:
            DatasetError: If a stored shard is damaged.
        """
        stored = self.stored_lengths()
        runs: list[range] = []
        for episode in range(episodes):
            if episode in stored:
                continue
            if runs and runs[-1].stop == episode and episode % shard_episodes != 0:
                runs[-1] = range(runs[-1].start, episode + 1)
            else:
                runs.append(range(episode, episode + 1))
        return runs

    def write(self, first: int, episodes: Sequence[Episode]) -> int:
        """Store consecutive episodes; safe to call from several processes for different episodes.

        Args:
            first: Index of the first of them.
            episodes: The episodes.

        Returns:
            Number of rows stored.

        Raises:
            DatasetError: If an episode is not finite, or the disk does not take it.
        """
        return write_shard(self.folder, first, episodes, self.features)[1]

    def finish(self, episodes: int) -> None:
        """Turn the stored shards into LeRobot's layout.

        Args:
            episodes: Number of episodes that the dataset is to have; not less than it already has.

        Raises:
            DatasetError: If an episode is missing, a file is damaged, or the disk is full.
        """
        finished = Dataset.count_episodes(self.folder)
        if episodes > finished:
            self._extend(finished, episodes)
        for leftover in self.folder.rglob(f".*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)
        if all(shard.episodes.stop <= max(episodes, finished) for shard in find_shards(self.folder)):
            shutil.rmtree(self.folder / SHARD_FOLDER, ignore_errors=True)

    def _extend(self, finished: int, episodes: int) -> None:
        """Grow the finished part of the dataset from ``finished`` to ``episodes`` episodes."""
        sources = self._sources(finished, episodes)
        records = Dataset.read_records(self.folder, finished)
        for source in sources:
            records += source.records
        lengths = [int(record["length"]) for record in records]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        old_files = lerobot.split_into_files(lengths[:finished])
        files = lerobot.split_into_files(lengths)
        for number, members in enumerate(files):
            if number < len(old_files) and old_files[number] == members:
                continue
            parts = [source.rows(members) for source in sources]
            if members.start < finished:
                old = read_table(lerobot.data_file(self.folder, number), MEND_DATASET)
                parts.insert(0, old.drop(["index"]).slice(0, starts[finished] - starts[members.start]))
            index = np.arange(starts[members.start], starts[members.stop])
            table = pa.concat_tables(part for part in parts if part is not None)
            table = table.append_column("index", pa.array(index)).select(list(self.features))
            # Pieces and their metadata would show in the file how the rows were cut into shards.
            table = table.combine_chunks().replace_schema_metadata(None)
            write_table(lerobot.data_file(self.folder, number), table)
            self._write_episodes(number, members, int(index[0]), records, table)
        self._write_statistics(len(files), int(starts[-1]))
        write_table(self.folder / lerobot.TASKS_PATH, lerobot.tasks_table())
        self._remove_files_after(len(files))
        header = self.header
        write_json(
            self.folder / lerobot.INFO_PATH,
            lerobot.info(self.features, header.robot, header.control_period, episodes, int(starts[-1])),
        )

    def _remove_files_after(self, files: int) -> None:
        """Remove what an interrupted extension to more episodes than now asked for has left."""
        for file in (lerobot.data_file, lerobot.episodes_file):
            number = files
            while (path := file(self.folder, number)).exists():
                path.unlink()
                number += 1

    def _sources(self, finished: int, episodes: int) -> list["_Source"]:
        """Shards that hold the episodes from ``finished`` on, each episode in one of them."""
        sources: list[_Source] = []
        needed = finished
        for shard in find_shards(self.folder):
            stop = min(shard.episodes.stop, episodes)
            if shard.first <= needed < stop:
                sources.append(_Source(shard, range(needed, stop)))
                needed = stop
        if needed < episodes:
            raise DatasetError(f"{self.folder}: episode {needed} is not stored yet; run the collection again")
        return sources

    def _write_episodes(
        self, number: int, members: range, first_row: int, records: list[dict[str, Any]], table: pa.Table
    ) -> None:
        frames = {name: feature.to_numpy(table[name]) for name, feature in self.features.items()}
        own = records[members.start : members.stop]
        n_actuated = len(self.header.actuated_names)
        content = lerobot.episodes_table(number, members, first_row, own, frames, n_actuated)
        write_table(lerobot.episodes_file(self.folder, number), content)

    def _write_statistics(self, files: int, rows: int) -> None:
        """Write ``meta/stats.json``, one column at a time: a dataset may be larger than memory."""
        result = {}
        for name, feature in self.features.items():
            paths = (lerobot.data_file(self.folder, number) for number in range(files))
            column = np.concatenate(
                [feature.to_numpy(read_table(path, MEND_DATASET, [name])[name]) for path in paths]
            )
            result[name] = lerobot.statistics(column[:rows])
        write_json(self.folder / lerobot.STATS_PATH, result)


@dataclass(frozen=True)
class _Source:
    """The episodes of a shard that go into the dataset from it."""

    shard: Shard
    episodes: range

    @property
    def records(self) -> list[dict[str, Any]]:
        first = self.shard.first
        return list(self.shard.records[self.episodes.start - first : self.episodes.stop - first])

    def rows(self, members: range) -> pa.Table | None:
        """Rows of those of its episodes that are among ``members``; None if there are none."""
        start, stop = max(self.episodes.start, members.start), min(self.episodes.stop, members.stop)
        if start >= stop:
            return None
        lengths = [record["length"] for record in self.shard.records]
        first = self.shard.first
        before, length = sum(lengths[: start - first]), sum(lengths[start - first : stop - first])
        return self.shard.read().slice(before, length)
