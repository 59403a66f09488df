"""Study: which network."""

from collections.abc import Mapping
from typing import get_args

from ampc.evaluation.verdicts import EXPERT as EXPERT_CRITERIA
from ampc.evaluation.verdicts import PAPER, SEQUENCE_MODELS, STRICT
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, panel, rows, verdicts
from ampc.experiments.rigid.protocol import (
    EXPERT,
    cloned,
    controllers,
    demonstrations,
    region_sets,
    seeds,
    trial_of,
    with_seed,
)
from ampc.experiments.study import Findings, Study
from ampc.policies.spec import Architecture, NetworkSettings
from ampc.report.studies import draw_panels
from ampc.tasks import REGIONS

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
EPOCHS: dict[Architecture, int] = {"ffn": 50, "lstm": 30, "gru": 30, "transformer": 10}
"""Fewer for networks whose epochs take longer; ``ampc distill --preset full`` gives all more."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """Experts, baselines, and every network for every seed."""
    sets = region_sets(quick)
    found: dict[str, Cell] = dict(controllers(sets, (EXPERT, "lqr", "table")))
    for seed in seeds(quick):
        data = demonstrations(seed, quick)
        for name in ARCHITECTURES:
            policy = cloned(data, seed, quick, network=NetworkSettings(name), epochs=EPOCHS[name])
            found[with_seed(name, seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures of all methods, and what the paper and this project ask for."""
    summary = compare(cells, store, EXPERT)
    judged = verdicts(summary, [EXPERT], EXPERT_CRITERIA)
    for name in ARCHITECTURES:
        judged += verdicts(summary, [name], (*PAPER, *(STRICT if name == "ffn" else SEQUENCE_MODELS)))
    figure = draw_panels(
        [
            panel(summary, "success", "success [%]", REGIONS, scale=100.0),
            panel(summary, "steady_error", "steady error, p95 [mm]", REGIONS, "p95", 1e3, log=True),
        ],
        columns=1,
    )
    tables = {
        "figures": rows(summary),
        "verdicts": judged,
    }
    return Findings(tables, {"regions": figure}, NOTES)


NOTES = (
    "All networks learn from the same demonstrations of the interior (three seeds of data and weights) and "
    "see the last ten state errors. Success means less than 10 mm throughout the last 0.3 s of 3 s. The time "
    "per step in the verdicts was taken while cells ran side by side; the study `solver-cost` has it taken "
    "alone.",
)
STUDY = Study(
    "architectures",
    "Which network imitates the expert best",
    "Does a feed-forward, recurrent or attention network reach the expert, in the regions it has "
    "seen and in those it has not, and does it meet the paper's pass marks?",
    cells,
    findings,
)
