"""Study: what the policy must be told."""

from collections.abc import Mapping

from ampc.evaluation.verdicts import PAPER, STRICT, Criterion
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, methods_of, panel, rows, verdicts
from ampc.experiments.rigid.goal_policies import GoalPolicy, RefinedPolicy
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
from ampc.learning.reference import ReferenceTraining
from ampc.policies.spec import Component, InputSettings
from ampc.report.studies import draw_panels
from ampc.tasks import REGIONS

INPUTS: dict[str, tuple[Component, ...]] = {
    "states alone (literal)": ("state",),
    "q - q_ref": ("state_error",),
    "q and q_ref": ("state", "reference"),
    "q and goal": ("state", "target"),
    "goal with features": ("state", "target", "sincos", "target_error"),
    "q - q_ref and goal": ("state_error", "target_error"),
}

OWN_REFERENCE = "goal, reference network"
REFERENCE_STEPS = 20_000
REFINEMENTS = 2
REFINED = f"{OWN_REFERENCE}, {REFINEMENTS} refinements"
GOAL_CRITERIA = (
    Criterion("project", "success", "at least", 0.99),
    Criterion("project", "success", "at least", 0.95, region="boundary"),
    Criterion("project", "success", "at least", 0.95, region="singular"),
)
"""What this project asks of a policy that is given nothing but the goal."""


def cells(quick: bool) -> Mapping[str, Cell]:
    """The expert, and a policy for every choice of inputs and seed."""
    sets = region_sets(quick)
    found: dict[str, Cell] = dict(controllers(sets))
    for seed in seeds(quick):
        data = demonstrations(seed, quick)
        for name, components in INPUTS.items():
            policy = cloned(data, seed, quick, InputSettings(components))
            found[with_seed(name, seed)] = trial_of(policy, sets)
        steps = 300 if quick else REFERENCE_STEPS
        own = GoalPolicy(cloned(data, seed, quick), ReferenceTraining(steps=steps, seed=seed))
        found[with_seed(OWN_REFERENCE, seed)] = trial_of(own, sets)
        found[with_seed(REFINED, seed)] = trial_of(RefinedPolicy(own, REFINEMENTS), sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures of all inputs by region, and verdicts."""
    summary = compare(cells, store, EXPERT)
    figure = draw_panels(
        [
            panel(summary, "success", "success [%]", REGIONS, scale=100.0),
            panel(summary, "rmse", "RMSE [mm]", REGIONS, scale=1e3),
        ],
        columns=1,
    )
    tables = {
        "figures": rows(summary),
        "verdicts": verdicts(summary, methods_of(summary)[1:], (*PAPER, *STRICT)),
        "goal_alone": verdicts(summary, [OWN_REFERENCE, REFINED], GOAL_CRITERIA),
    }
    return Findings(tables, {"inputs": figure}, NOTES)


NOTES = (
    "Feed-forward networks on ten steps of history, trained by behaviour cloning on the same demonstrations "
    "of the interior. The literal reading of the paper, a history of states alone, is never told the goal. "
    "A reference network takes the place of inverse kinematics; refinements are steps of damped least "
    "squares inside the graph.",
)
STUDY = Study(
    "inputs",
    "What the policy must be told",
    "Can a policy that sees only the history of states reach a goal, is the joint reference needed, or does "
    "the Cartesian goal do?",
    cells,
    findings,
)
