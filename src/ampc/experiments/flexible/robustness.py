"""Study: policies and their expert on plants that they were not told of."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.distillation import EXPERT, taught, violating_columns
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    REGIONS,
    accuracy_columns,
    column,
    episodes_of,
    traces_of,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.report.studies import Panel, Point, draw_panels

SEEDS = (0, 1, 2)
"""Of the policies."""
TASKS = 50
FIRST_TASK = 2000
"""Tasks that no other study has."""
CONDITIONS: dict[str, dict[str, float]] = {
    "nominal": {},
    "10 % softer": {"stiffness_scale": 0.9},
    "20 % softer": {"stiffness_scale": 0.8},
    "20 % stiffer": {"stiffness_scale": 1.2},
    "twice the noise": {"noise": 2.0},
    "50 g payload": {"payload": 0.05},
}
"""Plants by name; of these only the first two are like those of the training."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """A trial of each controller on each plant, in each region."""
    count = 1 if quick else TASKS
    plants = list(CONDITIONS)[:2] if quick else list(CONDITIONS)
    found: dict[str, Cell] = {}
    contestants = [Contestant(EXPERT, FlexibleSetup()), *taught(quick, SEEDS)]
    for contestant, plant, region in product(contestants, plants, REGIONS):
        tasks = FlexibleTasks(region, EVALUATION_SEED, FIRST_TASK, count, **CONDITIONS[plant])
        found[f"{contestant.name} | {plant} | {region}"] = FlexibleTrial(tasks, (contestant,))
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """A table by plant and controller, and distance, violations and time beside each other."""
    names = list(dict.fromkeys(name.split(" | ")[0] for name in cells))
    plants = list(dict.fromkeys(name.split(" | ")[1] for name in cells))
    rows: list[Row] = []
    distance, violations, time = ({name: dict[float | str, Point]() for name in names} for _ in range(3))
    for plant, name in product(plants, names):
        for region in ("all", *REGIONS):
            parts = _parts(cells, name, plant, region)
            episodes = episodes_of(parts, store, name)
            labels: dict[str, Value] = {"plant": plant, "goals": region, "controller": name}
            rows.append(labels | accuracy_columns(episodes) | violating_columns(episodes))
        parts = _parts(cells, name, plant, "all")
        episodes, step = episodes_of(parts, store, name), traces_of(parts, store, name, "step")
        distance[name][plant] = _point(1e3 * column(episodes, "distance 3 s"))
        share = 100.0 * float((column(episodes, "violating samples") > 0).mean())
        violations[name][plant] = (share, share, share)
        time[name][plant] = _point(1e6 * step.ravel())
    figure = draw_panels(
        [
            Panel("", distance, "distance at 3 s [mm]", log_y=True),
            Panel("", violations, "violating episodes [%]"),
            Panel("", time, "time of a step [us]", log_y=True),
        ],
        1,
    )
    return Findings({"robustness": rows}, {"robustness": figure}, NOTES)


def _parts(cells: Mapping[str, Cell], name: str, plant: str, region: str) -> Sequence[Cell]:
    def fits(key: str) -> bool:
        parts = key.split(" | ")
        return parts[:2] == [name, plant] and region in ("all", parts[2])

    return [cell for key, cell in cells.items() if fits(key)]


def _point(values: np.ndarray) -> Point:
    """Median and middle 90 %."""
    middle, low, high = (float(value) for value in np.percentile(values, [50, 5, 95]))
    return middle, low, high


NOTES = (
    "Controllers and policies are those of the study `distillation`, three seeds of each; they are told the "
    "nominal plant with the published noise in every case, and their estimator adapts the stiffness. "
    "Policies have learned on 0.85 to 1.1 of the nominal stiffness, without payload and with the published "
    "noise. Bars: 5th to 95th percentile of the tasks, and of the steps.",
)
STUDY = Study(
    "robustness",
    "Plants that nobody was told of",
    "What becomes of accuracy, violations and time where links are softer or stiffer, sensors worse, or the "
    "arm carries something?",
    cells,
    findings,
)
