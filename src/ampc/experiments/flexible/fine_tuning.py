"""Study: reinforcement learning from the distilled policy on, on the expert's own cost."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np

from ampc.episodes.filtered_setup import FilteredSetup
from ampc.evaluation.statistics import BootstrapSettings, TaskBootstrap, mean, quantile, success_share
from ampc.experiments.agents.results import budget_rows, draw_curves
from ampc.experiments.agents.tuned import TunedPolicy
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.cost_trial import CostTrial
from ampc.experiments.flexible.distillation import EXPERT, TAUGHT, policies
from ampc.experiments.flexible.pictures import BEHIND, point_of
from ampc.experiments.flexible.policies import DURATION, teaching
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    PLANTS,
    REGIONS,
    column,
    interval,
    kind_of,
    of_seeds,
)
from ampc.experiments.flexible.rivals import FULL
from ampc.experiments.flexible.safety_trial import FilteredContestant
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.experiments.study import Budget, Findings, Row, Study, Value
from ampc.learning.algorithms import ppo
from ampc.learning.reinforcement.agent_settings import PPOSettings
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.report.studies import Panel, Point, draw_panels

SEEDS = 3
STEPS = 600_000
"""Control steps that each policy drives behind the filter: 1,200 episodes."""
TASKS, CHUNK = 50, 25
PARTS = ("end effector", "joints", "torque", "limits")
TUNED = "tuned"
TUNING = PPOSettings(
    learning_rate=2e-5,
    batch_size=500,
    epochs=5,
    gamma=0.99,
    gae_lambda=0.95,
    first_deviation=0.02,
    critic_rounds=6,
    largest_divergence=0.005,
)
"""Small steps, little noise, which the links would answer, and a critic that knows the policy before it
moves: the first policy to be judged, and the one to beat, is the one that was taught. At 4 ms an action it
looks 0.4 s ahead: limits are broken at once."""
MINUTES_OF_A_MILLION = 25.0
"""Time of one core in which a policy drives and learns a million control steps behind the filter [min]."""
MINUTES_OF_THE_REST = 30.0
"""Time of one core for a seed of DAgger and for all episodes that are judged [min]."""


def tuned(quick: bool, budget: Budget = FULL) -> dict[str, Cell]:
    """Policies that were taught, and what became of them, by name and seed."""
    seeds = range(1 if quick else budget.seeds or SEEDS)
    found: dict[str, Cell] = {}
    for seed in seeds:
        given = policies(quick, (seed,))
        taught = given[TAUGHT if quick else f"{TAUGHT} {seed}"]
        experience = ExperienceSettings(
            budget.steps or STEPS,
            decision_time=0.0,
            reward="expert-cost",
            filtered=True,
            evaluate_every=5,
            evaluation_tasks=48,
            keep_best=True,
        )
        own = TUNING
        if quick:
            experience = ExperienceSettings(
                400, 2, 0.0, "expert-cost", filtered=True, evaluate_every=1, evaluation_tasks=1
            )
            own = PPOSettings(learning_rate=1e-5, batch_size=50, epochs=1, first_deviation=0.02)
        found[f"{TAUGHT} {seed}"] = taught
        lessons = teaching(seed, duration=0.4 if quick else DURATION)
        settings = ppo.Settings(experience, own)
        found[f"{TUNED} {seed}"] = TunedPolicy(lessons, seed, taught=taught, settings=settings)
    return found


def contestants(quick: bool, budget: Budget = FULL) -> list[FilteredContestant]:
    """Expert and policies, each with and without filter."""
    drivers: dict[str, Cell | None] = {EXPERT: None, **tuned(quick, budget)}
    return [
        FilteredContestant(name + (BEHIND if filtered else ""), FilteredSetup(filtered=filtered), cell)
        for name, cell in drivers.items()
        for filtered in (False, True)
    ]


def cells(quick: bool, budget: Budget = FULL) -> Mapping[str, Cell]:
    """Trials of each loop by plant and region, in parts."""
    found: dict[str, Cell] = {}
    count, chunk = (1, 1) if quick else (TASKS, CHUNK)
    for loop, (plant, scale), region in product(contestants(quick, budget), PLANTS.items(), REGIONS):
        for first in range(0, count, chunk):
            tasks = FlexibleTasks(region, EVALUATION_SEED, first, chunk, scale)
            found[f"{loop.name} | {plant} | {region} | from task {first}"] = CostTrial(tasks, loop)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Costs of all loops, relative to the expert's on the same tasks, and where they are less.

    Where cells are missing, so are their rows.
    """
    costs: list[Row] = []
    limits: list[Row] = []
    points: dict[str, dict[str, dict[float | str, Point]]] = {}
    episodes = _episodes(cells, store)
    kinds = list(dict.fromkeys(kind_of(name) for name, *_ in episodes))
    for plant, region, kind in product(PLANTS, REGIONS, kinds):
        here = {name: rows for (name, *where), rows in episodes.items() if where == [plant, region]}
        own, expert = [rows for name, rows in here.items() if kind_of(name) == kind], here.get(EXPERT)
        if not own or expert is None or any(len(rows) != len(expert) for rows in own):
            continue
        labels: dict[str, Value] = {"plant": plant, "goals": region, "controller": kind, "seeds": len(own)}
        rival = here.get(EXPERT + BEHIND, ()) if kind.endswith(BEHIND) else ()
        costs.append(labels | _against(own, expert) | _behind(own, rival))
        limits.append(labels | _limits(own))
        if kind != EXPERT:
            ratio = TaskBootstrap(len(expert), BootstrapSettings()).compare(
                of_seeds(own, "cost"), column(expert, "cost"), mean, "ratio"
            )
            points.setdefault(f"{plant}, {region}", {}).setdefault("", {})[kind] = point_of(ratio, 1.0)
    label = "mean cost / expert's"
    panels = [
        Panel(title, series, label, log_y=True, marks={"expert": 1.0}) for title, series in points.items()
    ]
    learned = _policies_in(cells)
    curves = {TUNED: [cell for name, cell in learned.items() if name.startswith(TUNED)]}
    tables = {"costs": costs, "limits": limits, "budget": budget_rows(learned, store)}
    return Findings(tables, {"costs": draw_panels(panels, 1), "learning": draw_curves(curves, store)}, NOTES)


def _episodes(cells: Mapping[str, Cell], store: Store) -> dict[tuple[str, str, str], list[Row]]:
    """Episodes by contestant, plant and region, in the order of their tasks."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for name, cell in cells.items():
        contestant, plant, region, _ = name.split(" | ")
        found.setdefault((contestant, plant, region), []).extend(store.values(cell)["episodes"])
    return found


def _against(own: Sequence[Sequence[Row]], expert: Sequence[Row]) -> dict[str, Value]:
    """Costs, and ratios to the expert's on the same tasks with their intervals."""
    bootstrap = TaskBootstrap(len(expert), BootstrapSettings())
    found: dict[str, Value] = {"tasks": len(expert)}
    for name, statistic in (("mean", mean), ("median", quantile(0.5))):
        found[f"cost, {name}"] = bootstrap.estimate(of_seeds(own, "cost"), statistic).value
        ratio = bootstrap.compare(of_seeds(own, "cost"), column(expert, "cost"), statistic, "ratio")
        found[f"{name} / expert's"] = ratio.value
        found[f"interval of that of the {name}"] = interval(ratio, 1.0, 3)
    for part in ("on the way", "there"):
        ratio = bootstrap.compare(
            of_seeds(own, f"cost {part}"), column(expert, f"cost {part}"), mean, "ratio"
        )
        found[f"{part}: mean / expert's"] = ratio.value
        found[f"its interval, {part}"] = interval(ratio, 1.0, 3)
    for part in PARTS:
        found[f"of {part}, mean"] = float(of_seeds(own, f"cost of {part}").mean())
    better = success_share(of_seeds(own, "cost") < column(expert, "cost"), bootstrap)
    found["tasks that cost less [%]"] = 100.0 * better.value
    found["interval of the share"] = interval(better, 100.0, 1)
    return found


def _behind(own: Sequence[Sequence[Row]], expert: Sequence[Row]) -> dict[str, Value]:
    """Costs behind the filter, as a ratio to the expert's behind the same one."""
    names = "mean / filtered expert's", "its interval, filtered", "tasks that cost less than filtered [%]"
    if any(len(rows) != len(expert) for rows in own):
        return dict.fromkeys(names)
    bootstrap = TaskBootstrap(len(expert), BootstrapSettings())
    ratio = bootstrap.compare(of_seeds(own, "cost"), column(expert, "cost"), mean, "ratio")
    better = success_share(of_seeds(own, "cost") < column(expert, "cost"), bootstrap)
    return dict(zip(names, (ratio.value, interval(ratio, 1.0, 3), 100.0 * better.value), strict=True))


def _limits(own: Sequence[Sequence[Row]]) -> dict[str, Value]:
    violating = of_seeds(own, "violating samples")
    return {
        "median distance [mm]": 1e3 * float(np.median(of_seeds(own, "distance"))),
        "mean distance [mm]": 1e3 * float(of_seeds(own, "distance").mean()),
        "violating episodes [%]": 100.0 * float((violating > 0).mean()),
        "violating samples / episode": float(violating.mean()),
        "samples too fast / episode": float(of_seeds(own, "fast samples").mean()),
        "fallback steps / episode": float(of_seeds(own, "fallback steps").mean()),
    }


def _policies_in(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for cell in cells.values():
        assert isinstance(cell, CostTrial)
        if cell.contestant.policy is not None:
            found[cell.contestant.name.removesuffix(BEHIND)] = cell.contestant.policy
    return found


NOTES = (
    "The cost is what the nonlinear MPC minimises, per second and integrated over an episode of 3 s, of the "
    "state that its own estimator believes in, the same for all; the first second is the way there. Plant of "
    "10 segments with the published noise; tasks and noise are the same for all. Ratios are those of costs "
    "on the same tasks, with intervals over tasks and seeds: below 1 the expert is surpassed. What is "
    "behind the filter is compared with the expert behind the same filter as well.",
    "Policies were taught by DAgger and tuned by PPO on that cost, behind the safety filter; what each was "
    "given stands in the table `budget`. A tuned policy is also shown without the filter that it learned "
    "with.",
)


def within(budget: Budget) -> Study:
    """The study with so many seeds and steps."""
    seeds, steps = budget.seeds or SEEDS, budget.steps or STEPS
    return Study(
        "fine-tuning",
        "Beyond the expert",
        "Where does a policy that was tuned by reinforcement learning, behind the safety filter, surpass the "
        "expert that it was distilled from, by the expert's own cost?",
        partial(cells, budget=budget),
        findings,
        core_minutes=seeds * (steps * MINUTES_OF_A_MILLION / 1e6 + MINUTES_OF_THE_REST),
        within=within,
    )


STUDY = within(FULL)
