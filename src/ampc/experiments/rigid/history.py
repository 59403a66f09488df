"""Study: when does history help."""

from collections.abc import Mapping

from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, point, rows
from ampc.experiments.rigid.conditions import CONDITIONS, DESCRIPTION, INFORMED
from ampc.experiments.rigid.protocol import group_of, seeds, trial_of, with_seed
from ampc.experiments.rigid.trial import Trial
from ampc.experiments.study import Findings, Row, Study
from ampc.learning.dagger_settings import DaggerSettings
from ampc.policies.spec import InputSettings
from ampc.report.studies import Panel, Point, draw_panels

HISTORIES = (1, 2, 5, 10, 20)
PAST = {"states": False, "states and past commands": True}
DAGGER = DaggerSettings(rounds=3, labels=12_000, epochs=20)
EPOCHS = 120
"""Epochs of the last round: with a quarter of them networks on long histories are not trained to the end, and
their success on the clean plant falls from 100 to 10 %, which says nothing of histories."""
TASKS = 200


def method(inputs: str, history: int) -> str:
    """Name of a kind of policy."""
    return f"{inputs}, H = {history}"


def cells(quick: bool) -> Mapping[str, Cell]:
    """Controllers and policies under every condition, named ``CONDITION: METHOD``."""
    dagger = DaggerSettings(rounds=1, labels=1500, epochs=2) if quick else DAGGER
    found: dict[str, Cell] = {}
    for name, condition in CONDITIONS.items():
        sets = (condition.task_set(name, 20 if quick else TASKS),)
        for baseline, controller in condition.baselines().items():
            found[f"{name}: {baseline}"] = Trial(sets, controller)
        for seed in seeds(quick):
            for inputs, past_commands in PAST.items():
                for history in HISTORIES[::3] if quick else HISTORIES:
                    settings = InputSettings(history=history, past_commands=past_commands)
                    policy = condition.taught(seed, settings, dagger, 3 if quick else EPOCHS)
                    found[with_seed(f"{name}: {method(inputs, history)}", seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures by condition, and success and steady error over the history's length."""
    table: list[Row] = []
    panels: list[Panel] = []
    for name in CONDITIONS:
        prefix = f"{name}: "
        own = {cell.removeprefix(prefix): found for cell, found in cells.items() if cell.startswith(prefix)}
        summary = compare(own, store, INFORMED)
        table += rows(summary, (name,))
        success: dict[str, dict[float | str, Point]] = {inputs: {} for inputs in PAST}
        for inputs in PAST:
            for history in HISTORIES:
                if (kind := method(inputs, history)) in {group_of(cell) for cell in own}:
                    success[inputs][history] = point(summary, name, kind, "success", scale=100.0)
        marks = {
            baseline: 100.0 * summary.find(name, baseline, "success").value
            for baseline in CONDITIONS[name].baselines()
            if baseline != INFORMED
        }
        panels.append(Panel(name, success, "success [%]", "states in the history", marks=marks, log_x=True))
    return Findings({"figures": table}, {"history": draw_panels(panels, 3, share_y=True)}, NOTES)


NOTES = (
    DESCRIPTION,
    f"Feed-forward policies taught by DAgger, {DAGGER.labels:,} labels in {DAGGER.rounds} rounds after the "
    "demonstrations: by the nominal MPC on the clean plant and, seeing the true state, under noise; "
    "otherwise by the MPC that is told the plant. The budget is small, the same for all; the study "
    "`randomisation` shows what a larger one reaches. Lines across the figures: MPCs without learning.",
)
STUDY = Study(
    "history",
    "When history helps",
    "Do past states, and past commands with them, help on a clean plant, and under noise, delay, unknown "
    "payload and unknown parameters?",
    cells,
    findings,
)
