"""Study: all ways to a policy beside each other, from the same 100 demonstrations or by driving alone."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from ampc.arrays import FloatArray
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.evaluation.statistics import (
    BootstrapSettings,
    TaskBootstrap,
    interquartile_mean,
    mean,
    quantile,
)
from ampc.experiments.agents.results import budget_rows, draw_curves
from ampc.experiments.agents.rivals import BEST_NOTE, IMITATING, rivals_study
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible import expert
from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
from ampc.experiments.flexible.pictures import (
    BEHIND,
    MARKS,
    Outcome,
    Outcomes,
    draw_distances,
    draw_trade_off,
    outcome_of,
)
from ampc.experiments.flexible.protocol import EVALUATION_SEED as SEED
from ampc.experiments.flexible.protocol import (
    PLANTS,
    REGIONS,
    Episode,
    first_episodes,
    interval,
    kind_of,
    of_seeds,
    violating_columns,
)
from ampc.experiments.flexible.rival_trial import Filtered, trial_of
from ampc.experiments.flexible.rivals import (
    DRIVING,
    FULL,
    SEEDS,
    STEPS,
    contestants,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Budget, Findings, Row, Value
from ampc.report.boxes import CAPTION

TASKS = 100
MINUTES_OF_A_MILLION = 13.0
"""Time of one core in which an agent drives and learns a million control steps [min]."""
MINUTES_OF_THE_REST = 25.0
"""Time of one core for the demonstrations, DAgger and all episodes that are judged, for each seed [min]."""
PUBLISHED: tuple[Row, ...] = tuple(
    {"controller": name, "random, median [cm]": median, "near wall, mean [cm]": near, "samples": samples}
    for name, median, near, samples in (
        ("NMPC", 0.92, 4.63, 2.3),
        ("DAgger", 5.43, 7.30, 20.7),
        ("DAgger + filter", 6.99, 24.9, 2.05),
        ("SAC", 12.2, 30.2, 64.6),
        ("SAC + filter", 83.6, 76.1, 9.1),
        ("AIRL", 38.2, None, None),
        ("GAIL", 74.4, None, None),
        ("density", 100.9, None, None),
        ("BC", 102.2, None, None),
        ("PPO", 108.3, None, None),
    )
)
"""arXiv 2212.02941, one seed, sampled actions: end of at most 1.5 s; violating end-effector samples in an
episode near the wall."""


def cells(quick: bool, budget: Budget = FULL) -> Mapping[str, Cell]:
    """Trials of each controller by plant and region; the expert's are those of the study `expert`."""
    found: dict[str, Cell] = {}
    loops = contestants(quick, budget)
    if quick:
        loops = [Contestant(EXPERT, FlexibleSetup()), *loops]
    else:
        plants = {scale: plant for plant, scale in PLANTS.items()}
        shared = [cell for cell in expert.cells(quick).values() if isinstance(cell, FlexibleTrial)]
        for cell in shared:
            region, first = cell.tasks.region, cell.tasks.first
            found[f"{EXPERT} | {plants[cell.tasks.stiffness_scale]} | {region} | from task {first}"] = cell
    for contestant, (plant, scale), region in product(loops, PLANTS.items(), REGIONS):
        tasks = FlexibleTasks(region, SEED, 0, 1 if quick else TASKS, scale)
        found[f"{contestant.name} | {plant} | {region} | from task 0"] = trial_of(tasks, contestant)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Tables by plant, region and controller, over all seeds; the pictures of the paper and learning curves.

    Where cells are missing, so are their rows; what a row is of stands in it.
    """
    trials = _trials(cells)
    kinds = list(dict.fromkeys(kind_of(name) for *_, name in trials))
    accuracy: list[Row] = []
    limits: list[Row] = []
    outcomes: dict[tuple[str, str, str], Outcome] = {}
    for plant, region, kind in product(PLANTS, REGIONS, kinds):
        here = (plant, region, kind)
        own = [parts for (*of, name), parts in trials.items() if (*of, kind_of(name)) == here]
        if not own:
            continue
        seeds = [first_episodes(parts, store) for parts in own]
        outcome = outcomes[here] = outcome_of(own, store)
        labels: dict[str, Value] = {"plant": plant, "goals": region, "controller": kind, "seeds": len(own)}
        bootstrap = TaskBootstrap(outcome.distance.shape[1], BootstrapSettings())
        early: dict[str, Value] = {
            "median at 1.5 s [cm]": 100.0 * float(np.median(of_seeds(seeds, "distance 1.5 s")))
        }
        accuracy.append(labels | _distance_columns(outcome.distance, bootstrap) | early)
        limits.append(labels | _limit_columns(seeds))
    learned = _agents_in(cells)
    agents_of: dict[str, list[Cell]] = {}
    for name, cell in learned.items():
        agents_of.setdefault(kind_of(name), []).append(cell)
    tables: dict[str, Sequence[Row]] = {
        "accuracy": accuracy,
        "limits": limits,
        "ratios": _ratios(outcomes, kinds),
        "budget": budget_rows(learned, store),
        "published": PUBLISHED,
    }
    figures = {
        "distances": draw_distances(outcomes, "cm"),
        "trade_off": draw_trade_off(outcomes, "cm"),
        "learning": draw_curves(agents_of, store),
    }
    return Findings(tables, figures, NOTES)


def _trials(cells: Mapping[str, Cell]) -> dict[tuple[str, str, str], list[FlexibleTrial]]:
    """Trials by plant, region and contestant, in the order of their tasks."""
    found: dict[tuple[str, str, str], list[FlexibleTrial]] = {}
    for name, cell in cells.items():
        assert isinstance(cell, FlexibleTrial)
        contestant, plant, region, _ = name.split(" | ")
        found.setdefault((plant, region, contestant), []).append(cell)
    return found


def _distance_columns(distance: FloatArray, bootstrap: TaskBootstrap) -> dict[str, Value]:
    found: dict[str, Value] = {"tasks": distance.shape[1]}
    for name, statistic in (("median", quantile(0.5)), ("interquartile mean", interquartile_mean)):
        estimate = bootstrap.estimate(distance, statistic)
        found[f"{name} [cm]"] = 100.0 * estimate.value
        found[f"interval of the {name}"] = interval(estimate, 100.0)
    found["mean [cm]"] = 100.0 * float(distance.mean())
    found["worst [cm]"] = 100.0 * float(distance.max())
    within = bootstrap.estimate((distance < 0.01).astype(np.float64), mean)
    found["within 1 cm [%]"] = 100.0 * within.value
    return found


def _limit_columns(seeds: Sequence[Sequence[Episode]]) -> dict[str, Value]:
    return violating_columns(*seeds) | {
        "depth [mm]": 1e3 * float(of_seeds(seeds, "depth").max()),
        "samples too fast / episode": float(of_seeds(seeds, "fast samples").mean()),
        "fallback steps / episode": float(of_seeds(seeds, "fallback steps").mean()),
    }


def _ratios(outcomes: Outcomes, kinds: Sequence[str]) -> list[Row]:
    """DAgger's median distance over that of each other policy that learns."""
    rows: list[Row] = []
    for plant, region, kind in product(PLANTS, REGIONS, kinds):
        if kind in (EXPERT, TAUGHT) or kind.endswith(BEHIND):
            continue
        if (plant, region, TAUGHT) not in outcomes or (plant, region, kind) not in outcomes:
            continue
        own, other = (outcomes[plant, region, name].distance for name in (TAUGHT, kind))
        bootstrap = TaskBootstrap(own.shape[1], BootstrapSettings())
        ratio = bootstrap.compare(own, other, quantile(0.5), "ratio")
        labels: dict[str, Value] = {"plant": plant, "goals": region, "rival": kind}
        rows.append(labels | {"DAgger / rival": ratio.value, "its interval": interval(ratio, 1.0, 3)})
    return rows


def _agents_in(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for cell in cells.values():
        assert isinstance(cell, FlexibleTrial)
        contestant = cell.contestants[0]
        if contestant.policy is not None and not isinstance(contestant, Filtered):
            found[contestant.name] = contestant.policy
    return found


NOTES = (
    "Plant of 10 segments with the published noise. All policies see the same: the estimate of 3 segments, "
    "the reference, the goal and the obstacles; all have the same estimator, way to the goal and safe stops "
    "around them, and act without exploration. Tasks and noise are the same for all; distances are those at "
    "the end of 3 s. GAIL, AIRL, density and BC imitate the same 100 demonstrations.",
    "Agents learn and drive with actions that are held for 20 ms, BC and DAgger decide every 4 ms. What each "
    "was given stands in the table `budget`: it is to be read beside the distances; published agents had "
    f"{STEPS:,} control steps. Those that imitate by driving get half as many as those that are rewarded for "
    f"the distance: their curves are flat long before. {BEST_NOTE} Intervals are over tasks and seeds.",
    f"{CAPTION} {MARKS} Agents decide at every fifth step.",
    "Published figures are of one seed, of sampled actions, at most 1.5 s, and of end-effector samples "
    "alone.",
)


STUDY = rivals_study(
    "How do imitation by driving (GAIL, AIRL, density) and reinforcement learning (SAC, PPO) compare "
    "with behaviour cloning and DAgger, without and with the safety filter?",
    cells,
    findings,
    lambda seeds, steps: (
        seeds * (len(IMITATING | DRIVING) * steps * MINUTES_OF_A_MILLION / 1e6 + MINUTES_OF_THE_REST)
    ),
    (len(SEEDS), STEPS),
)
