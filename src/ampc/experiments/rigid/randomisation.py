"""Study: unknown plants, within the range of training and beyond it."""

from collections.abc import Mapping

from ampc.evaluation.verdicts import Criterion
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, panel, rows, verdicts
from ampc.experiments.rigid.conditions import BEYOND, CONDITIONS, DESCRIPTION, INFORMED
from ampc.experiments.rigid.protocol import TASKS, seeds, trial_of, with_seed
from ampc.experiments.rigid.trial import Trial
from ampc.experiments.study import Findings, Row, Study
from ampc.learning.dagger_settings import DaggerSettings
from ampc.policies.spec import InputSettings
from ampc.report.studies import Panel, draw_panels

STUDIED = [name for name in CONDITIONS if name != "clean"]
LABELS = 40_000
LEARNERS = {
    "DAgger": DaggerSettings(rounds=4, labels=LABELS, epochs=8),
    "cloning": DaggerSettings(rounds=0, labels=LABELS),
}
CLONED = ("noise", "payload")
"""Conditions under which cloning is tried besides."""
EPOCHS = 40
"""Epochs of the last round."""
HISTORY = 10


def cells(quick: bool) -> Mapping[str, Cell]:
    """Controllers and policies under every condition, named ``CONDITION: METHOD``."""
    inputs = InputSettings(history=HISTORY, past_commands=True)
    found: dict[str, Cell] = {}
    for name in STUDIED:
        condition, count = CONDITIONS[name], 20 if quick else TASKS
        sets = (condition.task_set("in range", count), condition.task_set("beyond", count, beyond=True))
        for baseline, controller in condition.baselines().items():
            found[f"{name}: {baseline}"] = Trial(sets, controller)
        for seed in seeds(quick):
            for learner, settings in LEARNERS.items():
                if learner == "cloning" and name not in CLONED:
                    continue
                if quick:
                    settings = DaggerSettings(rounds=min(1, settings.rounds), labels=1500, epochs=2)
                policy = condition.taught(seed, inputs, settings, 3 if quick else EPOCHS)
                found[with_seed(f"{name}: {learner}", seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures by condition in and beyond the range, and what this project asks for."""
    table: list[Row] = []
    judged: list[Row] = []
    panels: list[Panel] = []
    for name in STUDIED:
        prefix = f"{name}: "
        own = {cell.removeprefix(prefix): found for cell, found in cells.items() if cell.startswith(prefix)}
        summary = compare(own, store, INFORMED)
        table += rows(summary, ("in range", "beyond"), condition=name)
        panels.append(
            panel(summary, "success", "success [%]", ("in range", "beyond"), scale=100.0, title=name)
        )
        if (required := CONDITIONS[name].required) is not None:
            criterion = Criterion("project", "success", "at least", required, region="in range")
            judged += [{"condition": name, **row} for row in verdicts(summary, ["DAgger"], [criterion])]
    tables = {"figures": table, "verdicts": judged}
    return Findings(tables, {"conditions": draw_panels(panels, 2, share_y=True)}, NOTES)


NOTES = (
    DESCRIPTION,
    f"Feed-forward policies on {HISTORY} states and past commands with {LABELS:,} labels by DAgger, and in "
    "two conditions by behaviour cloning of the same expert. Beyond: everything is drawn outside of the "
    f"training range, up to {BEYOND:g} times as far from nominal; noise is up to {BEYOND:g} times as strong.",
)
STUDY = Study(
    "randomisation",
    "Plants that nobody knows",
    "Can one network with history control arms with unknown noise, delay, payload and parameters, beside an "
    "MPC with a disturbance observer and one that is told, and what happens outside the training range?",
    cells,
    findings,
)
