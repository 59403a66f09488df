"""One episode from the command line: the arm's own controller, its figures, a film of it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ampc.cli.options import Simulate
from ampc.cli.walls import DrawnWalls
from ampc.episodes.episode import Episode
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.held_setup import HeldSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerKind, ControllerSettings, EpisodeSetup, RobotSettings
from ampc.errors import SettingsError, UnreachableGoalError
from ampc.evaluation import measure
from ampc.evaluation.metrics import MetricSettings, error_samples, sample_times
from ampc.plants import PUBLISHED_NOISE
from ampc.robots import Robot, load_robot
from ampc.tasks import Task, TaskSampler, among, task_for_goal
from ampc.tasks.flexible import FlexibleTaskSampler, FlexibleTaskSettings

KINDS = (".mp4", ".png", ".html")


def simulate(options: Simulate, console: Console) -> int:
    """Run an episode, print what happened, write the film."""
    if options.out is not None and options.out.suffix not in KINDS:
        raise SettingsError(
            f"--out {options.out}: give a file that ends in .mp4 (film), .png (last state) or .html (page)"
        )
    if options.task < 0:
        raise SettingsError(f"--task {options.task}: sampled tasks are counted from 0")
    if options.duration < (least := MetricSettings().success_window):
        raise SettingsError(
            f"--duration {options.duration:g}: give at least {least:g} s, the end of the episode in which the"
            " distance from the goal is judged"
        )
    model = load_robot(options.robot, options.end_effector)
    flexible = model.n_actuated < model.n_joints
    if options.plant is not None and not flexible:
        raise SettingsError(
            f"--plant {options.plant}: only an arm with flexible links can have another arm as its plant;"
            f" {model.name} has a motor at every joint"
        )
    if options.walls != DrawnWalls() and not flexible:
        raise SettingsError(
            f"--walls: only tasks of arms with flexible links have walls of their own; {model.name} has a"
            " motor at every joint"
        )
    if options.controller is not None and not flexible:
        raise SettingsError(
            f"--controller {options.controller}: only arms with flexible links have a choice;"
            f" {model.name} is driven by the expert MPC"
        )
    if options.controller is not None and options.policy is not None:
        raise SettingsError("--controller and --policy: only one can drive the arm")
    setup: EpisodeSetup | FlexibleSetup
    if flexible:
        setup = HeldSetup(
            RobotSettings(options.robot),
            RobotSettings(options.plant or finer(options.robot)),
            kind="policy" if options.policy else options.controller or "nmpc",
            policy=options.policy,
        )
    else:
        kind: ControllerKind = "policy" if options.policy else "mpc"
        setup = EpisodeSetup(
            RobotSettings(options.robot, options.end_effector),
            ControllerSettings(kind, policy=options.policy),
        )
    plant, controller = setup.build()
    task = _task(options, model if options.goal else plant.robot, flexible)
    episode = run_episode(plant, controller, task, options.duration)
    _print(episode, plant.robot, console)
    if options.out is not None:
        _show(episode, plant.robot, options.out, console)
    return int(any(row == len(episode) - 1 for row, _ in episode.fallbacks))


def finer(source: str) -> str:
    """The built-in arm with ten segments as plant of the built-in model; any other model is its own plant."""
    return "flexible-arm-10" if source == "flexible-arm" else source


def _task(options: Simulate, robot: Robot, flexible: bool) -> Task:
    walled = FlexibleTaskSettings(walls=options.walls.settings)
    sampler: Any = FlexibleTaskSampler(robot, walled) if flexible else TaskSampler(robot)
    task: Task = sampler.sample(1, options.region or ("random" if flexible else "interior"), 0, options.task)[
        0
    ]
    if options.goal is not None:
        goal = np.array(options.goal)
        try:
            asked = task_for_goal(among(robot, task), goal, task.start, task.seed)
            task = dataclasses.replace(asked, obstacles=task.obstacles)
        except UnreachableGoalError:
            if not flexible:
                raise
            # There is no witness; the controller is to show what it does about that.
            task = dataclasses.replace(task, region="user", goal=goal, witness=task.start)
    noise = PUBLISHED_NOISE if flexible and options.noise else task.variation
    variation = dataclasses.replace(noise, stiffness_scale=options.stiffness_scale, payload=options.payload)
    return dataclasses.replace(task, variation=variation)


def _print(episode: Episode, robot: Robot, console: Console) -> None:
    metrics = measure(episode, robot, MetricSettings())
    time, error = sample_times(episode), error_samples(episode)
    table = Table(show_header=False, box=None)
    table.add_row("controller", episode.controller)
    table.add_row("goal", "(" + ", ".join(f"{value:.3f}" for value in episode.task.goal) + ") m")
    for at in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        if at <= time[-1] + 1e-9:
            table.add_row(f"distance at {at:.1f} s", f"{1000 * np.interp(at, time, error):.2f} mm")
    table.add_row("within 10 mm at the end", "yes" if metrics.success else "no")
    table.add_row("torque at its limit", f"{100 * metrics.torque_saturation:.1f} % of the steps")
    table.add_row("speed limits exceeded", f"{metrics.velocity_violations} samples")
    table.add_row(
        "time per step",
        f"{1e6 * metrics.step_time_p50:.0f} µs median, {1e6 * metrics.step_time_max:.0f} µs longest",
    )
    table.add_row("fallbacks", str(metrics.fallback_steps))
    console.print(table)
    first_rows = {reason: row for row, reason in reversed(episode.fallbacks)}
    for reason, row in sorted(first_rows.items(), key=lambda item: item[1])[:3]:
        console.print(f"[yellow]at {episode.time[row]:.3f} s:[/] {reason}", highlight=False)


def _show(episode: Episode, robot: Robot, path: Path, console: Console) -> None:
    from ampc.report.episode import show_episode
    from ampc.report.video import HOW_TO_INSTALL, RenderingUnavailableError

    try:
        console.print(show_episode(episode, robot, path), soft_wrap=True)
    except RenderingUnavailableError as error:
        console.print(f"[yellow]no picture:[/] {error}. {HOW_TO_INSTALL}")
