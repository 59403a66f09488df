"""What one row of a dataset is: columns, their shapes and names, and how an episode becomes rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ampc.arrays import FloatArray
from ampc.episodes.episode import Episode
from ampc.errors import DatasetError
from ampc.settings import to_dict
from ampc.tasks.obstacles import obstacles_to_plain

TASK = "Move the end effector to the goal position."
"""The one task of every episode, in words, as LeRobot asks for."""

INDEX_COLUMNS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""The columns that LeRobot asks for in every dataset, with their types."""

MAY_BE_NAN = {"observation.reference"}
"""Columns that are not finite where a controller works without them."""


@dataclass(frozen=True)
class Feature:
    """One column of a dataset."""

    dtype: str
    """Type of its numbers, such as ``float64``."""
    size: int
    """Numbers in one row."""
    names: tuple[str, ...] | None
    """Name of each number; None for LeRobot's own columns."""

    @property
    def arrow_type(self) -> pa.DataType:
        """Type of the parquet column; LeRobot stores vectors of one number as plain numbers."""
        number = pa.from_numpy_dtype(np.dtype(self.dtype))
        return number if self.size == 1 else pa.list_(number, self.size)

    def to_arrow(self, values: np.ndarray[Any, Any]) -> pa.Array:
        """Column of rows (N, size) or (N,)."""
        flat = pa.array(np.ascontiguousarray(values, dtype=self.dtype).ravel())
        return flat if self.size == 1 else pa.FixedSizeListArray.from_arrays(flat, self.size)

    def to_numpy(self, column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
        """Rows (N, size) of a column; (N,) for LeRobot's own columns."""
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        if self.size > 1:
            array = array.flatten()
        flat: np.ndarray[Any, Any] = array.to_numpy(zero_copy_only=False)
        return flat if self.names is None else flat.reshape(-1, self.size)


@dataclass(frozen=True)
class Naming:
    """Whose numbers the rows of a dataset hold."""

    joints: Sequence[str]
    """Names of the joints of controllers' model (n,)."""
    actuated: Sequence[str]
    """Names of the actuated ones (m,)."""
    true_joints: Sequence[str]
    """Names of the joints of the simulated arm."""
    surroundings: Sequence[str] | None = None
    """Names of what follows positions and velocities of all joints in an estimated state; None where states
    are measured ones of the actuated joints."""
    differentiated: bool = False
    """Whether some actions come with their derivatives by positions and velocities of all joints."""


def frame_features(naming: Naming) -> dict[str, Feature]:
    """Columns of a dataset of an arm, in the order in which they are stored."""

    def numbers(*names: str) -> Feature:
        return Feature("float64", len(names), names)

    def state(of: Sequence[str], *more: str) -> Feature:
        return numbers(*(f"{joint}.position" for joint in of), *(f"{joint}.velocity" for joint in of), *more)

    actuated, surroundings = naming.actuated, naming.surroundings
    features = {
        "observation.state": state(actuated) if surroundings is None else state(naming.joints, *surroundings),
        "observation.reference": numbers(*naming.joints),
        "observation.goal": numbers("x", "y", "z"),
        "observation.end_effector": numbers("x", "y", "z"),
        "state.true": state(naming.true_joints),
        "action": numbers(*actuated),
        "action.applied": numbers(*actuated),
        "torque.corrective": numbers(*actuated),
        "torque.compensation": numbers(*actuated),
        "torque.applied": numbers(*actuated),
    }
    if surroundings is not None:
        features["action.is_label"] = numbers("is_label")
    if naming.differentiated:
        by = [f"{joint}.{kind}" for kind in ("position", "velocity") for joint in naming.joints]
        names = tuple(f"{motor}.by.{each}" for motor in actuated for each in by)
        features["action.derivative"] = Feature("float32", len(names), names)
        features["action.has_derivative"] = numbers("has_derivative")
    return features | {name: Feature(dtype, 1, None) for name, dtype in INDEX_COLUMNS.items()}


def episode_columns(episode: Episode) -> dict[str, FloatArray]:
    """Rows of an episode by column, without LeRobot's own.

    Raises:
        DatasetError: If a value is not finite, or the episode is empty.
    """
    length = len(episode)
    columns = {
        **_observations(episode),
        "observation.end_effector": episode.end_effector,
        "state.true": np.hstack([episode.q, episode.dq]),
        "action": _labels(episode),
        "action.applied": episode.command,
        "torque.corrective": episode.corrective_torque,
        "torque.compensation": episode.compensation_torque,
        "torque.applied": episode.applied_torque,
    }
    if episode.situations is not None:
        columns["action.is_label"] = episode.labelled.astype(np.float64)[:, None]
    if episode.label_derivative is not None:
        flat = episode.label_derivative.reshape(length, -1)
        known = np.isfinite(flat).all(axis=1, keepdims=True) & episode.labelled[:, None]
        columns["action.derivative"] = np.where(known, flat, 0.0)
        columns["action.has_derivative"] = known.astype(np.float64)
    if length == 0:
        raise DatasetError(f"task {episode.task.index} ({episode.task.region}): episode has no steps")
    for name, values in columns.items():
        if name not in MAY_BE_NAN and not np.isfinite(values).all():
            why = f": {episode.fallbacks[0][1]}" if episode.fallbacks else ""
            raise DatasetError(
                f"task {episode.task.index} ({episode.task.region}): {name} is not finite{why}. "
                "Such an episode is not stored; a smaller physics step may mend it"
            )
    return columns


def _observations(episode: Episode) -> dict[str, FloatArray]:
    """What the controller knew, as far as a policy is to know it."""
    length, situations = len(episode), episode.situations
    if situations is None:
        return {
            "observation.state": np.hstack([episode.measured_q, episode.measured_dq]),
            "observation.reference": np.broadcast_to(episode.reference, (length, episode.reference.size)),
            "observation.goal": np.broadcast_to(episode.task.goal, (length, 3)),
        }
    return {
        "observation.state": np.array([situation.state for situation in situations]),
        "observation.reference": np.array([situation.reference for situation in situations]),
        "observation.goal": np.array([situation.goal for situation in situations]),
    }


def _labels(episode: Episode) -> FloatArray:
    """What there is to imitate (T, m); where there is nothing, what was done."""
    if episode.label is None:
        return episode.command
    return np.where(np.isfinite(episode.label), episode.label, episode.command)


def episode_record(episode: Episode) -> dict[str, Any]:
    """What is stored once per episode: its task, and what became of it."""
    task = episode.task
    record = {
        "length": len(episode),
        "region": task.region,
        "task": task.index,
        "seed": task.seed,
        "start": [float(value) for value in task.start],
        "goal": [float(value) for value in task.goal],
        "variation": json.dumps(to_dict(task.variation)),
        "settled_at": episode.settled_at,
        "final_error": float(np.linalg.norm(episode.final_end_effector - task.goal)),
        "torque_saturated": int(episode.torque_saturated.sum()),
        "command_saturated": int(episode.command_saturated.sum()),
        "fallbacks": len(episode.fallbacks),
    }
    if task.obstacles is not None:
        record["obstacles"] = json.dumps(obstacles_to_plain(task))
    return record


def record_types(n_actuated: int, records: Sequence[Mapping[str, Any]]) -> dict[str, pa.DataType]:
    """Types of the columns that `episode_record` fills, without ``length``.

    Args:
        n_actuated: Number of joints with motors m.
        records: What it made; obstacles are a column where tasks have their own.
    """
    types: dict[str, pa.DataType] = {
        "region": pa.string(),
        "task": pa.int64(),
        "seed": pa.int64(),
        "start": pa.list_(pa.float64(), n_actuated),
        "goal": pa.list_(pa.float64(), 3),
        "variation": pa.string(),
        "settled_at": pa.float64(),
        "final_error": pa.float64(),
        "torque_saturated": pa.int64(),
        "command_saturated": pa.int64(),
        "fallbacks": pa.int64(),
    }
    if any("obstacles" in record for record in records):
        types["obstacles"] = pa.string()
    return types
