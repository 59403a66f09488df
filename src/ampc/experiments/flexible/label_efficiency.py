"""Study: how many labels of the nonlinear MPC a policy needs, and which."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from ampc.evaluation.statistics import BootstrapSettings, Estimate, TaskBootstrap, quantile, success_share
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.label_policies import GuardedPolicy
from ampc.experiments.flexible.pictures import point_of
from ampc.experiments.flexible.policies import DAGGER, LOOP, TRAINING, FlexiblePolicy
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    PLANTS,
    REGIONS,
    first_episodes,
    interval,
    of_seeds,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Budget, Findings, Row, Study, Value
from ampc.report.studies import Panel, Point, draw_panels

SEEDS = 3
COUNTS = (12_500, 25_000, 50_000)
"""Labels in all, those around goals included."""
GOALS_SHARE = DAGGER.goals / DAGGER.labels
"""Share of the labels that are derivatives at rest on goals, where there are any."""
ROUNDS = 4
TASKS = 50
"""Tasks of each region and plant."""
PLAIN, NO_GOALS, DOUBTFUL, SOBOLEV, GUARDED = (
    "plain",
    "without goals",
    "disagreement",
    "Sobolev",
    "through the filter",
)
METHODS = (PLAIN, NO_GOALS, DOUBTFUL, SOBOLEV, GUARDED)
DOUBTFUL_SHARE, DERIVATIVE_SHARE = 0.5, 0.25
"""Of the labels of a round, those asked for by disagreement, and those with a derivative, which takes as long
as six labels."""
MINUTES_OF_A_POLICY = {12_500: 3.0, 25_000: 5.5, 50_000: 10.5}
"""Time of one core to collect and train with so many labels [min]."""
FACTORS = {DOUBTFUL: 1.1, SOBOLEV: 2.2, GUARDED: 1.2}
"""What methods take in that time's place, where they take more."""
MINUTES_OF_THE_TRIALS = 1.5
"""Time of one core to judge a policy on all tasks [min]."""
FULL = Budget(SEEDS)


def policy(method: str, labels: int, seed: int, quick: bool) -> FlexiblePolicy:
    """A policy taught with so many labels in all, by one of the methods."""
    settings = replace(DAGGER, labels=labels, rounds=ROUNDS, goals=round(GOALS_SHARE * labels))
    training, duration = TRAINING, None
    if quick:
        settings = replace(settings, rounds=1, goals=5, demonstration_share=0.6, epochs=2, members=2)
        training, duration = replace(TRAINING, epochs=2), 0.4
    changes: dict[str, Mapping[str, float]] = {
        NO_GOALS: {"goals": 0},
        DOUBTFUL: {"doubtful_share": DOUBTFUL_SHARE},
        SOBOLEV: {"derivative_share": DERIVATIVE_SHARE},
    }
    settings = replace(settings, **changes.get(method, {}))  # type: ignore[arg-type]
    kind = GuardedPolicy if method == GUARDED else FlexiblePolicy
    taught = kind(seed, settings, training)
    return taught if duration is None else replace(taught, duration=duration)


def cells(quick: bool, budget: Budget = FULL) -> Mapping[str, Cell]:
    """Trials of each policy by method, number of labels, seed, plant and region."""
    found: dict[str, Cell] = {}
    seeds = 1 if quick else budget.seeds or SEEDS
    counts, tasks = ((400,), 1) if quick else (COUNTS, TASKS)
    for seed, method, labels in product(range(seeds), METHODS, counts):
        name = f"{method} | {labels} labels | seed {seed}"
        contestant = Contestant(name, LOOP, policy(method, labels, seed, quick))
        for (plant, scale), region in product(PLANTS.items(), REGIONS):
            own = FlexibleTasks(region, EVALUATION_SEED, 0, tasks, scale)
            found[f"{name} | {plant} | {region}"] = FlexibleTrial(own, (contestant,))
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Distances, successes and violations over the number of labels, with intervals over tasks and seeds.

    Where cells are missing, so are their rows; how many seeds a row is of stands in it.
    """
    groups: dict[tuple[str, str, int, str], list[FlexibleTrial]] = {}
    for name, cell in cells.items():
        method, labels, _, plant, region = name.split(" | ")
        assert isinstance(cell, FlexibleTrial)
        groups.setdefault((plant, region, int(labels.split()[0]), method), []).append(cell)
    figures: list[Row] = []
    points: dict[tuple[str, str], dict[str, dict[float | str, Point]]] = {}
    for (plant, region, count, method), trials in sorted(groups.items(), key=_order):
        found = _figures(trials, store)
        used = [store.values(trial.contestants[0].policy)["labels"] for trial in trials]  # type: ignore[arg-type]
        row: dict[str, Value] = {
            "plant": plant, "goals": region, "method": method, "labels": count, "seeds": len(trials),
            "labels used": float(np.mean(used)),
        }  # fmt: skip
        for name, (estimate, scale) in found.items():
            row |= {name: scale * estimate.value, f"interval, {name}": interval(estimate, scale, 1)}
            if plant == next(iter(PLANTS)):
                own = points.setdefault((name, region), {}).setdefault(method, {})
                own[count] = point_of(estimate, scale)
        figures.append(row)
    panels = [
        Panel(f"{region}: {name}", series, name, "labels", log_x=True, log_y="mm" in name)
        for (name, region), series in points.items()
    ]
    return Findings(
        {"figures": figures, "teaching": _teaching(cells, store)}, {"labels": draw_panels(panels, 3)}, NOTES
    )


def _order(group: tuple[tuple[str, str, int, str], Sequence[FlexibleTrial]]) -> tuple[int, int, int, int]:
    plant, region, labels, method = group[0]
    return list(PLANTS).index(plant), list(REGIONS).index(region), METHODS.index(method), labels  # type: ignore[arg-type]


def _figures(trials: Sequence[FlexibleTrial], store: Store) -> dict[str, tuple[Estimate, float]]:
    """What the policies of all seeds have come to, and the factor from SI."""
    seeds = [first_episodes([trial], store) for trial in trials]
    distance = of_seeds(seeds, "distance")
    bootstrap = TaskBootstrap(distance.shape[1], BootstrapSettings())
    within, violating = (
        success_share(each, bootstrap) for each in (distance < 0.01, of_seeds(seeds, "violating samples") > 0)
    )
    return {
        "median distance [mm]": (bootstrap.estimate(distance, quantile(0.5)), 1e3),
        "within 1 cm [%]": (within, 100.0),
        "violating episodes [%]": (violating, 100.0),
    }


def _teaching(cells: Mapping[str, Cell], store: Store) -> list[Row]:
    """What each policy was given, and how long it took."""
    taught: dict[str, Cell] = {}
    for cell in cells.values():
        assert isinstance(cell, FlexibleTrial)
        contestant = cell.contestants[0]
        assert contestant.policy is not None
        taught[contestant.name] = contestant.policy
    return [
        {
            "policy": name.replace(" | ", ", "),
            "labels": store.values(cell)["labels"],
            "one process [min]": store.seconds(cell) / 60.0,
            "validation loss": store.values(cell)["validation loss"],
        }
        for name, cell in taught.items()
    ]


NOTES = (
    "DAgger with four rounds from the nonlinear MPC; all methods have the same number of labels, tasks to "
    "learn on, network and training, and are judged on the same tasks and noise, without a filter. `plain` "
    "asks at every sixth step and spends 2 % of its labels on goals, with the derivative there; `without "
    "goals` has none of these. `disagreement`: half of the labels of a round are asked for where an ensemble "
    "disagrees most. `Sobolev`: a quarter of the labels of a round have the expert's derivative. `through "
    "the filter`: the policy drives behind the safety filter while it is taught.",
    "Distances are those at the end of 3 s. Intervals are 95 %, over tasks and seeds. The figure is of the "
    "nominal plant.",
)


def within(budget: Budget) -> Study:
    """The study with so many seeds; control steps are not counted in it."""
    seeds = budget.seeds or SEEDS
    minutes = sum(
        MINUTES_OF_A_POLICY[labels] * FACTORS.get(method, 1.0) + MINUTES_OF_THE_TRIALS
        for labels, method in product(COUNTS, METHODS)
    )
    return Study(
        "label-efficiency",
        "How many labels of the nonlinear MPC are needed, and which",
        "What do labels around goals, questions where an ensemble disagrees, the expert's derivatives at "
        "visited states, and data collected through the safety filter save?",
        partial(cells, budget=budget),
        findings,
        core_minutes=seeds * minutes,
        within=within,
    )


STUDY = within(FULL)
