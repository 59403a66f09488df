"""Study: the nonlinear MPC as a network, by behaviour cloning and by DAgger."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible import expert
from ampc.experiments.flexible.pictures import (
    MARKS,
    Outcome,
    draw_distances,
    draw_trade_off,
    outcome_of,
)
from ampc.experiments.flexible.policies import CLONING, DAGGER, LOOP, TRAINING, FlexiblePolicy
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    PLANTS,
    REGIONS,
    Episode,
    accuracy_columns,
    column,
    episodes_of,
    first_episodes,
    kind_of,
    limit_columns,
    of_seeds,
    time_columns,
    traces_of,
    violating_columns,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.report.boxes import CAPTION

SEEDS = (0, 1, 2)
TASKS = 100
MANY, MANY_CHUNK = 1000, 250
"""Tasks near the wall on which one policy is counted for long."""
EXPERT, CLONED, TAUGHT = "NMPC", "BC", "DAgger"
PUBLISHED: tuple[Row, ...] = (
    {"controller": "NMPC", "random, median [mm]": 9.2, "near wall, mean [mm]": 46.3, "samples": 2.3},
    {"controller": "DAgger", "random, median [mm]": 54.3, "near wall, mean [mm]": 73.0, "samples": 20.7},
    {"controller": "BC", "random, median [mm]": 1022.0, "near wall, mean [mm]": None, "samples": None},
)
"""arXiv 2212.02941: end of at most 1.5 s; violating end-effector samples in an episode near the wall."""


def policies(quick: bool, seeds: Sequence[int] = SEEDS) -> dict[str, FlexiblePolicy]:
    """Policies by name: algorithm and seed."""
    if quick:
        duration, training = 0.4, replace(TRAINING, epochs=3)
        cloning = replace(CLONING, labels=400)
        taught = replace(DAGGER, rounds=1, labels=400, demonstration_share=0.6, goals=5, epochs=3)
        return {
            name: FlexiblePolicy(0, dagger, training, duration=duration)
            for name, dagger in ((CLONED, cloning), (TAUGHT, taught))
        }
    names = {(CLONED, CLONING): seeds, (TAUGHT, DAGGER): seeds}
    return {
        f"{name} {seed}": FlexiblePolicy(seed, dagger)
        for (name, dagger), own in names.items()
        for seed in own
    }


def taught(quick: bool, seeds: Sequence[int] = SEEDS) -> list[Contestant]:
    """All policies."""
    return [Contestant(name, LOOP, cell) for name, cell in policies(quick, seeds).items()]


def cells(quick: bool) -> Mapping[str, Cell]:
    """Trials of each controller by plant and region, and the long count near the wall."""
    found: dict[str, Cell] = {}
    if quick:
        found |= trials([Contestant(EXPERT, FlexibleSetup())], 1, 1)
    else:  # those of the study `expert`, which are kept
        shared = expert.cells(quick).items()
        found |= {f"{EXPERT}, {name}": cell for name, cell in shared if isinstance(cell, FlexibleTrial)}
    found |= trials(taught(quick), 1 if quick else TASKS, TASKS)
    if not quick:
        one = next(each for each in taught(quick) if each.name.startswith(TAUGHT))
        for (plant, scale), first in product(PLANTS.items(), range(TASKS, TASKS + MANY, MANY_CHUNK)):
            tasks = FlexibleTasks("near-wall", EVALUATION_SEED, first, MANY_CHUNK, scale)
            found[f"count, {plant}, from task {first}"] = FlexibleTrial(tasks, (one,))
    return found


def trials(contestants: Sequence[Contestant], count: int, chunk: int) -> dict[str, Cell]:
    """Trials of each controller by plant and region, those of the expert in parts."""
    found: dict[str, Cell] = {}
    for contestant, (plant, scale), region in product(contestants, PLANTS.items(), REGIONS):
        # A policy's episodes take a tenth of the time of the expert's.
        size = chunk if contestant.policy is None else count
        for first in range(0, count, size):
            tasks = FlexibleTasks(region, EVALUATION_SEED, first, size, scale)
            name = f"{contestant.name}, {plant}, {region}, from task {first}"
            found[name] = FlexibleTrial(tasks, (contestant,))
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Tables by plant, region and controller, of all seeds and of each; the pictures of the paper."""
    groups = _groups(cells)
    overview: list[Row] = []
    outcomes: dict[tuple[str, str, str], Outcome] = {}
    for here in dict.fromkeys((plant, region, kind_of(name)) for plant, region, name in groups):
        seeds = [trials for (*of, name), trials in groups.items() if (*of, kind_of(name)) == here]
        labels: dict[str, Value] = dict(zip(("plant", "goals", "controller"), here, strict=True))
        overview.append(
            labels | {"seeds": len(seeds)} | _overview([first_episodes(each, store) for each in seeds])
        )
        outcomes[here] = outcome_of(seeds, store)
    accuracy: list[Row] = []
    limits: list[Row] = []
    for (plant, region, name), trials in groups.items():
        episodes = first_episodes(trials, store)
        labels = {"plant": plant, "goals": region, "controller": name}
        accuracy.append(labels | accuracy_columns(episodes) | _mean_and_share(episodes))
        limits.append(labels | violating_columns(episodes) | limit_columns(episodes))
    tables: dict[str, Sequence[Row]] = {
        "overview": overview,
        "accuracy": accuracy,
        "limits": limits,
        "times": _times(groups, store),
        "policies": _policies(groups, store),
        "published": PUBLISHED,
    }
    if counted := _count(cells, store):
        tables["count"] = counted
    figures = {"distances": draw_distances(outcomes), "trade_off": draw_trade_off(outcomes)}
    return Findings(tables, figures, NOTES)


def _groups(cells: Mapping[str, Cell]) -> dict[tuple[str, str, str], list[FlexibleTrial]]:
    """Trials by plant, region and controller, in the order of their tasks."""
    names = list(dict.fromkeys(map(_label, _trials(cells))))
    found = {
        (plant, region, name): [
            trial
            for trial in _trials(cells)
            if _label(trial) == name and (trial.tasks.region, trial.tasks.stiffness_scale) == (region, scale)
        ]
        for (plant, scale), region, name in product(PLANTS.items(), REGIONS, names)
    }
    return {key: trials for key, trials in found.items() if trials}


def _trials(cells: Mapping[str, Cell]) -> list[FlexibleTrial]:
    return [cell for name, cell in cells.items() if isinstance(cell, FlexibleTrial) and name[:5] != "count"]


def _label(trial: FlexibleTrial) -> str:
    """Name in tables of the controller that a trial is of, the first one."""
    name = trial.contestants[0].name
    return EXPERT if name == expert.CONTESTANTS[0].name else name


def _overview(seeds: Sequence[Sequence[Episode]]) -> dict[str, Value]:
    """What matters most, of all seeds together."""
    figures = accuracy_columns(*seeds)
    shown = [name for name in figures if name == "tasks" or ("3 s" in name and "worst" not in name)]
    return {name: figures[name] for name in shown} | _mean_and_share(*seeds) | violating_columns(*seeds)


def _mean_and_share(*seeds: Sequence[Episode]) -> dict[str, Value]:
    distance = of_seeds(seeds, "distance 3 s")
    return {
        "mean at 3 s [mm]": 1e3 * float(distance.mean()),
        "within 5 cm at 3 s [%]": 100.0 * float((distance < 0.05).mean()),
    }


def _times(groups: Mapping[tuple[str, str, str], Sequence[FlexibleTrial]], store: Store) -> list[Row]:
    """Time of a step from the measurement to the torque, near the wall on the nominal plant."""
    rows: list[Row] = []
    median: dict[str, float] = {}
    for (plant, region, name), trials in groups.items():
        if (plant, region) != ("nominal", "near-wall"):
            continue
        own = trials[0].contestants[0].name
        step, solve = (traces_of(trials, store, own, each) for each in ("step", "solve"))
        first = column(first_episodes(trials, store), "first solve")
        all_times = time_columns(solve, step, first)
        found = {key: value for key, value in all_times.items() if key.startswith("controller")}
        median[name] = float(np.median(step))
        rows.append({"controller": name} | found | {"NMPC / this": median[EXPERT] / median[name]})
    return rows


def _policies(groups: Mapping[tuple[str, str, str], Sequence[FlexibleTrial]], store: Store) -> list[Row]:
    """What each policy was taught, and how long that took."""
    found: dict[str, Row] = {}
    for trials in groups.values():
        contestant = trials[0].contestants[0]
        if contestant.policy is not None and contestant.name not in found:
            values = store.values(contestant.policy)
            found[contestant.name] = {
                "policy": contestant.name,
                "labels": values["labels"],
                "one process [min]": store.seconds(contestant.policy) / 60.0,
                "validation loss": values["validation loss"],
            }
    return list(found.values())


def _count(cells: Mapping[str, Cell], store: Store) -> list[Row]:
    """The long count of one policy near the wall."""
    rows: list[Row] = []
    for plant, scale in PLANTS.items():
        parts = [
            cell
            for name, cell in cells.items()
            if name.startswith("count") and isinstance(cell, FlexibleTrial)
            if cell.tasks.stiffness_scale == scale
        ]
        if parts:
            name = parts[0].contestants[0].name
            episodes = episodes_of(parts, store, name)
            within = float((column(episodes, "distance 3 s") < 0.05).mean())
            labels: dict[str, Value] = {"plant": plant, "controller": name, "episodes": len(episodes)}
            rows.append(labels | violating_columns(episodes) | {"within 5 cm at 3 s [%]": 100.0 * within})
    return rows


NOTES = (
    "Plant of 10 segments with the published noise; estimator, references and expert on 3 segments and the "
    "same for all. Policies see the estimate, the reference for the estimated stiffness, the goal and the "
    "obstacles, nothing that a robot has not. The expert that is compared is the one that was imitated. "
    "A policy that rests further than 3 cm from its goal is sent another way there, the expert from 1 cm on. "
    "All controllers meet the same tasks and noise; episodes last 3 s; no filter.",
    "BC: 100 demonstrations of 2 s, 50,000 labels. DAgger: 20 demonstrations, the expert's derivative at "
    "rest on 2,000 goals, and eight rounds of episodes of 2 s that the policy drives, the first ones "
    "together with the expert, which is asked at every sixth step; 100,000 labels in all. Both fit torques "
    "and the accelerations that they cause. Seeds differ in tasks of "
    "the training, weights and batches. In training the stiffness is 0.85 to 1.1 of the nominal one.",
    "overview: all seeds of a controller together; quantiles are means over the seeds of each one's, "
    "intervals are 95 %, over tasks and seeds. accuracy, limits: each policy by itself, over tasks.",
    f"{CAPTION} {MARKS} Published figures are those of the end of at most 1.5 s, of end-effector samples "
    "alone.",
    "Times are those of the trials, each beside whatever else ran: the benchmark `policy_loop.py` compares "
    "expert and policy in one process.",
)
STUDY = Study(
    "distillation",
    "Distilling the flexible arm",
    "How close, how safe and how fast is a network that imitates the nonlinear MPC, cloned or taught by "
    "DAgger, on the nominal plant and on a softer one?",
    cells,
    findings,
)
