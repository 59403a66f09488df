"""Study: a policy of 20 Hz in a loop of 500 Hz."""

from collections.abc import Mapping
from dataclasses import replace

from ampc.episodes.setup import ControllerSettings
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, panel, rows
from ampc.experiments.rigid.policies import RetimedPolicy
from ampc.experiments.rigid.protocol import (
    EVALUATION_SEED,
    cloned,
    demonstrations,
    seeds,
    trial_of,
    with_seed,
)
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.experiments.study import Findings, Study
from ampc.plants import PlantSettings
from ampc.policies.spec import InputSettings
from ampc.report.studies import draw_panels
from ampc.solvers import JointMPCSettings

FAST = PlantSettings(control_period=0.002)
RATIO = round(PlantSettings().control_period / FAST.control_period)
HISTORIES = (1, 10)
EXPERT = "MPC of 20 Hz, 20 Hz"
"""What all are compared with."""
TASKS = 150


def cells(quick: bool) -> Mapping[str, Cell]:
    """Experts at both rates, and policies at 20 Hz and, in two ways, at 500 Hz."""
    sets = (TaskSet("interior", 10 if quick else TASKS, EVALUATION_SEED),)
    short_sighted = JointMPCSettings(step=FAST.control_period)
    found: dict[str, Cell] = {
        EXPERT: Trial(sets),
        "MPC of 20 Hz, 500 Hz": Trial(sets, plant=FAST),
        "MPC of 500 Hz (N = 20), 500 Hz": Trial(sets, ControllerSettings(mpc=short_sighted), plant=FAST),
    }
    for seed in seeds(quick):
        data = demonstrations(seed, quick)
        for history in HISTORIES:
            policy = cloned(data, seed, quick, InputSettings(history=history))
            name = f"FFN, H = {history}"
            found[with_seed(f"{name}, 20 Hz", seed)] = trial_of(policy, sets)
            spacings = {"": 1} if history == 1 else {", spacing kept": RATIO, ", spacing 2 ms": 1}
            for label, stride in spacings.items():
                fast = RetimedPolicy(policy, FAST.control_period, stride)
                trial = replace(trial_of(policy, sets), policy=fast, plant=FAST)
                found[with_seed(f"{name}, 500 Hz{label}", seed)] = trial
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures of all loops."""
    summary = compare(cells, store, EXPERT)
    figure = draw_panels([panel(summary, "rmse", "RMSE [mm]", ("interior",), scale=1e3)])
    return Findings({"figures": rows(summary, ("interior",))}, {"rates": figure}, NOTES)


NOTES = (
    "All policies imitate the MPC at 20 Hz. At 500 Hz a window of ten entries spans 0.45 s if the spacing of "
    f"training is kept (every {RATIO}th state) and 18 ms if the last ten states are taken. All are compared "
    "with the expert at 20 Hz; its own feedback law at 500 Hz is the fair target of a faster loop.",
)
STUDY = Study(
    "rate-transfer",
    "A policy of 20 Hz in a loop of 500 Hz",
    "The paper trains at 20 Hz and deploys at 500 Hz. What happens to the history, and what is gained?",
    cells,
    findings,
)
