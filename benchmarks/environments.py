"""Environment steps per second: single environments beside the vector form, for 1 to 1024 arms.

The peer is Gymnasium's `SyncVectorEnv` over the single environment, in the same process and with the same
actions. A step is one call of `step`, in which all arms move one control period; wall time. Resets are left
out and timed on their own.

    OMP_NUM_THREADS=1 python benchmarks/environments.py [--output FILE]
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import tyro

import ampc.environments  # noqa: F401 - registers the environments
from ampc.arrays import FloatArray
from ampc.provenance import save_result

FLEXIBLE, RIGID = "ampc/FlexibleArm-v0", "ampc/RigidArm-v0"


@dataclass(frozen=True)
class Options:
    """What to measure."""

    counts: tuple[int, ...] = (1, 8, 64, 1024)
    """Numbers of arms."""
    arm_steps: int = 20_000
    """Control steps of single arms in each measurement, at least 50 calls."""
    largest_sync: int = 64
    """Up to how many arms single environments are timed as well; more only repeat the figure."""
    output: Path | None = None
    """File to write the figures to as JSON."""


def main(options: Options) -> None:
    """Measure, print, and write the figures if asked to."""
    rows = []
    print(f"{os.cpu_count()} cores; milliseconds of wall time a call")
    print(
        f"{'environment':24}{'form':>8}{'arms':>6}{'p50':>9}{'p99':>9}{'max':>9}{'arm steps/s':>13}"
        f"{'reset/arm':>11}"
    )
    for count in options.counts:
        forms = ["vector", "sync"] if count <= options.largest_sync else ["vector"]
        for form in forms:
            rows.append(measure(FLEXIBLE, form, count, options))
            show(rows[-1])
    rows.append(measure(RIGID, "sync", 1, options))
    show(rows[-1])
    if options.output is not None:
        figures = {"unit": "ms", "cores": os.cpu_count(), "rows": rows}
        save_result(options.output, figures)


def measure(name: str, form: str, count: int, options: Options) -> dict[str, str | float]:
    """Time the steps and the reset of ``count`` arms."""
    if form == "vector":
        env = gymnasium.make_vec(name, num_envs=count, max_episode_steps=10**9)
    else:
        env = gymnasium.vector.SyncVectorEnv(
            [lambda: gymnasium.make(name, max_episode_steps=10**9, disable_env_checker=True)] * count
        )
    env.action_space.seed(0)
    started = time.perf_counter()
    env.reset(seed=0)
    reset = time.perf_counter() - started
    calls = max(50, options.arm_steps // count)
    actions = [0.1 * env.action_space.sample() for _ in range(min(calls, 100))]
    for action in actions[:5]:
        env.step(action)
    durations: FloatArray = np.empty(calls)
    for i in range(calls):
        if i % 500 == 499:
            env.reset(seed=i)
        start = time.perf_counter_ns()
        env.step(actions[i % len(actions)])
        durations[i] = (time.perf_counter_ns() - start) / 1e6
    env.close()
    p50, p99 = np.percentile(durations, [50, 99])
    return {
        "environment": name,
        "form": form,
        "arms": count,
        "p50": float(p50),
        "p99": float(p99),
        "max": float(durations.max()),
        "arm_steps_per_second": float(1e3 * count / durations.mean()),
        "reset_per_arm": 1e3 * reset / count,
    }


def show(row: dict[str, str | float]) -> None:
    """Print one row of the table."""
    print(
        f"{row['environment']:24}{row['form']:>8}{row['arms']:6}"
        f"{row['p50']:9.3f}{row['p99']:9.3f}{row['max']:9.3f}{row['arm_steps_per_second']:13.0f}{row['reset_per_arm']:11.3f}"
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
