"""Reading a dataset: checked in full when it is opened, then plain arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ampc.arrays import FloatArray, IntArray
from ampc.episodes import lerobot
from ampc.episodes.files import read_json, read_table
from ampc.episodes.frames import MAY_BE_NAN, frame_features, record_types
from ampc.episodes.header import DatasetHeader
from ampc.episodes.shards import SHARD_FOLDER
from ampc.errors import DatasetError
from ampc.robots.robot import Robot

MEND_DATASET = "restore it from a copy, or delete the dataset's folder and collect it again"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Demonstrations in memory; N rows of E episodes, episode after episode."""

    path: Path
    """Its folder."""
    meta: DatasetHeader
    """Whose data it is."""
    frames: dict[str, FloatArray]
    """Columns by name: vectors (N, d) as in `frame_features`, LeRobot's own (N,)."""
    episode_starts: IntArray
    """First row of each episode (E,)."""
    episode_lengths: IntArray
    """Number of rows of each episode (E,)."""
    episodes: dict[str, list[Any]]
    """What is stored once per episode: ``region``, ``seed``, ``settled_at``, ... each of length E."""

    def __len__(self) -> int:
        """Number of rows N."""
        return int(self.episode_lengths.sum())

    @property
    def label_counts(self) -> IntArray:
        """Number of rows of each episode that are there to be imitated (E,)."""
        if "action.is_label" not in self.frames:
            return self.episode_lengths
        is_label = self.frames["action.is_label"][:, 0].astype(np.int64)
        return np.asarray(np.add.reduceat(is_label, self.episode_starts))

    @property
    def n_episodes(self) -> int:
        """Number of episodes E."""
        return len(self.episode_lengths)

    @classmethod
    def open(cls, path: str | Path) -> "Dataset":
        """Read a dataset and check it.

        Args:
            path: Its folder.

        Raises:
            DatasetError: If it is incomplete, damaged or of another format version; the message says which
                file, what is wrong with it, and how to mend it.
        """
        folder = Path(path)
        meta = DatasetHeader.read(folder)
        total = cls.count_episodes(folder)
        if total == 0:
            state = (
                "its collection was not finished"
                if (folder / SHARD_FOLDER).exists()
                else "it has no episodes"
            )
            raise DatasetError(f"{folder} cannot be read: {state}; run the collection again to go on")
        records = cls.read_records(folder, total)
        lengths = np.array([record["length"] for record in records], dtype=np.int64)
        rows = int(read_json(folder / lerobot.INFO_PATH)["total_frames"])
        if lengths.sum() != rows:
            raise DatasetError(
                f"{folder / lerobot.INFO_PATH} counts {rows} rows but the episodes have {lengths.sum()}; "
                + MEND_DATASET
            )
        frames = _read_frames(folder, meta, lengths)
        names = ["length", *record_types(len(meta.actuated_names), records)]
        return cls(
            path=folder,
            meta=meta,
            frames=frames,
            episode_starts=np.cumsum(lengths) - lengths,
            episode_lengths=lengths,
            episodes={name: [record[name] for record in records] for name in names},
        )

    def require(self, robot: Robot | None = None, control_period: float | None = None) -> None:
        """Refuse the dataset if it is not for this use.

        Args:
            robot: The arm that it must be of.
            control_period: The time between rows that it must have [s]; history spacing counts in it.

        Raises:
            DatasetError: With the reason.
        """
        if robot is not None and robot.fingerprint != self.meta.robot_fingerprint:
            theirs, ours = list(self.meta.joint_names), list(robot.joint_names)
            detail = (
                f"joints {theirs} against {ours}"
                if theirs != ours
                else "the joints have the same names, but kinematics, inertia or limits differ"
            )
            raise DatasetError(
                f"{self.path} is of robot {self.meta.robot!r} ({self.meta.robot_fingerprint}), not of "
                f"{robot.name!r} ({robot.fingerprint}): {detail}. Collect a dataset with this robot"
            )
        if control_period is not None and abs(control_period - self.meta.control_period) > 1e-9:
            raise DatasetError(
                f"{self.path} has a row every {self.meta.control_period:g} s, but {control_period:g} s is "
                "asked for; a history must keep the spacing of its data. Collect a dataset at this period"
            )

    @staticmethod
    def count_episodes(folder: Path) -> int:
        """Number of episodes in the finished part of a dataset; 0 if there is none yet.

        Raises:
            DatasetError: If ``meta/info.json`` is damaged or of another layout.
        """
        path = folder / lerobot.INFO_PATH
        if not path.exists():
            return 0
        info = read_json(path)
        if info.get("codebase_version") != lerobot.CODEBASE_VERSION:
            raise DatasetError(
                f"{path} is of LeRobot's layout {info.get('codebase_version')}, not "
                f"{lerobot.CODEBASE_VERSION}; convert it with LeRobot's own tools or collect it again"
            )
        try:
            return int(info["total_episodes"])
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path} is damaged: total_episodes is missing; {MEND_DATASET}") from error

    @staticmethod
    def read_records(folder: Path, episodes: int) -> list[dict[str, Any]]:
        """What is stored once per episode, for the first ``episodes`` episodes of the finished part.

        Raises:
            DatasetError: If a metadata file is missing or damaged, or holds fewer episodes.
        """
        records: list[dict[str, Any]] = []
        number = 0
        while len(records) < episodes:
            path = lerobot.episodes_file(folder, number)
            table = read_table(path, MEND_DATASET)
            own = [
                name
                for name in table.column_names
                if name in ("episode_index", "length") or name.startswith(lerobot.EXTRA_PREFIX)
            ]
            rows = table.select(own).to_pylist()
            expected = range(len(records), len(records) + len(rows))
            if not rows or [row["episode_index"] for row in rows] != list(expected):
                raise DatasetError(f"{path} is damaged: its episodes are not {expected}; {MEND_DATASET}")
            records += [{key.removeprefix(lerobot.EXTRA_PREFIX): row[key] for key in row} for row in rows]
            number += 1
        for record in records:
            del record["episode_index"]
        return records[:episodes]


def _read_frames(folder: Path, meta: DatasetHeader, lengths: IntArray) -> dict[str, FloatArray]:
    features = frame_features(meta.naming)
    parts: dict[str, list[FloatArray]] = {name: [] for name in features}
    for number, members in enumerate(lerobot.split_into_files(lengths.tolist())):
        path = lerobot.data_file(folder, number)
        table = read_table(path, MEND_DATASET)
        expected = int(lengths[members.start : members.stop].sum())
        if table.num_rows != expected:
            hint = (
                "an extension of the dataset was interrupted: run the collection again to go on"
                if table.num_rows > expected and (folder / SHARD_FOLDER).exists()
                else MEND_DATASET
            )
            raise DatasetError(f"{path} has {table.num_rows} rows instead of {expected}; {hint}")
        for name, feature in features.items():
            if name not in table.column_names or table.schema.field(name).type != feature.arrow_type:
                found = table.schema.field(name).type if name in table.column_names else "missing"
                raise DatasetError(
                    f"{path}: column {name} is {found}, expected {feature.arrow_type}; {MEND_DATASET}"
                )
            values = _checked(feature.to_numpy(table[name]), name, path, table[name])
            parts[name].append(values)
    frames = {name: np.concatenate(values) for name, values in parts.items()}
    episode = np.repeat(np.arange(len(lengths)), lengths)
    for name, expected_values in (("index", np.arange(len(episode))), ("episode_index", episode)):
        if not np.array_equal(frames[name], expected_values):
            row = int(np.flatnonzero(frames[name] != expected_values)[0])
            raise DatasetError(f"{folder}: {name} is wrong from row {row} on; {MEND_DATASET}")
    return frames


def _checked(values: FloatArray, name: str, path: Path, column: pa.ChunkedArray) -> FloatArray:
    """The values themselves, if all are there and finite."""
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if column.null_count or (name not in MAY_BE_NAN and not finite.all()):
        row = int(np.flatnonzero(~finite)[0]) if not finite.all() else 0
        raise DatasetError(f"{path}: {name} is not finite in row {row}; {MEND_DATASET}")
    return values
