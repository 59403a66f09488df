"""One policy of an arm with flexible links, from teaching to figures: what ``ampc distill`` does for it."""

from dataclasses import replace
from typing import Literal

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell
from ampc.experiments.flexible.distillation import EXPERT, NOTES, TAUGHT, findings, trials
from ampc.experiments.flexible.policies import DAGGER, TRAINING, FlexiblePolicy
from ampc.experiments.flexible.trial import Contestant
from ampc.experiments.study import Study

Budget = Literal["quick", "full"]

FIRST_LOOK = replace(DAGGER, rounds=1, labels=12_000, demonstration_share=0.5, epochs=10)
"""Labels and rounds of the quick budget: a policy that finds its goal to a centimetre or a few."""


def policy_of(setup: FlexibleSetup, seed: int, budget: Budget, workers: int | None) -> FlexiblePolicy:
    """The policy that a budget makes."""
    if budget == "full":
        return FlexiblePolicy(seed, setup=setup, workers=workers)
    training = replace(TRAINING, epochs=40)
    return FlexiblePolicy(seed, FIRST_LOOK, training, setup=setup, workers=workers)


def single_study(policy: FlexiblePolicy, tasks: int) -> Study:
    """A policy beside its expert on some tasks of each region, on both plants.

    Args:
        policy: The policy, which will be taught first.
        tasks: Tasks of each region.
    """
    both = [Contestant(EXPERT, policy.setup), Contestant(TAUGHT, policy.setup, policy)]

    def cells(quick: bool) -> dict[str, Cell]:
        return trials(both, tasks, max(1, tasks // 2))

    return Study(
        "evaluation",
        "A policy of the arm with flexible links beside its expert",
        "How close, how safe and how fast is it?",
        cells,
        lambda cells, store: replace(findings(cells, store), notes=NOTES[:1]),
    )
