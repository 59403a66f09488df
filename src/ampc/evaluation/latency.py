"""Time per step of controllers that take turns in one process, so that a busy machine slows all alike."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ampc.arrays import FloatArray
from ampc.errors import DatasetError, SettingsError
from ampc.evaluation.benchmark import Setup
from ampc.evaluation.chunks import write_atomically
from ampc.evaluation.statistics import BootstrapSettings, TaskBootstrap, quantile
from ampc.tasks.task import Task

FILE = "latency.parquet"


@dataclass(frozen=True)
class LatencyFigures:
    """Time per control step of one controller, inverse kinematics at reset not included."""

    controller: str
    """Name of the controller."""
    p50: float
    """Median over all steps [s]."""
    p99: float
    """99th percentile over all steps [s]."""
    max: float
    """Longest step [s]."""
    ratio: float
    """Median step over that of the reference: median over tasks of each task's median step."""
    ratio_low: float
    """Lower end of the ratio's interval."""
    ratio_high: float
    """Upper end of the ratio's interval."""


class Latency:
    """Wall time of every control step by controller, tasks and steps interleaved.

    Attributes:
        step_times: Controller to wall time of `act` (N tasks, T steps) [s].
    """

    def __init__(self, step_times: Mapping[str, FloatArray]) -> None:
        """Wrap measured times; use `measure_latency` or `open`."""
        self.step_times = dict(step_times)

    def save(self, folder: Path) -> None:
        """Write ``latency.parquet``: one row per controller and task."""
        rows = [
            {"controller": name, "step_time": row}
            for name, of_controller in self.step_times.items()
            for row in of_controller
        ]
        schema = pa.schema([("controller", pa.string()), ("step_time", pa.list_(pa.float64()))])
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(pa.Table.from_pylist(rows, schema=schema), folder / FILE)

    @classmethod
    def open(cls, folder: Path) -> "Latency":
        """Read what `save` has written.

        Raises:
            DatasetError: If there is none.
        """
        path = folder / FILE
        if not path.exists():
            raise DatasetError(f"no latency was measured in {folder}: {FILE} is missing")
        times: dict[str, list[FloatArray]] = {}
        for row in pq.read_table(path).to_pylist():
            times.setdefault(row["controller"], []).append(np.asarray(row["step_time"]))
        return cls({name: np.stack(rows) for name, rows in times.items()})

    def figures(self, reference: str, settings: BootstrapSettings | None = None) -> list[LatencyFigures]:
        """Figures of all controllers.

        Args:
            reference: The controller that the ratios are against, usually the expert.
            settings: How the intervals of the ratios are made, by resampling tasks.
        """
        if reference not in self.step_times:
            raise DatasetError(f"no latency of {reference!r}; there is {', '.join(self.step_times)}")
        of_reference = np.median(self.step_times[reference], axis=1)
        bootstrap = TaskBootstrap(len(of_reference), settings or BootstrapSettings())
        figures = []
        for name, times in self.step_times.items():
            p50, p99 = np.quantile(times, (0.5, 0.99))
            ratio = bootstrap.compare(np.median(times, axis=1), of_reference, quantile(0.5), "ratio")
            assert ratio.low is not None
            assert ratio.high is not None
            figures.append(
                LatencyFigures(
                    name, float(p50), float(p99), float(times.max()), ratio.value, ratio.low, ratio.high
                )
            )
        return figures

    def rows(self, reference: str) -> list[dict[str, str | float]]:
        """`figures` as plain rows for tables."""
        return [asdict(figure) for figure in self.figures(reference)]


def measure_latency(setups: Mapping[str, Setup], tasks: Sequence[Task], duration: float = 3.0) -> Latency:
    """Time controllers step by step in turns, each on its own plant, in this process.

    The order of turns rotates with every step, so that none always finds the caches as the same other left
    them. The first task is run once untimed before, to warm up.

    Args:
        setups: Recipe of each controller's loop by name.
        tasks: Tasks to run; all controllers run all of them.
        duration: Length of an episode [s].

    Raises:
        SettingsError: If there are no tasks, or the setups have different control periods.
    """
    loops = {name: setup.build() for name, setup in setups.items()}
    periods = {plant.control_period for plant, _ in loops.values()}
    if len(periods) != 1 or not tasks:
        raise SettingsError(
            f"latency is compared at one control period and on at least one task; got periods"
            f" {sorted(periods)} s and {len(tasks)} tasks"
        )
    n_steps = round(duration / periods.pop())
    step_times: dict[str, list[FloatArray]] = {name: [] for name in loops}
    for i, task in enumerate([tasks[0], *tasks]):
        measurements = {name: plant.reset(task) for name, (plant, _) in loops.items()}
        for _, controller in loops.values():
            controller.reset(task)
        times = {name: np.empty(n_steps) for name in loops}
        order = list(loops)
        for k in range(n_steps):
            for name in order:
                plant, controller = loops[name]
                started = time.perf_counter()
                torque = controller.act(measurements[name])
                times[name][k] = time.perf_counter() - started
                measurements[name] = plant.step(torque)
            order.append(order.pop(0))
        if i > 0:
            for name, of_task in times.items():
                step_times[name].append(of_task)
    return Latency({name: np.stack(rows) for name, rows in step_times.items()})
