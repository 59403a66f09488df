"""What the rigid arm's controllers reach on plants that they do not know, at 20 Hz and at 500 Hz.

    python benchmarks/rigid_controllers.py [--tasks 100] [--rate 20] [--beyond FACTOR] [--output FILE]

Interior tasks of seed 1000; success and steady error as in docs/evaluation.md. The figures of
docs/decisions/rigid_controllers.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ampc.control.disturbance_observer import NOISY_SENSORS
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.evaluation import measure
from ampc.evaluation.metrics import MetricSettings
from ampc.plants import PlantSettings
from ampc.provenance import save_result
from ampc.robots import load_robot
from ampc.solvers import JointMPCSettings
from ampc.tasks import VARIATIONS, Task, TaskSampler, TaskSettings

SEED, DURATION = 1000, 3.0
OBSERVER = ControllerSettings(kind="mpc-observer")
CONTROLLERS = {
    "nominal": ControllerSettings(),
    "observer": OBSERVER,
    "observer, calmer MPC": replace(OBSERVER, mpc=JointMPCSettings(velocity_weight=3.0)),
    "observer told of noise": replace(OBSERVER, observer=NOISY_SENSORS),
    "observer told of 75 ms, calm MPC": replace(
        OBSERVER,
        mpc=JointMPCSettings(velocity_weight=10.0),
        observer=replace(NOISY_SENSORS, input_delay=0.075),
    ),
    "informed": ControllerSettings(kind="mpc-informed"),
}


def evaluate(setup: EpisodeSetup, tasks: list[Task]) -> dict[str, float]:
    """Success, means of RMSE and steady error [m], and the median time of a step [s]."""
    plant, controller = setup.build()
    found = [
        measure(run_episode(plant, controller, task, DURATION), plant.robot, MetricSettings())
        for task in tasks
    ]
    return {
        "success": float(np.mean([each.success for each in found])),
        "rmse": float(np.mean([each.rmse for each in found])),
        "steady_error": float(np.mean([each.steady_error for each in found])),
        "step_time": float(np.median([each.step_time_p50 for each in found])),
    }


def main() -> None:
    """Run, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--beyond", type=float)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()

    robot, plant = load_robot("rigid-arm"), PlantSettings(control_period=1.0 / arguments.rate)
    tasks = {
        name: TaskSampler(robot, TaskSettings(variation=replace(ranges, beyond=arguments.beyond))).sample(
            arguments.tasks, "interior", SEED
        )
        for name, ranges in VARIATIONS.items()
    }
    cases = [(name, controller) for name in tasks for controller in CONTROLLERS]
    rows = []
    for name, controller in track(cases, "controllers"):
        setup = EpisodeSetup(controller=CONTROLLERS[controller], plant=plant)
        rows.append({"plants": name, "controller": controller, **evaluate(setup, tasks[name])})

    table = Table("plants", "controller", "success", "RMSE [mm]", "steady error [mm]", "step [us]")
    for row in rows:
        figures = (100 * row["success"], 1e3 * row["rmse"], 1e3 * row["steady_error"], 1e6 * row["step_time"])
        table.add_row(row["plants"], row["controller"], *(f"{figure:.2f}" for figure in figures))
    Console().print(table)
    if arguments.output:
        save_result(arguments.output, {"rows": rows, "tasks": arguments.tasks, "rate": arguments.rate})


if __name__ == "__main__":
    main()
