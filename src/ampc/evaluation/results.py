"""The episodes of a benchmark, read by controller, region and metric."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ampc.arrays import FloatArray
from ampc.errors import DatasetError
from ampc.evaluation.chunks import write_atomically

EPISODES = "episodes.parquet"
DESCRIPTION = "benchmark.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Part:
    """Where a chunk's file belongs."""

    controller: str
    """Name of the controller."""
    region: str
    """Name of the region."""
    first: int
    """Position of its first task in the region's task set."""
    path: Path
    """The file."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One task as one controller drove it; row k is the state before step k and the torque of that step."""

    task: int
    """Index of the task."""
    goal: FloatArray
    """End-effector goal, world frame (3,) [m]."""
    time: FloatArray
    """Times of the rows (T,) [s]."""
    q: FloatArray
    """True joint positions (T, n) [rad]."""
    dq: FloatArray
    """True joint velocities (T, n) [rad/s]."""
    end_effector: FloatArray
    """True end-effector positions, world frame (T, 3) [m]."""
    torque: FloatArray
    """Torque after the plant's limits (T, m) [N m]."""


class BenchmarkResult:
    """What a benchmark has measured; arrays of one region have their tasks in the same order throughout.

    Attributes:
        controllers: Names, in the order in which they were given.
        regions: Names, in the order in which they were given.
        settings: `BenchmarkSettings` as a dict.
        setups: Every controller's setup as a dict.
    """

    def __init__(self, table: pa.Table, description: dict[str, Any]) -> None:
        """Wrap a table of episodes; use `open`."""
        self.controllers: tuple[str, ...] = tuple(description["controllers"])
        self.regions: tuple[str, ...] = tuple(description["regions"])
        self.settings: dict[str, Any] = description["settings"]
        self.setups: dict[str, Any] = description["setups"]
        self._tables = {
            (controller, region): table.filter(
                (pc.field("controller") == controller) & (pc.field("region") == region)
            )
            for controller in self.controllers
            for region in self.regions
        }

    @classmethod
    def open(cls, folder: Path) -> "BenchmarkResult":
        """Read the result that `Benchmark.run` has written.

        Raises:
            DatasetError: If there is none, or it is of another format version.
        """
        path = folder / DESCRIPTION
        if not path.exists():
            raise DatasetError(f"no finished benchmark in {folder}: {DESCRIPTION} is missing")
        description = json.loads(path.read_text())
        if description["format_version"] != FORMAT_VERSION:
            raise DatasetError(
                f"{path} has format version {description['format_version']}, this package reads"
                f" {FORMAT_VERSION}; run the benchmark again"
            )
        return cls(pq.read_table(folder / EPISODES), description)

    def values(self, controller: str, region: str, metric: str) -> FloatArray:
        """A metric of every task (N,); names and units as in `ampc.evaluation.metrics.EpisodeMetrics`."""
        column = self._of(controller, region).column(metric)
        return np.asarray(column.to_numpy(), dtype=np.float64)

    def errors(self, controller: str, region: str) -> FloatArray:
        """End-effector errors at the T + 1 states of every task (N, T + 1) [m]."""
        return self._matrix(controller, region, "error")

    def step_times(self, controller: str, region: str) -> FloatArray:
        """Wall time of every control step (N, T) [s]; processes contended for the cores."""
        return self._matrix(controller, region, "step_time")

    def time(self, controller: str) -> FloatArray:
        """Times of the states in `errors` (T + 1,) [s]."""
        table = self._of(controller, self.regions[0])
        period: float = table.column("control_period")[0].as_py()
        return np.asarray(period * np.arange(len(table.column("error")[0])), dtype=np.float64)

    def goals(self, region: str) -> FloatArray:
        """End-effector goals of the tasks, world frame (N, 3) [m]."""
        return self._matrix(self.controllers[0], region, "goal")

    def fallback_reasons(self, controller: str, region: str) -> tuple[str, ...]:
        """First reason for a fallback in every task (N,); empty where there was none."""
        return tuple(self._of(controller, region).column("fallback_reason").to_pylist())

    def traces(self, controller: str, region: str) -> tuple[Trace, ...]:
        """The tasks whose states and torques were kept."""
        table = self._of(controller, region)
        rows = table.filter(pc.field("trace_q").is_valid()).to_pylist()
        time = self.time(controller)[:-1]

        def array(row: dict[str, Any], name: str) -> FloatArray:
            return np.asarray(row[f"trace_{name}"]).reshape(len(time), -1)

        return tuple(
            Trace(
                task=row["task"],
                goal=np.asarray(row["goal"]),
                time=time,
                q=array(row, "q"),
                dq=array(row, "dq"),
                end_effector=array(row, "end_effector"),
                torque=array(row, "applied_torque"),
            )
            for row in rows
        )

    def _of(self, controller: str, region: str) -> pa.Table:
        try:
            return self._tables[controller, region]
        except KeyError:
            raise DatasetError(
                f"this benchmark has no {controller!r} in {region!r}; controllers are"
                f" {', '.join(self.controllers)}, regions {', '.join(self.regions)}"
            ) from None

    def _matrix(self, controller: str, region: str, column: str) -> FloatArray:
        values = self._of(controller, region).column(column)
        flat = np.asarray(pc.list_flatten(values).to_numpy(), dtype=np.float64)
        return flat.reshape(len(values), -1)


def merge(
    folder: Path,
    parts: Sequence[Part],
    controllers: tuple[str, ...],
    regions: tuple[str, ...],
    settings: dict[str, Any],
    setups: dict[str, Any],
) -> None:
    """Gather the files of a finished benchmark in one table with its description.

    Args:
        folder: The benchmark's folder.
        parts: All chunk files.
        controllers: Names, in the order of tables and figures.
        regions: Names, in the order of tables and figures.
        settings: `BenchmarkSettings` as a dict.
        setups: Every controller's setup as a dict.
    """

    def rank(part: Part) -> tuple[int, int, int]:
        return controllers.index(part.controller), regions.index(part.region), part.first

    tables = []
    for part in sorted(parts, key=rank):
        table = pq.read_table(part.path)
        for name, value in (("region", part.region), ("controller", part.controller)):
            table = table.add_column(0, name, pa.repeat(pa.scalar(value), len(table)))
        tables.append(table)
    write_atomically(pa.concat_tables(tables), folder / EPISODES)
    description = {
        "format_version": FORMAT_VERSION,
        "controllers": controllers,
        "regions": regions,
        "settings": settings,
        "setups": setups,
    }
    draft = folder / f"{DESCRIPTION}.part"
    draft.write_text(json.dumps(description, indent=2) + "\n")
    draft.replace(folder / DESCRIPTION)
