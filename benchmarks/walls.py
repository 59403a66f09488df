"""Policies of the flexible arm among walls that they have met in training and walls that they have not.

Episodes of 2 s on the nominal plant of ten segments with the published noise, no filter, on development
tasks: with the robot's wall, and with a wall that is drawn for each task. All policies meet the same tasks
and noise.

    python benchmarks/walls.py FOLDER [FOLDER ...] --output walls.json

A folder is that of a saved policy. One process on one thread.
"""

# Libraries read these when they are first imported.
# ruff: noqa: E402
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from dataclasses import dataclass, replace
from itertools import product
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from ampc.episodes.rollout import run_episode
from ampc.experiments.flexible.motion import measure_motion
from ampc.experiments.flexible.policies import LOOP
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.experiments.flexible.walls import walled
from ampc.provenance import save_result
from ampc.settings import to_dict
from ampc.tasks import Task, WallSettings
from ampc.tasks.flexible import FLEXIBLE_REGIONS

DURATION = 2.0


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    policies: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of saved policies."""
    output: Path
    """File for the results, as JSON."""
    tasks: int = 40
    """Tasks in each set."""
    seed: int = 1003
    """Seed of the tasks: a development one, which no study uses."""
    distance: tuple[float, float] = (0.05, 0.3)
    """Least and largest distance of drawn walls from the axis of joint 1 [m]; all directions."""


def main(settings: Settings) -> None:
    """Run all policies on all sets, print a table, write the figures."""
    drawn = WallSettings(settings.distance, (-pi, pi))
    loops = {path: replace(LOOP, kind="policy", policy=path).build() for path in settings.policies}
    robot = LOOP.build_robot()
    rows = []
    for walls, region in product((None, drawn), FLEXIBLE_REGIONS):
        tasks = FlexibleTasks(region, settings.seed, count=settings.tasks)
        sampled = (tasks if walls is None else walled(tasks, walls)).sample(robot)
        for path, loop in loops.items():
            figures = [_figures(loop, task, robot) for task in sampled]
            row = {"walls": "the robot's" if walls is None else "drawn", "goals": region, "policy": str(path)}
            rows.append(row | _summary(figures))
            print(
                " | ".join(
                    f"{value:.2f}" if isinstance(value, float) else str(value) for value in rows[-1].values()
                )
            )
    save_result(settings.output, {"settings": to_dict(settings), "sets": rows})


def _figures(loop: Any, task: Task, robot: Any) -> dict[str, Any]:
    plant, controller = loop
    return measure_motion(run_episode(plant, controller, task, DURATION), robot)


def _summary(figures: list[dict[str, Any]]) -> dict[str, Any]:
    distance = np.array([each["distance"] for each in figures])
    return {
        "violating episodes": sum(each["violating samples"] > 0 for each in figures),
        "deepest [mm]": 1e3 * max(each["depth"] for each in figures),
        "median at 2 s [mm]": 1e3 * float(np.median(distance)),
        "95th percentile at 2 s [mm]": 1e3 * float(np.percentile(distance, 95)),
        "within 1 cm": int((distance < 0.01).sum()),
    }


if __name__ == "__main__":
    main(tyro.cli(Settings))
