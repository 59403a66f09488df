"""What the studies of the arm with flexible links have in common: tasks, seeds, tables of trials.

Controllers are tuned on tasks with the seeds 1000 to 1999; the seed here is used for nothing but evaluation.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.evaluation.statistics import (
    BootstrapSettings,
    Estimate,
    TaskBootstrap,
    quantile,
    success_share,
)
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.trial import TRACES, FlexibleTrial
from ampc.experiments.study import Value
from ampc.tasks.flexible import FLEXIBLE_REGIONS

EVALUATION_SEED = 20473
"""Seed of the tasks that controllers are judged on."""
PLANTS = {"nominal": 1.0, "softer": 0.9}
"""Young's modulus of the plants, relative to what controllers are told."""
REGIONS = FLEXIBLE_REGIONS
_MEDIAN, _P95 = quantile(0.5), quantile(0.95)

Episode = Mapping[str, Any]


def episodes_of(cells: Sequence[Cell], store: Store, contestant: str) -> list[Episode]:
    """Figures of a contestant's episodes in several trials, in the order of the trials."""
    found = []
    for cell in cells:
        found += [each for each in store.values(cell)["episodes"] if each["contestant"] == contestant]
    return found


def first_episodes(trials: Sequence[FlexibleTrial], store: Store) -> list[Episode]:
    """Figures of the first contestants' episodes in several trials."""
    return [each for trial in trials for each in episodes_of([trial], store, trial.contestants[0].name)]


def kind_of(name: str) -> str:
    """The controller that a contestant is one seed of: ``SAC + filter`` of ``SAC 1 + filter``."""
    return re.sub(r" \d+(?= \+|$)", "", name)


def traces_of(cells: Sequence[Cell], store: Store, contestant: str, name: str) -> FloatArray:
    """One of `trial.TRACES` over time, such as ``error``, of all episodes (episodes, T, ...)."""
    parts = []
    for cell in cells:
        assert isinstance(cell, FlexibleTrial)
        with np.load(store.folder(cell) / TRACES) as file:
            parts.append(file[f"{contestant}/{name}"])
    return np.concatenate(parts).astype(np.float64)


def column(episodes: Sequence[Episode], name: str) -> FloatArray:
    """A figure of all episodes; infinite where it has none."""
    return np.array([np.inf if each[name] is None else float(each[name]) for each in episodes])


def of_seeds(seeds: Sequence[Sequence[Episode]], name: str) -> FloatArray:
    """A figure of all episodes of several seeds on the same tasks (S, N)."""
    return np.array([column(episodes, name) for episodes in seeds])


def interval(estimate: Estimate, scale: float = 1.0, digits: int = 2) -> str:
    """An interval as text; infinite ends as such."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{scale * estimate.low:.{digits}f} to {scale * estimate.high:.{digits}f}"


def accuracy_columns(*seeds: Sequence[Episode]) -> dict[str, Value]:
    """Distances at 1.5 and 3 s and shares of tasks that arrive, with intervals over tasks and seeds.

    Of several seeds, quantiles are means over the seeds of each one's quantile, the worst is that of all.
    """
    bootstrap = TaskBootstrap(len(seeds[0]), BootstrapSettings())
    found: dict[str, Value] = {"tasks": len(seeds[0])}
    for at in ("1.5 s", "3 s"):
        distance = of_seeds(seeds, f"distance {at}")
        estimate = bootstrap.estimate(distance, _MEDIAN)
        found[f"median at {at} [mm]"] = 1e3 * estimate.value
        found[f"its interval, {at}"] = interval(estimate, 1e3)
        found[f"p95 at {at} [mm]"] = 1e3 * float(_P95(distance).mean())
        found[f"worst at {at} [mm]"] = 1e3 * float(distance.max())
        arrived = success_share(distance < 0.01, bootstrap)
        found[f"within 1 cm at {at} [%]"] = 100.0 * arrived.value
        found[f"share's interval, {at}"] = interval(arrived, 100.0, 1)
    settled = success_share(of_seeds(seeds, "settled") > 0.5, bootstrap)
    found["within 1 cm for 0.3 s [%]"] = 100.0 * settled.value
    return found


def violating_columns(*seeds: Sequence[Episode]) -> dict[str, Value]:
    """Share of the episodes in which a point enters an obstacle, intervals as in `accuracy_columns`."""
    samples = of_seeds(seeds, "violating samples")
    share = success_share(samples > 0, TaskBootstrap(samples.shape[1], BootstrapSettings()))
    return {
        "violating episodes [%]": 100.0 * share.value,
        "its interval [%]": interval(share, 100.0, 1),
        "violating samples / episode": float(samples.mean()),
    }


def limit_columns(episodes: Sequence[Episode]) -> dict[str, Value]:
    """Violations of obstacles and of speed limits, and effort."""
    samples = column(episodes, "violating samples")
    fast = column(episodes, "fast samples")
    found: dict[str, Value] = {
        "violating episodes": int((samples > 0).sum()),
        "violating samples": int(samples.sum()),
        "depth [mm]": 1e3 * float(column(episodes, "depth").max()),
    }
    for key in episodes[0]:
        if " in " in key and not key.endswith("depth"):
            found[key] = int(column(episodes, key).sum())
    found["episodes too fast"] = int((fast > 0).sum())
    found["samples too fast"] = int(fast.sum())
    found["largest speed [% of limit]"] = 100.0 * float(column(episodes, "largest speed").max())
    found["torque variation [N m]"] = float(np.median(column(episodes, "torque variation")))
    found["steps with torque at limit [%]"] = 100.0 * float(column(episodes, "torque at limit").mean())
    found["fallback steps"] = int(column(episodes, "fallback steps").sum())
    return found


def time_columns(solve: FloatArray, step: FloatArray, first: FloatArray) -> dict[str, Value]:
    """Percentiles of the solver's and of the whole controller's time in steps after the first."""
    found: dict[str, Value] = {}
    for name, values in (("solver", solve), ("controller", step)):
        p50, p99, most = np.percentile(1e3 * values, [50.0, 99.0, 100.0])
        found |= {f"{name} p50 [ms]": float(p50), f"{name} p99 [ms]": float(p99)}
        found[f"{name} max [ms]"] = float(most)
        found[f"{name} above 4 ms [%]"] = 100.0 * float((values > 4e-3).mean())
    found["first solve, median [ms]"] = 1e3 * float(np.median(first))
    return found
