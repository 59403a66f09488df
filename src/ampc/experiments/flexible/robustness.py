"""Study: policies and their expert on plants that they were not told of."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.distillation import EXPERT, taught
from ampc.experiments.flexible.pictures import (
    MARKS,
    Outcome,
    draw_distances,
    draw_trade_off,
    outcome_of,
)
from ampc.experiments.flexible.protocol import (
    EVALUATION_SEED,
    REGIONS,
    Episode,
    accuracy_columns,
    first_episodes,
    kind_of,
    violating_columns,
)
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.report.boxes import CAPTION

SEEDS = (0, 1, 2)
"""Of the policies."""
TASKS = 50
FIRST_TASK = 2000
"""Tasks that no other study has."""
CONDITIONS: dict[str, dict[str, float]] = {
    "nominal": {},
    "10 % softer": {"stiffness_scale": 0.9},
    "20 % softer": {"stiffness_scale": 0.8},
    "20 % stiffer": {"stiffness_scale": 1.2},
    "twice the noise": {"noise": 2.0},
    "50 g payload": {"payload": 0.05},
}
"""Plants by name; of these only the first two are like those of the training."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """A trial of each controller on each plant, in each region."""
    count = 1 if quick else TASKS
    plants = list(CONDITIONS)[:2] if quick else list(CONDITIONS)
    found: dict[str, Cell] = {}
    contestants = [Contestant(EXPERT, FlexibleSetup()), *taught(quick, SEEDS)]
    for contestant, plant, region in product(contestants, plants, REGIONS):
        tasks = FlexibleTasks(region, EVALUATION_SEED, FIRST_TASK, count, **CONDITIONS[plant])
        found[f"{contestant.name} | {plant} | {region}"] = FlexibleTrial(tasks, (contestant,))
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Tables by plant and controller, of all goals, each region and each seed; the pictures of the paper."""
    names, plants = (list(dict.fromkeys(name.split(" | ")[part] for name in cells)) for part in (0, 1))
    kinds = dict.fromkeys(map(kind_of, names))
    regions: list[Row] = []
    pooled: list[Row] = []
    single: list[Row] = []
    outcomes: dict[tuple[str, str, str], Outcome] = {}
    for plant, kind in product(plants, kinds):
        own = [name for name in names if kind_of(name) == kind]
        labels: dict[str, Value] = {"plant": plant, "controller": kind, "seeds": len(own)}
        everywhere: list[list[Episode]] = [[] for _ in own]
        for region in REGIONS:
            trials = [_trial(cells, name, plant, region) for name in own]
            outcomes[plant, region, kind] = outcome_of([[trial] for trial in trials], store)
            seeds = [first_episodes([trial], store) for trial in trials]
            everywhere = [[*before, *these] for before, these in zip(everywhere, seeds, strict=True)]
            regions.append(labels | {"goals": region} | _columns(*seeds))
        step = np.concatenate([outcomes[plant, region, kind].step for region in REGIONS])
        pooled.append(labels | _columns(*everywhere) | {"step, median [us]": 1e6 * float(np.median(step))})
        for name, episodes in zip(own, everywhere, strict=True):
            single.append({"plant": plant, "controller": name} | _columns(episodes))
    tables = {"robustness": pooled, "regions": regions, "seeds": single}
    figures = {
        "distances": draw_distances(outcomes, rows="plant"),
        "trade_off": draw_trade_off(outcomes),
    }
    return Findings(tables, figures, NOTES)


def _trial(cells: Mapping[str, Cell], name: str, plant: str, region: str) -> FlexibleTrial:
    trial = cells[f"{name} | {plant} | {region}"]
    assert isinstance(trial, FlexibleTrial)
    return trial


def _columns(*seeds: Sequence[Episode]) -> dict[str, Value]:
    """Figures at 3 s, and violations."""
    figures = accuracy_columns(*seeds)
    shown = {name: value for name, value in figures.items() if "1.5 s" not in name}
    return shown | violating_columns(*seeds)


NOTES = (
    "Controllers and policies are those of the study `distillation`, three seeds of each; they are told the "
    "nominal plant with the published noise in every case, and their estimator adapts the stiffness. "
    "Policies have learned on 0.85 to 1.1 of the nominal stiffness, without payload and with the published "
    "noise.",
    f"robustness: goals of both regions together, {len(REGIONS) * TASKS} tasks, and all seeds; regions: each "
    "region by itself; seeds: each policy by itself. Of several seeds, quantiles are means over the seeds of "
    "each one's, and intervals are 95 %, over tasks and seeds; of one, over tasks. Tasks and noise are the "
    "same for all controllers.",
    f"{CAPTION} {MARKS}",
)
STUDY = Study(
    "robustness",
    "Plants that nobody was told of",
    "What becomes of accuracy, violations and time where links are softer or stiffer, sensors worse, or the "
    "arm carries something?",
    cells,
    findings,
)
