"""Environment steps per second for 1 to 1024 arms: the bare plants, and what is around them.

Forms, flexible arm: ``plant``, the arms alone (`ManyArms`); ``vector``, the same through Gymnasium;
``sync``, Gymnasium's `SyncVectorEnv` over single environments, the peer; ``agents``, what the algorithms of
`ampc train` drive, with the estimator and the way to the goal of a deployed policy for every arm. All forms
take turns in the same process, with actions of the same size. A call moves all arms on; wall time. Resets are
left out and timed on their own. ``share left`` is the plants' time in that of the form.

    OMP_NUM_THREADS=1 python benchmarks/environments.py [--profile] [--output FILE]
"""

import cProfile
import os
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import tyro

import ampc.environments  # noqa: F401 - registers the environments
from ampc.environments import PUBLISHED_TASKS
from ampc.environments.flexible_loops import FlexibleLoops
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.plants import ManyArms
from ampc.provenance import save_result
from ampc.robots import load_robot
from ampc.tasks import FlexibleTaskSampler

FLEXIBLE, RIGID = "ampc/FlexibleArm-v0", "ampc/RigidArm-v0"
TURNS, BETWEEN_RESETS, HELD = 10, 500, 5
Row = dict[str, str | float | None]


@dataclass(frozen=True)
class Options:
    """What to measure."""

    counts: tuple[int, ...] = (1, 8, 64, 1024)
    """Numbers of arms."""
    arm_steps: int = 20_000
    """Control steps of single arms in each measurement, at least 50 calls."""
    largest_single: int = 64
    """Up to how many arms forms that treat arms one by one are timed as well; more only repeat the figure."""
    profile: bool = False
    """Say where the time of the largest vector environment goes."""
    output: Path | None = None
    """File to write the figures to as JSON."""


@dataclass(frozen=True)
class Form:
    """Arms to be timed."""

    name: str
    """Name in the table."""
    reset: Callable[[int], object]
    """Start episodes of a seed on all arms."""
    step: Callable[[int], object]
    """Move all arms on for one control period; the number of the call chooses the actions."""
    close: Callable[[], object]
    """Free what they hold."""


def main(options: Options) -> None:
    """Measure, print, and write the figures if asked to."""
    rows: list[Row] = []
    print(f"{os.cpu_count()} cores; milliseconds of wall time a call")
    print(
        f"{'environment':24}{'form':>8}{'arms':>6}{'p50':>9}{'p99':>9}{'max':>9}{'arm steps/s':>13}"
        f"{'share left':>12}{'reset/arm':>11}"
    )
    for count in options.counts:
        forms = [plants(count), through_gymnasium(FLEXIBLE, "vector", count)]
        if count <= options.largest_single:
            forms += [agents(count), through_gymnasium(FLEXIBLE, "sync", count)]
        rows += measure(FLEXIBLE, count, forms, options)
    rows += measure(RIGID, 1, [through_gymnasium(RIGID, "sync", 1)], options)
    if options.profile:
        profile(max(options.counts))
    if options.output is not None:
        save_result(options.output, {"unit": "ms", "cores": os.cpu_count(), "rows": rows})


def measure(environment: str, count: int, forms: list[Form], options: Options) -> list[Row]:
    """Time the steps and the reset of ``count`` arms in all forms."""
    calls = max(50, options.arm_steps // count)
    resets = {}
    for form in forms:
        started = time.perf_counter()
        form.reset(0)
        resets[form.name] = time.perf_counter() - started
        for number in range(5):
            form.step(number)
    durations = {form.name: np.empty(calls) for form in forms}
    for turn in np.array_split(np.arange(calls), TURNS):
        for form in forms:
            for number in turn.tolist():
                if number % BETWEEN_RESETS == BETWEEN_RESETS - 1:
                    form.reset(number)
                start = time.perf_counter_ns()
                form.step(number)
                durations[form.name][number] = (time.perf_counter_ns() - start) / 1e6
    rows: list[Row] = []
    for form in forms:
        form.close()
        spent = durations[form.name]
        p50, p99 = np.percentile(spent, [50, 99])
        bare = durations.get("plant")
        rows.append(
            {
                "environment": environment,
                "form": form.name,
                "arms": count,
                "p50": float(p50),
                "p99": float(p99),
                "max": float(spent.max()),
                "arm_steps_per_second": float(1e3 * count / spent.mean()),
                "share_left": None if bare is None else float(bare.mean() / spent.mean()),
                "reset_per_arm": 1e3 * resets[form.name] / count,
            }
        )
        show(rows[-1])
    return rows


def through_gymnasium(name: str, form: str, count: int) -> Form:
    """Gymnasium's environments, vectorised here or by Gymnasium."""
    if form == "vector":
        env = gymnasium.make_vec(name, num_envs=count, max_episode_steps=10**9)
    else:
        env = gymnasium.vector.SyncVectorEnv(
            [lambda: gymnasium.make(name, max_episode_steps=10**9, disable_env_checker=True)] * count
        )
    env.action_space.seed(0)
    actions = [0.1 * env.action_space.sample() for _ in range(100)]
    return Form(
        form, lambda seed: env.reset(seed=seed), lambda number: env.step(actions[number % 100]), env.close
    )


def plants(count: int) -> Form:
    """The plants alone."""
    robot = load_robot("flexible-arm-10")
    arms, sampler = ManyArms(robot, count), FlexibleTaskSampler(robot, PUBLISHED_TASKS)
    torques = 0.1 * robot.torque_limits[:, 1] * np.random.default_rng(0).uniform(-1, 1, (100, count, 3))
    return Form(
        "plant",
        lambda seed: arms.reset(sampler.sample(count, "random", seed)),
        lambda number: arms.step(torques[number % 100]),
        arms.close,
    )


def agents(count: int) -> Form:
    """What agents drive; new actions at every fifth control step."""
    loops = FlexibleLoops(FlexibleSetup(), count)
    sampler = FlexibleTaskSampler(loops.robot, PUBLISHED_TASKS)
    limit = loops.robot.torque_limits[:, 1]
    commands = 0.1 * limit * np.random.default_rng(0).uniform(-1, 1, (100, count, 3))
    return Form(
        "agents",
        lambda seed: loops.begin(sampler.sample(count, "random", seed)),
        lambda number: loops.step(commands[number // HELD % 100]),
        loops.close,
    )


def profile(count: int) -> None:
    """Print the functions in which the vector environment spends its time."""
    form = through_gymnasium(FLEXIBLE, "vector", count)
    form.reset(0)
    profiler = cProfile.Profile()
    profiler.enable()
    for number in range(max(20, 20_000 // count)):
        form.step(number)
    profiler.disable()
    form.close()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


def show(row: Row) -> None:
    """Print one row of the table."""
    share = "" if row["share_left"] is None else f"{100 * row['share_left']:.0f} %"
    print(
        f"{row['environment']:24}{row['form']:>8}{row['arms']:6}{row['p50']:9.3f}{row['p99']:9.3f}"
        f"{row['max']:9.3f}{row['arm_steps_per_second']:13.0f}{share:>12}{row['reset_per_arm']:11.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
