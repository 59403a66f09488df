"""Study: the nonlinear MPC as an expert, on nominal and softer plants, beside the published cost."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from ampc.control.nonlinear_mpc_settings import preset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.film import FILE, Film
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    PLANTS,
    REGIONS,
    accuracy_columns,
    column,
    episodes_of,
    limit_columns,
    time_columns,
    traces_of,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Findings, Row, Study
from ampc.report.studies import Panel, Point, draw_panels

TASKS, CHUNK = 100, 20
CONTESTANTS = (
    Contestant("ours", FlexibleSetup(nmpc=preset("tuned"))),
    Contestant("published cost", FlexibleSetup(nmpc=preset("published"))),
    Contestant("rest to rest", FlexibleSetup(kind="rest")),
)
MPC = CONTESTANTS[:2]
FILM = "film"
PERIOD = 0.004
SHOWN = 25
"""Samples between two points of the bands of the error over time."""
FINE, MOVING = 5, 1.0
"""The same for speeds and torques, and how long the arm mostly moves [s]."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """Trials of each region and plant in parts, and a film."""
    count, chunk = (2, 2) if quick else (TASKS, CHUNK)
    found: dict[str, Cell] = {}
    for (plant, scale), region, first in product(PLANTS.items(), REGIONS, range(0, count, chunk)):
        tasks = FlexibleTasks(region, EVALUATION_SEED, first, chunk, scale)
        found[f"{plant}, {region}, tasks {first} to {first + chunk - 1}"] = FlexibleTrial(tasks, CONTESTANTS)
    found[FILM] = Film(FlexibleTasks("near-wall", EVALUATION_SEED, 0, 1), CONTESTANTS[0])
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Tables by plant, region and controller; bands over time."""
    accuracy: list[Row] = []
    limits: list[Row] = []
    times: list[Row] = []
    for plant, contestant in product(PLANTS, CONTESTANTS):
        for region in ("all", *REGIONS):
            parts = _parts(cells, plant, region)
            episodes = episodes_of(parts, store, contestant.name)
            labels = {"plant": plant, "goals": region, "controller": contestant.name}
            accuracy.append(labels | accuracy_columns(episodes))
            limits.append(labels | limit_columns(episodes))
        parts = _parts(cells, plant, "all")
        solve, step = (traces_of(parts, store, contestant.name, name) for name in ("solve", "step"))
        first = column(episodes_of(parts, store, contestant.name), "first solve")
        times.append({"plant": plant, "controller": contestant.name} | time_columns(solve, step, first))
    film = cells[FILM]
    reason = store.values(film)["reason"]
    films = {} if reason else {"near_wall": (store.folder(film) / FILE).read_bytes()}
    notes = [*NOTES, *([f"There is no film: {reason}."] if reason else [])]
    figures = {"error": _error_bands(cells, store), "limits": _limit_bands(cells, store)}
    return Findings({"accuracy": accuracy, "limits": limits, "times": times}, figures, notes, films)


def _parts(cells: Mapping[str, Cell], plant: str, region: str) -> list[Cell]:
    return [
        cell
        for cell in cells.values()
        if isinstance(cell, FlexibleTrial)
        and cell.tasks.stiffness_scale == PLANTS[plant]
        and region in ("all", cell.tasks.region)
    ]


def _error_bands(cells: Mapping[str, Cell], store: Store) -> bytes:
    """Median of the distance to the goal over time, with the band of the middle 90 % of the tasks."""
    panels = []
    for plant in PLANTS:
        series = {}
        for contestant in CONTESTANTS:
            error = 1e3 * traces_of(_parts(cells, plant, "all"), store, contestant.name, "error")
            series[contestant.name] = _points(np.percentile(error, [50, 5, 95], axis=0).T)
        panels.append(Panel(f"{plant} plant", series, "distance to goal [mm]", "time [s]", log_y=True))
    return draw_panels(panels, 2, share_y=True)


def _limit_bands(cells: Mapping[str, Cell], store: Store) -> bytes:
    """Median over tasks of each motor's speed and torque, with the band up to the largest of all tasks."""
    panels = []
    for contestant, name in product(MPC, ("speed", "torque")):
        share = traces_of(_parts(cells, "nominal", "all"), store, contestant.name, name)
        series: dict[str, dict[float | str, Point]] = {}
        for joint in range(share.shape[2]):
            points: dict[float | str, Point] = {}
            for k in range(0, round(MOVING / PERIOD), FINE):
                # The largest value up to the next point, so that no peak hides between two.
                largest = share[:, k : k + FINE, joint].max(axis=1)
                middle, low, high = (float(value) for value in np.percentile(largest, [50, 5, 100]))
                points[PERIOD * (k + 0.5 * FINE)] = (middle, low, high)
            series[f"joint {joint + 1}"] = points
        label = f"{name} / limit"
        panels.append(Panel(f"{contestant.name}: {name}", series, label, "time [s]", marks={"limit": 1.0}))
    return draw_panels(panels, 2, share_y=True)


def _points(values: Sequence[Sequence[float]] | np.ndarray) -> dict[float | str, Point]:
    return {
        PERIOD * k: (float(values[k][0]), float(values[k][1]), float(values[k][2]))
        for k in range(0, len(values), SHOWN)
    }


NOTES = (
    "Plant of 10 segments with the published measurement noise, estimator and controller on 3 segments; "
    "every episode lasts 3 s and is judged on the plant's true state at all 751 samples. The softer plant "
    "has 0.9 of the Young's modulus that controllers are told; all of them estimate it. `ours` and "
    "`published cost` have the same references, estimator and solver, the latter the weights and limits of "
    "arXiv 2212.02941; `rest to rest` follows a path with a feedback law and optimises nothing in the loop. "
    "Intervals are 95 %, over tasks.",
    "A joint is too fast where it exceeds its limit by more than 2 %. Times are wall times on a machine "
    "that was busy with other cells; `controller` is the whole step with estimator and references. Bands "
    "over time: median and middle 90 % of the tasks for the error; median, 5th percentile and largest of "
    "all tasks for speeds and torques on the nominal plant.",
)
STUDY = Study(
    "expert",
    "The nonlinear MPC as an expert",
    "How close, how safe and how fast is the nonlinear MPC on random and near-wall goals, on the plant that "
    "it is told and on one with a softer material, with the published cost and with ours?",
    cells,
    findings,
)
