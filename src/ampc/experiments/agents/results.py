"""What studies show of agents besides their distances: budgets and learning curves."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ampc.experiments.cell import Cell, Store
from ampc.experiments.study import Row
from ampc.learning.dagger_settings import DaggerSettings
from ampc.report.studies import Panel, Point, draw_panels


def budget_rows(policies: Mapping[str, Cell], store: Store) -> list[Row]:
    """What each policy was given, and how long it took; demonstrations are counted where they are used."""
    rows: list[Row] = []
    for name, cell in policies.items():
        values = store.values(cell)
        rows.append(
            {
                "policy": name,
                "labels of the expert": _labels_of(cell, store),
                "control steps driven alone": values.get("control steps", 0),
                "one process [min]": store.seconds(cell) / 60.0,
            }
        )
    return rows


def _labels_of(cell: Cell, store: Store) -> int:
    """Labels given: those of demonstrations, of the policy it began with, or at most those of its rounds."""
    values = store.values(cell)
    if "labels" in values:
        return int(values["labels"])
    for name in ("shown", "demonstrations", "taught"):
        if isinstance(given := getattr(cell, name, None), Cell):
            return int(store.values(given)["labels"])
    rounds = getattr(cell, "dagger", None)
    return rounds.labels if isinstance(rounds, DaggerSettings) else 0


@dataclass(frozen=True)
class Judged:
    """A quantity of learning curves."""

    column: str
    """Its name in `training.csv`."""
    factor: float
    """From there to what is drawn."""
    label: str
    """Of the axis, with unit."""
    log: bool
    """Whether the axis is logarithmic."""


DISTANCE = Judged("judged distance", 100.0, "median final distance [cm]", log=True)
COST = Judged("judged reward", -1.0, "mean cost, as rewarded [thousands / s]", log=False)


def draw_curves(agents: Mapping[str, list[Cell]], store: Store, judged: Judged = DISTANCE) -> bytes:
    """What the policy so far comes to against the control steps driven, on tasks for that alone.

    Args:
        agents: Policies that differ by their seed alone, by the name of the method; those that have no curve
            are left out.
        store: Where they are.
        judged: What is drawn.
    """
    series: dict[str, dict[float | str, Point]] = {}
    for name, cells in agents.items():
        places: dict[float, list[float]] = {}
        for cell in cells:
            for row in store.values(cell).get("curve", ()):
                places.setdefault(row["steps"], []).append(judged.factor * row[judged.column])
        if places:
            series[name] = {
                steps: (float(np.mean(found)), min(found), max(found)) for steps, found in places.items()
            }
    return draw_panels([Panel("", series, judged.label, "control steps driven", log_y=judged.log)], 1)
