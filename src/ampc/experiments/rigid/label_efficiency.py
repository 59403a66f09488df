"""Study: how many labels are needed, and which."""

from collections.abc import Mapping

from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, point, rows
from ampc.experiments.rigid.label_policies import LabelledPolicy
from ampc.experiments.rigid.protocol import (
    EPISODES,
    EVALUATION_SEED,
    EXPERT,
    controllers,
    demonstrations,
    seeds,
    trial_of,
    with_seed,
)
from ampc.experiments.rigid.trial import TaskSet
from ampc.experiments.study import Findings, Row, Study
from ampc.learning.label_efficiency import LabelSettings
from ampc.learning.queries import QuerySettings
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.policies.spec import InputSettings
from ampc.report.studies import Panel, Point, draw_panels

COUNTS = (100, 300, 1000, 4000)
ALL = 40_000
"""The full set, with labels on states that are chosen at random."""
METHODS: dict[str, tuple[QuerySettings, SobolevSettings | None]] = {
    "random": (QuerySettings("random"), None),
    "disagreement": (QuerySettings("disagreement"), None),
    "random, Sobolev": (QuerySettings("random"), SobolevSettings()),
    "disagreement, Sobolev": (QuerySettings("disagreement"), SobolevSettings()),
}
STEPS = 4000
TASKS = 300
WITHIN = 0.01
"""How much less success than the full set's counts as the same."""


def method(name: str, labels: int) -> str:
    """Name of a kind of policy."""
    return f"{name}, {labels} labels"


FULL = method("random", ALL)


def cells(quick: bool) -> Mapping[str, Cell]:
    """The expert, and a policy for every method, number of labels and seed."""
    sets = (TaskSet("interior", 20 if quick else TASKS, EVALUATION_SEED),)
    full = 3000 if quick else ALL
    found: dict[str, Cell] = dict(controllers(sets))
    for seed in seeds(quick):
        pool = demonstrations(seed, quick, episodes=EPISODES)
        for name, (queries, sobolev) in METHODS.items():
            counts = COUNTS[:2] if quick else COUNTS
            for labels in (*counts, *((full,) if name == "random" else ())):
                settings = LabelSettings(labels, queries, sobolev, steps=300 if quick else STEPS, seed=seed)
                policy = LabelledPolicy(pool, settings, InputSettings(history=1))
                shown = ALL if labels == full else labels
                found[with_seed(method(name, shown), seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Success and RMSE over labels, and the fewest labels that do as well as all."""
    summary = compare(cells, store, EXPERT)
    full = summary.find("interior", FULL, "success").value
    success: dict[str, dict[float | str, Point]] = {name: {} for name in METHODS}
    rmse: dict[str, dict[float | str, Point]] = {name: {} for name in METHODS}
    needed: list[Row] = []
    for name in METHODS:
        least: int | None = None
        for labels in (*COUNTS, ALL):
            if (kind := method(name, labels)) not in summary.controllers:
                continue
            success[name][labels] = point(summary, "interior", kind, "success", scale=100.0)
            figure = summary.find("interior", kind, "rmse")
            rmse[name][labels] = tuple(
                100.0 * ((value or 1.0) - 1.0)
                for value in (figure.relative, figure.relative_low, figure.relative_high)
            )  # type: ignore[assignment]
            if least is None and success[name][labels][0] >= 100.0 * (full - WITHIN):
                least = labels
        share = None if least is None else 100.0 * least / ALL
        needed.append(
            {
                "method": name,
                "labels within 1 point of the full set": least,
                "share of the full set [%]": share,
                "at most 10 %": share is not None and share <= 10.0,
            }
        )
    panels = [
        Panel("success", success, "success [%]", "labels", log_x=True, marks={"full set": 100.0 * full}),
        Panel("RMSE against the expert", rmse, "gap [%]", "labels", log_x=True, log_y=True),
    ]
    tables = {"needed": needed, "figures": rows(summary, ("interior",))}
    return Findings(tables, {"labels": draw_panels(panels)}, NOTES)


NOTES = (
    f"Feed-forward policies on the present state error, {STEPS:,} training steps whatever the number of "
    "labels. States come from demonstrations of the interior; only the labels asked for are used. "
    "Disagreement: states on which an ensemble trained on the labels so far disagrees. Sobolev: the solver's "
    f"exact derivative du0/dx comes with each label and is learned too. The full set has {ALL:,} labels.",
)
STUDY = Study(
    "label-efficiency",
    "How many labels are needed, and which",
    "The paper names 90 % less data as a goal. Is it reached by asking about the right states, by using the "
    "solver's derivatives, or both?",
    cells,
    findings,
)
