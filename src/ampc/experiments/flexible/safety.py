"""Study: the predictive safety filter around policies, the expert and controllers that do harm."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from ampc.evaluation.certificate import upper_bound
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
from ampc.experiments.flexible.pictures import (
    BEHIND,
    MARKS,
    Outcome,
    draw_distances,
    draw_trade_off,
)
from ampc.experiments.flexible.protocol import EVALUATION_SEED, PLANTS, REGIONS, Episode, column, of_seeds
from ampc.experiments.flexible.safety_loops import (
    filtered_and_not,
    hostile,
    rigid,
    variants,
)
from ampc.experiments.flexible.safety_trial import FilteredContestant, SafetyTrial
from ampc.experiments.flexible.trial import TRACES, FlexibleTasks
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.report.boxes import CAPTION
from ampc.tasks.flexible import FlexibleRegion

FIRST_TASK = 5000
"""Tasks that no other study has."""
TASKS, EXPERT_TASKS, COUNT, ATTACKED, VARIED, RIGID_TASKS = 100, 50, 1000, 30, 50, 50
"""Episodes: of each policy, of the expert, of the long count, of each hostile controller without filter, of
each filter, of the rigid arm."""
ATTACKS = {"nominal": 300, "softer": 100}
"""Episodes of each hostile controller with filter, by plant."""
CHUNK = 50
ATTACK = 0.6
"""Length of a hostile episode [s]."""
PUBLISHED: tuple[Row, ...] = tuple(
    {"controller": name, "plant": plant, "mean [mm]": mean, "violating samples / episode": samples}
    for name, plant, mean, samples in (
        ("NMPC", "nominal", 46.3, 2.3),
        ("NMPC", "softer", 36.8, 8.2),
        ("DAgger", "nominal", 73.0, 20.7),
        ("DAgger", "softer", 69.8, 40.7),
        ("DAgger + filter", "nominal", 249.0, 2.05),
        ("DAgger + filter", "softer", 229.0, 3.3),
    )
)
"""arXiv 2212.02941, goals near the wall: at the end of at most 1.5 s, samples of the end effector alone."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """Trials by part of the study, plant, region and loop."""
    found: dict[str, Cell] = {}
    loops = filtered_and_not(quick)
    counted = [loop for loop in loops if loop.name == TAUGHT + BEHIND]
    for plant, region in product(PLANTS, REGIONS):
        of_policies = loops if region == "near-wall" or plant == "nominal" else []
        for loop in of_policies:
            count = EXPERT_TASKS if loop.policy is None else TASKS
            found |= _trials("policies", [loop], plant, region, 1 if quick else count, quick)
    for plant in PLANTS:
        found |= _trials("count", counted, plant, "near-wall", 2 if quick else COUNT, quick, first=TASKS)
        attacks = 1 if quick else ATTACKS[plant]
        found |= _trials("hostile", hostile(True), plant, "near-wall", attacks, quick, ATTACK)
        unfiltered = hostile(False) if plant == "nominal" else []
        found |= _trials(
            "unprotected", unfiltered, plant, "near-wall", 1 if quick else ATTACKED, quick, ATTACK
        )
    found |= _trials("filters", variants(quick), "nominal", "near-wall", 1 if quick else VARIED, quick)
    found |= _trials("rigid", rigid(), "nominal", "near-wall", 1 if quick else RIGID_TASKS, quick)
    return found


def _trials(
    part: str,
    loops: Sequence[FilteredContestant],
    plant: str,
    region: FlexibleRegion,
    count: int,
    quick: bool,
    duration: float = 3.0,
    first: int = 0,
) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for loop, begin in product(loops, range(0, count, CHUNK)):
        size = min(CHUNK, count - begin)
        start = FIRST_TASK + first + begin
        tasks = FlexibleTasks(region, EVALUATION_SEED, start, size, PLANTS[plant])
        name = f"{part} | {plant} | {region} | {loop.name} | {start}"
        found[name] = SafetyTrial(tasks, loop, min(duration, 0.4) if quick else duration)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """A table for each part of the study, and the distances and violations of the paper's figures."""
    groups: dict[tuple[str, str, str, str], list[SafetyTrial]] = {}
    for name, cell in cells.items():
        part, plant, region, loop, _ = name.split(" | ")
        assert isinstance(cell, SafetyTrial)
        groups.setdefault((part, plant, region, loop), []).append(cell)
    tables: dict[str, list[Row]] = {}
    for (part, plant, region, loop), trials in groups.items():
        labels: dict[str, Value] = {"plant": plant, "goals": region, "controller": loop}
        tables.setdefault(part, []).append(labels | _figures(trials, store))
    times = {loop: trials for (part, plant, region, loop), trials in groups.items()
             if (part, plant, region) == ("policies", "nominal", "near-wall")}  # fmt: skip
    outcomes = _outcomes(groups, store)
    return Findings(
        {**tables, "times": _times(times, store), "published": PUBLISHED},
        {"distances": draw_distances(outcomes), "trade_off": draw_trade_off(outcomes)},
        NOTES,
    )


def _episodes(trials: Sequence[SafetyTrial], store: Store) -> list[Episode]:
    return [episode for trial in trials for episode in store.values(trial)["episodes"]]


def _figures(trials: Sequence[SafetyTrial], store: Store) -> dict[str, Value]:
    """Distances, violations with the bound on their probability, speeds, and what the filter did."""
    episodes = _episodes(trials, store)
    n, distance = len(episodes), column(episodes, "distance")
    violating = column(episodes, "violating samples")
    speed = column(episodes, "largest speed")
    found: dict[str, Value] = {
        "episodes": n,
        "median [mm]": 1e3 * float(np.median(distance)),
        "mean [mm]": 1e3 * float(distance.mean()),
        "within 1 cm [%]": 100.0 * float((distance < 0.01).mean()),
        "within 5 cm [%]": 100.0 * float((distance < 0.05).mean()),
        "violating episodes": int((violating > 0).sum()),
        "its probability, 95 % bound": upper_bound(int((violating > 0).sum()), n, 0.05),
        "violating samples / episode": float(violating.mean()),
        "depth [mm]": 1e3 * float(column(episodes, "depth").max()),
        "largest speed [% of limit]": 100.0 * float(speed.max()),
        "episodes above 105 % of a speed": int((speed > 1.05).sum()),
        "torque variation [N m]": float(np.median(column(episodes, "torque variation"))),
    }
    names = ("passed", "modified", "backup", "uncertified")
    steps = {name: float(column(episodes, f"{name} steps").sum()) for name in names}
    total = sum(steps.values())
    found |= {f"{name} [%]": 100.0 * count / total if total else None for name, count in steps.items()}
    found["change where modified [N m]"] = float(column(episodes, "mean change").mean()) if total else None
    return found


def _traces(trials: Sequence[SafetyTrial], store: Store, name: str) -> np.ndarray:
    parts = []
    for trial in trials:
        with np.load(store.folder(trial) / TRACES) as file:
            parts.append(file[f"{trial.contestant.name}/{name}"].ravel())
    return np.concatenate(parts).astype(np.float64)


def _times(groups: Mapping[str, Sequence[SafetyTrial]], store: Store) -> list[Row]:
    """Time of the filter, and of a whole step from measurement to torque."""
    rows: list[Row] = []
    expert = float(_traces(groups[EXPERT], store, "step").mean())
    for name, trials in groups.items():
        step, own = (1e3 * _traces(trials, store, each) for each in ("step", "filter"))
        row: dict[str, Value] = {"controller": name}
        for key, values in (("step", step), ("filter", own)):
            shown = {"p50": 50.0, "p99": 99.0, "max": 100.0}
            row |= {
                f"{key} {label} [ms]": float(np.percentile(values, share)) if len(values) else None
                for label, share in shown.items()
            }
            row[f"{key} mean [ms]"] = float(values.mean()) if len(values) else None
        rows.append(row | {"NMPC / this, means": 1e3 * expert / float(step.mean())})
    return rows


def _outcomes(
    groups: Mapping[tuple[str, str, str, str], Sequence[SafetyTrial]], store: Store
) -> dict[tuple[str, str, str], Outcome]:
    """Distances, violations and times of expert and policies, each with and without filter."""
    found = {}
    for (part, plant, region, loop), trials in groups.items():
        if part == "policies":
            episodes = [_episodes(trials, store)]
            distance, violating = (of_seeds(episodes, name) for name in ("distance", "violating samples"))
            found[plant, region, loop] = Outcome(distance, violating, _traces(trials, store, "step"))
    return found


NOTES = (
    "Plant of 10 segments with the published noise; policies, expert and filter believe in 3 segments, have "
    "an estimator each, and adapt the stiffness. Violations are those of end effector and elbow, of wall and "
    "ground, on the true state at all samples. Bounds: exact, one-sided, for a number of episodes that was "
    "fixed before.",
    "policies: episodes of 3 s. count: one policy for long. hostile, unprotected: episodes of 0.6 s with and "
    "without filter. filters: around the policy taught by DAgger and around random torques; the published "
    "form believes in one segment. rigid: the arm without flexible links, its plant the same.",
    f"{CAPTION} {MARKS} Published figures: end effector alone.",
)
STUDY = Study(
    "safety",
    "The safety filter",
    "Does the filter keep any controller from wall, ground and speed limits, and what does that cost in "
    "distance and time?",
    cells,
    findings,
)
