"""Study: a window that grows near singularities."""

from collections.abc import Mapping
from dataclasses import replace

from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, panel, rows
from ampc.experiments.rigid.conditions import CONDITIONS, INFORMED
from ampc.experiments.rigid.history import DAGGER, EPOCHS
from ampc.experiments.rigid.protocol import controllers, group_of, seeds, trial_of, with_seed
from ampc.experiments.rigid.trial import TaskSet
from ampc.experiments.study import Findings, Row, Study
from ampc.learning.dagger_settings import DaggerSettings
from ampc.policies.spec import InputSettings
from ampc.report.studies import Panel, draw_panels
from ampc.tasks import Region

STUDIED = ("noise", "payload")
REGIONS: tuple[Region, ...] = ("interior", "singular")
LONGEST = 20
WINDOWS = {
    "fixed, 2": InputSettings(history=2, past_commands=True),
    "fixed, 5": InputSettings(history=5, past_commands=True),
    "fixed, 10": InputSettings(history=10, past_commands=True),
    "fixed, 20": InputSettings(history=LONGEST, past_commands=True),
    "2 to 20, longer near singularities": InputSettings(
        history=LONGEST, past_commands=True, window="longer-near-singularities"
    ),
    "2 to 20, shorter near singularities": InputSettings(
        history=LONGEST, past_commands=True, window="shorter-near-singularities"
    ),
}
TASKS = 300


def cells(quick: bool) -> Mapping[str, Cell]:
    """The informed expert and a policy for every window and seed, named ``CONDITION: METHOD``."""
    dagger = DaggerSettings(rounds=1, labels=1500, epochs=2) if quick else DAGGER
    found: dict[str, Cell] = {}
    for name in STUDIED:
        condition = CONDITIONS[name]
        tasks = condition.task_set("", 20 if quick else TASKS)
        sets: tuple[TaskSet, ...] = tuple(replace(tasks, name=region, region=region) for region in REGIONS)
        found |= {f"{name}: {kind}": trial for kind, trial in controllers(sets, (INFORMED,)).items()}
        for seed in seeds(quick):
            for window, inputs in WINDOWS.items():
                policy = condition.taught(seed, inputs, dagger, 3 if quick else EPOCHS)
                found[with_seed(f"{name}: {window}", seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures by condition, region and window."""
    table: list[Row] = []
    panels: list[Panel] = []
    for name in STUDIED:
        prefix = f"{name}: "
        own = {cell.removeprefix(prefix): found for cell, found in cells.items() if cell.startswith(prefix)}
        summary = compare(own, store, INFORMED)
        lengths = mean_windows(own, store)
        for row in rows(summary, REGIONS, condition=name):
            table.append({**row, "mean window": lengths.get(str(row["method"]))})
        panels.append(panel(summary, "success", "success [%]", REGIONS, scale=100.0, title=name))
        panels.append(panel(summary, "steady_error", "steady error [mm]", REGIONS, "median", 1e3, title=name))
    return Findings({"figures": table}, {"windows": draw_panels(panels)}, NOTES)


def mean_windows(trials: Mapping[str, Cell], store: Store) -> dict[str, float]:
    """Entries that each window uses on average over the states of its last round, averaged over seeds."""
    found: dict[str, list[float]] = {}
    for name, trial in trials.items():
        for policy in trial.ingredients:
            found.setdefault(group_of(name), []).append(store.values(policy)["mean_window"])
    return {name: sum(values) / len(values) for name, values in found.items()}


NOTES = (
    "Feed-forward policies on states and past commands, taught as in the study `history`, under noise and "
    "with an unknown payload. The adaptive windows use 2 to 20 entries depending on the manipulability; the "
    "counter-test does the opposite with about the same mean length. A fair comparison is with the fixed "
    "window of that length; the table gives it.",
)
STUDY = Study(
    "adaptive-history",
    "A window that grows near singularities",
    "The paper names history windows that adapt near singularities as future work. Is such a window better "
    "than a fixed one of the same mean length?",
    cells,
    findings,
)
