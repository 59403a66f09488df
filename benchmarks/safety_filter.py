"""Time of control steps near the wall: the policy behind the safety filter, alone, and the nonlinear MPC.

Each loop drives the plant of ten segments to the same goals, with its own estimator, one episode of each in
turn in one process on one thread. A step is all from measurement to torque; the first of an episode, which
chooses the way to the goal, is left out. ``filter`` is the filter's part of a step.

    python benchmarks/safety_filter.py [--tasks N] --output results/flexible/safety_filter.json
"""

# Libraries read these when they are first imported.
# ruff: noqa: E402
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.control.safety_filter import SafetyFilter
from ampc.episodes.filtered_setup import FilteredSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.provenance import save_result
from ampc.tasks.flexible import FlexibleTaskSampler

EXPERT, TAUGHT, GUARDED = "NMPC", "policy", "policy + filter"
MEDIAN, TAIL, RATIO = 0.12, 1.5, 8.0
"""Figures to reach: the filter's median and p99 at most [ms], and the NMPC's mean step over that of policy
and filter at least."""


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    policy: Path = Path("results/flexible/distillation/policy")
    """Folder of the policy."""
    tasks: int = 20
    """Goals near the wall."""
    seed: int = 1750
    """Of the tasks."""
    duration: float = 3.0
    """Length of an episode [s]."""
    output: Path | None = None
    """JSON file."""


def main(settings: Settings) -> None:
    """Measure, print, and save."""
    taught = FlexibleSetup(kind="policy", policy=settings.policy)
    loops: dict[str, FlexibleSetup | FilteredSetup] = {
        EXPERT: FlexibleSetup(),
        TAUGHT: taught,
        GUARDED: FilteredSetup(taught),
    }
    built = {name: setup.build() for name, setup in loops.items()}
    sampler = FlexibleTaskSampler(built[EXPERT][0].robot)
    steps: dict[str, list[FloatArray]] = {name: [] for name in loops}
    filtering: list[FloatArray] = []
    for task in sampler.sample(settings.tasks, "near-wall", settings.seed):
        for name, (plant, controller) in built.items():
            steps[name].append(run_episode(plant, controller, task, settings.duration).step_time[1:])
            if isinstance(controller, SafetyFilter):
                filtering.append(np.array([step.seconds for step in controller.history[1:]]))
    rows = [_row(name, np.concatenate(each)) for name, each in (steps | {"filter": filtering}).items()]
    means = {str(row["what"]): float(row["mean"]) for row in rows}
    ratio = means[EXPERT] / means[GUARDED]
    for row in rows:
        print(
            "  ".join(
                f"{value:>16.4f}" if isinstance(value, float) else f"{value:>16}" for value in row.values()
            )
        )
    part = rows[-1]
    print(f"filter p50 {part['p50']:.3f} ms (at most {MEDIAN}), p99 {part['p99']:.2f} ms (at most {TAIL})")
    print(f"NMPC over policy and filter, means: {ratio:.1f} (at least {RATIO})")
    if settings.output is not None:
        save_result(
            settings.output, {"unit": "ms", "tasks": settings.tasks, "rows": rows, "ratio of means": ratio}
        )


def _row(name: str, seconds: FloatArray) -> dict[str, str | float]:
    milliseconds = 1e3 * seconds
    p50, p99 = np.percentile(milliseconds, [50.0, 99.0])
    return {
        "what": name,
        "p50": float(p50),
        "p99": float(p99),
        "max": float(milliseconds.max()),
        "mean": float(milliseconds.mean()),
    }


if __name__ == "__main__":
    main(tyro.cli(Settings))
