"""Study: how many segments the controller's model needs, Table II of arXiv 2212.02941."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.nonlinear_mpc_settings import preset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.evaluation.statistics import BootstrapSettings, TaskBootstrap, mean
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    REGIONS,
    accuracy_columns,
    column,
    episodes_of,
    interval,
    limit_columns,
    traces_of,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.report.studies import Panel, Point, draw_panels

SEGMENTS = (0, 1, 2, 3, 5, 10)
REFERENCE = 2
TASKS, CHUNK = 20, 5
SLOW, SLOW_TASKS = 10, 5
"""The slowest model, and the number of tasks that it gets of each region."""
PUBLISHED = {3: (1.008, 0.955, 1.653, 1.589), 5: (1.026, 0.974, 2.950, 2.940)}
"""d, t, mean and maximum time relative to 2 segments, by number of segments."""


def name_of(n_seg: int) -> str:
    """Name of a contestant."""
    return f"{n_seg} segments"


def setup_of(n_seg: int) -> FlexibleSetup:
    """Our controller on a model, with the integrator that this needs."""
    settings = preset("tuned")
    if n_seg > 5:
        grid = replace(settings.problem.grid, scheme="radau")
        settings = replace(settings, problem=replace(settings.problem, grid=grid))
    return FlexibleSetup(RobotSettings(f"flexible-arm-{n_seg}"), nmpc=settings)


def cells(quick: bool) -> Mapping[str, Cell]:
    """Trials of all models on the same tasks; the slowest takes part in the first ones only."""
    count, chunk, slow = (1, 1, 1) if quick else (TASKS, CHUNK, SLOW_TASKS)
    found: dict[str, Cell] = {}
    for region in REGIONS:
        for first in range(0, count, chunk):
            contestants = tuple(
                Contestant(name_of(n_seg), setup_of(n_seg))
                for n_seg in SEGMENTS
                if n_seg != SLOW or first < slow
            )
            tasks = FlexibleTasks(region, EVALUATION_SEED, first, chunk)
            found[f"{region}, tasks {first} to {first + chunk - 1}"] = FlexibleTrial(tasks, contestants)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Table II, accuracy and safety of each model."""
    relative: list[Row] = []
    absolute: list[Row] = []
    for n_seg in SEGMENTS:
        parts = _parts(cells, n_seg)
        episodes = episodes_of(parts, store, name_of(n_seg))
        reference = episodes_of(parts, store, name_of(REFERENCE))
        row: dict[str, Value] = {"segments": n_seg, "tasks": len(episodes)}
        arrived = np.isfinite(column(episodes, "t 5 cm")) & np.isfinite(column(reference, "t 5 cm"))
        row["both arrive [%]"] = 100.0 * float(arrived.mean())
        for metric in ("d", "t"):
            ours, theirs = (column(each, f"{metric} 5 cm")[arrived] for each in (episodes, reference))
            row[f"{metric} / {REFERENCE} segments"] = None
            row[f"{metric} interval"] = ""
            if arrived.any():
                some = TaskBootstrap(int(arrived.sum()), BootstrapSettings())
                ratio = some.compare(ours, theirs, mean, "ratio")
                row[f"{metric} / {REFERENCE} segments"] = ratio.value
                row[f"{metric} interval"] = interval(ratio, 1.0, 3)
        solve, other = (traces_of(parts, store, name_of(each), "solve") for each in (n_seg, REFERENCE))
        row["mean time / 2 segments"] = float(solve.mean() / other.mean())
        row["max time / 2 segments"] = float(solve.max() / other.max())
        published: tuple[float | None, ...] = PUBLISHED.get(n_seg, (None,) * 4)
        for label, value in zip(("d", "t", "mean time", "max time"), published, strict=True):
            row[f"published {label}"] = value
        relative.append(row)
        absolute.append(
            {"segments": n_seg}
            | accuracy_columns(episodes)
            | limit_columns(episodes)
            | {
                "t 5 cm, mean [s]": _mean_of_finite(column(episodes, "t 5 cm")),
                "d 5 cm, mean [m]": _mean_of_finite(column(episodes, "d 5 cm")),
                "solver mean [ms]": 1e3 * float(solve.mean()),
                "solver p50 [ms]": 1e3 * float(np.median(solve)),
                "solver p99 [ms]": 1e3 * float(np.percentile(solve, 99)),
                "solver max [ms]": 1e3 * float(solve.max()),
            }
        )
    return Findings({"table_2": relative, "models": absolute}, {"models": _figure(cells, store)}, NOTES)


def _parts(cells: Mapping[str, Cell], n_seg: int) -> list[Cell]:
    return [
        cell
        for cell in cells.values()
        if isinstance(cell, FlexibleTrial) and any(c.name == name_of(n_seg) for c in cell.contestants)
    ]


def _mean_of_finite(values: FloatArray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _figure(cells: Mapping[str, Cell], store: Store) -> bytes:
    """Distance at the end and time of a step over the number of segments."""
    distance: dict[float | str, Point] = {}
    time: dict[float | str, Point] = {}
    for n_seg in SEGMENTS:
        parts = _parts(cells, n_seg)
        final = 1e3 * column(episodes_of(parts, store, name_of(n_seg)), "distance")
        solve = 1e3 * traces_of(parts, store, name_of(n_seg), "solve")
        for series, values, ends in ((distance, final, (50, 5, 95)), (time, solve, (50, 1, 99))):
            middle, low, high = (float(value) for value in np.percentile(values, ends))
            series[str(n_seg)] = (middle, low, high)
    return draw_panels(
        [
            Panel("", {"": distance}, "distance at 3 s [mm]", "segments", log_y=True),
            Panel("", {"": time}, "solver's time in a step [ms]", "segments", log_y=True),
        ],
        2,
    )


NOTES = (
    "Plant of 10 segments with the published noise, our settings; estimator and controller on the model "
    "with the given number of segments. t is the time from which the end effector stays within 5 cm of "
    "its goal, d the length of its path until then; both are means over the tasks on which this model and "
    f"that of {REFERENCE} segments arrive. Tasks are the same for all models, which take turns on each; "
    f"the model of {SLOW} segments gets the first {SLOW_TASKS} of each region only, and is compared on "
    "these. Times are of the solver alone, without the first step of an episode. Published: 0 and 1 "
    "segments unstable, 10 too slow.",
    "Bars in the figure: 5th to 95th percentile of the tasks, 1st to 99th of the steps.",
)
STUDY = Study(
    "models",
    "Segments of the controller's model",
    "How many segments per link does the controller's model need, and what do they cost (Table II)?",
    cells,
    findings,
)
