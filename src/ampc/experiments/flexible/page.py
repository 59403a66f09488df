"""A page on one policy of an arm with flexible links: figures, errors, film and torques beside its expert."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ampc.episodes.episode import Episode
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.evaluation.metrics import error_samples, sample_times
from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
from ampc.experiments.flexible.protocol import EVALUATION_SEED, REGIONS
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.experiments.flexible.walls import walled
from ampc.experiments.study import Findings, Row, Value
from ampc.report.data import Column, ErrorCurves, Headline, ReportData, Table, TaskTrace
from ampc.report.html import write_report
from ampc.report.surroundings import drawn_among
from ampc.robots import Robot
from ampc.tasks import Task, WallSettings
from ampc.tasks.flexible import FlexibleRegion

NAMES = (EXPERT, TAUGHT)
COLUMNS = {
    "median at 3 s [mm]": Column("distance at 3 s, median", "mm"),
    "worst at 3 s [mm]": Column("worst", "mm"),
    "within 1 cm at 3 s [%]": Column("within 1 cm", "%", 0),
    "violating episodes [%]": Column("episodes in violation", "%", 0),
}
"""What is shown of the tables of the study."""


def write_page(
    path: Path,
    setups: Mapping[str, FlexibleSetup],
    findings: Findings,
    facts: tuple[tuple[str, str], ...],
    walls: WallSettings | None = None,
) -> Path:
    """Run expert and policy on one task of each region and write the page.

    Args:
        path: File to write.
        setups: Closed loops of expert and policy, by their names in the study.
        findings: Of the study that compares them.
        facts: Names and values for the page's head.
        walls: Walls that are drawn for each task; None for the robot's.
    """
    robot = setups[EXPERT].build_robot()
    loops = {name: setups[name].build() for name in NAMES}
    for name, (_, controller) in loops.items():
        controller.name = name
    tasks = [_task(robot, region, walls) for region in REGIONS]
    episodes = {name: [run_episode(*loop, task, 3.0) for task in tasks] for name, loop in loops.items()}
    (settings,) = {setup.plant for setup in setups.values()}
    steps = {name: np.concatenate([each.step_time[1:] for each in found]) for name, found in episodes.items()}
    data = ReportData(
        title=f"{robot.name}: nonlinear MPC and the network that imitates it",
        summary=(
            "The network was taught by demonstrations of the nonlinear MPC and by its answers in states that"
            " the network itself came to. Both act on what one estimator makes of noisy sensors. Errors over"
            " time are those of one task in each region, film and torques those of the one near the wall."
        ),
        facts=facts,
        expert=EXPERT,
        policy=TAUGHT,
        controllers=NAMES,
        control_period=settings.control_period,
        headlines=_headlines(findings, steps),
        comparison=tuple(_tables(findings)),
        errors=tuple(
            ErrorCurves(
                region,
                sample_times(episodes[EXPERT][k]),
                {name: error_samples(found[k])[None] for name, found in episodes.items()},
            )
            for k, region in enumerate(REGIONS)
        ),
        traces=(_trace(robot, {name: found[-1] for name, found in episodes.items()}),),
        robot=drawn_among(robot, tasks[-1]),
        step_times=steps,
        sections=("comparison", "errors", "video", "torques", "latency"),
    )
    return write_report(data, path)


def _task(robot: Robot, region: FlexibleRegion, walls: WallSettings | None) -> Task:
    """The first task of a region."""
    tasks = FlexibleTasks(region, EVALUATION_SEED, count=1)
    return (tasks if walls is None else walled(tasks, walls)).sample(robot)[0]


def _headlines(findings: Findings, steps: Mapping[str, np.ndarray]) -> tuple[Headline, ...]:
    found = []
    for region in REGIONS:
        rows = {str(row["controller"]): row for row in _rows(findings, "nominal", region)}
        expert, taught = (rows[name]["median at 3 s [mm]"] for name in NAMES)
        label = f"distance at 3 s, {region} goals"
        found.append(Headline(f"{taught:.1f} mm", label, f"expert {expert:.1f} mm"))
    expert_step, step = (float(np.median(steps[name])) for name in NAMES)
    return (
        *found,
        Headline(f"{1e6 * step:.0f} µs", "per control step, median", f"expert {1e6 * expert_step:.0f} µs"),
        Headline(f"{expert_step / step:.0f} x", "faster than its expert"),
    )


def _tables(findings: Findings) -> list[Table]:
    places = list(dict.fromkeys((row["plant"], row["goals"]) for row in findings.tables["accuracy"]))
    return [
        Table(
            f"{plant} plant, {goals} goals",
            (Column("controller"), *COLUMNS.values()),
            tuple(
                (str(row["controller"]), *(_cell(row[name]) for name in COLUMNS))
                for row in _rows(findings, plant, goals)
            ),
        )
        for plant, goals in places
    ]


def _rows(findings: Findings, plant: Value, goals: Value) -> list[Row]:
    """Rows of a plant and a region, accuracy and limits side by side."""
    both: Sequence[tuple[Row, Row]] = list(
        zip(findings.tables["accuracy"], findings.tables["limits"], strict=True)
    )
    return [{**a, **b} for a, b in both if (a["plant"], a["goals"]) == (plant, goals)]


def _cell(value: Value) -> str | float | None:
    return value if value is None or isinstance(value, str) else float(value)


def _trace(robot: Robot, episodes: Mapping[str, Episode]) -> TaskTrace:
    first = next(iter(episodes.values()))
    return TaskTrace(
        title=f"{robot.name}, {first.task.region} goal",
        goal=first.task.goal,
        time=first.time,
        q={name: each.q for name, each in episodes.items()},
        dq={name: each.dq for name, each in episodes.items()},
        end_effector={name: each.end_effector for name, each in episodes.items()},
        torque={name: each.applied_torque for name, each in episodes.items()},
    )
