"""Pictures of the flexible arm's studies as in the paper: distances as boxes; distance, violations, time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ampc.arrays import FloatArray
from ampc.evaluation.statistics import BootstrapSettings, Estimate, TaskBootstrap, quantile, success_share
from ampc.experiments.cell import Store
from ampc.experiments.flexible.protocol import first_episodes, of_seeds, traces_of
from ampc.experiments.flexible.trial import FlexibleTrial
from ampc.report.boxes import BoxPanel, draw_boxes
from ampc.report.canvas import Point
from ampc.report.scatter import Spot, draw_scatter

PERIOD = 0.004
"""Time between measurements [s]."""
BEHIND = " + filter"
"""Ends the name of a controller behind the safety filter."""
UNITS = {"mm": 1e3, "cm": 1e2}
MARKS = (
    "Marks: median distance and share of episodes with a violation, bars their 95 % intervals over tasks, "
    "and over seeds where there are several; median time of a step, the bar up to the 99th percentile."
)
"""What a picture of `draw_trade_off` shows."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Episodes of a controller on one plant, goals in one region; of several seeds on the same tasks."""

    distance: FloatArray
    """Distance at the end (S, N) [m]."""
    violating: FloatArray
    """Samples inside an obstacle (S, N)."""
    step: FloatArray
    """Times of control steps, in any order [s]."""


Outcomes = Mapping[tuple[str, str, str], Outcome]
"""By plant, region and controller."""


def outcome_of(seeds: Sequence[Sequence[FlexibleTrial]], store: Store) -> Outcome:
    """Read the first contestants' episodes; trials of each seed in the order of the tasks."""
    episodes = [first_episodes(trials, store) for trials in seeds]
    steps = [
        traces_of([trial], store, trial.contestants[0].name, "step").ravel()
        for trials in seeds
        for trial in trials
    ]
    return Outcome(
        of_seeds(episodes, "distance"), of_seeds(episodes, "violating samples"), np.concatenate(steps)
    )


def draw_distances(
    outcomes: Outcomes, unit: Literal["mm", "cm"] = "mm", rows: Literal["controller", "plant"] = "controller"
) -> bytes:
    """Boxes of the distances at the end, a panel for each region, with controllers or plants as rows."""
    regions: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for (plant, region, controller), outcome in outcomes.items():
        color, row = (plant, controller) if rows == "controller" else (controller, plant)
        regions.setdefault(region, {}).setdefault(color, {})[row] = UNITS[unit] * outcome.distance.ravel()
    label, marks = f"distance at the end [{unit}]", {"1 cm": 0.01 * UNITS[unit]}
    return draw_boxes([BoxPanel(f"goals: {region}", own, label, marks) for region, own in regions.items()])


def draw_trade_off(outcomes: Outcomes, unit: Literal["mm", "cm"] = "mm", region: str = "near-wall") -> bytes:
    """Violations against distance and against time, a mark for each controller and plant."""
    spots = [
        _spot(plant, controller, outcome, UNITS[unit])
        for (plant, where, controller), outcome in outcomes.items()
        if where == region
    ]
    names = {spot.method for spot in spots}
    hollow = {name: name.removesuffix(BEHIND) for name in names if name.endswith(BEHIND)}
    return draw_scatter(spots, f"median distance at the end [{unit}]", PERIOD, f"goals: {region}", hollow)


def _spot(plant: str, controller: str, outcome: Outcome, scale: float) -> Spot:
    bootstrap = TaskBootstrap(outcome.distance.shape[1], BootstrapSettings())
    median, slow = np.percentile(1e6 * outcome.step, (50.0, 99.0)).tolist()
    return Spot(
        method=controller,
        condition=plant,
        distance=point_of(bootstrap.estimate(outcome.distance, quantile(0.5)), scale),
        violations=point_of(success_share(outcome.violating > 0, bootstrap), 100.0),
        time=(median, median, slow),
    )


def point_of(estimate: Estimate, scale: float) -> Point:
    """An estimate in another unit; one without an interval has one of no length."""
    low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
    return scale * estimate.value, scale * low, scale * high
