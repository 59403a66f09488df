"""One policy of an arm with flexible links, from teaching to figures: what ``ampc distill`` does for it."""

from dataclasses import replace
from typing import Literal

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell
from ampc.experiments.flexible.distillation import EXPERT, NOTES, TAUGHT, findings, trials
from ampc.experiments.flexible.policies import DAGGER, TRAINING, FlexiblePolicy
from ampc.experiments.flexible.trial import Contestant
from ampc.experiments.study import Study
from ampc.policies.settings import Architecture, NetworkSettings, flexible_inputs

Budget = Literal["quick", "full"]

FIRST_LOOK = replace(DAGGER, rounds=1, labels=8_000, demonstration_share=0.5, goals=200)
"""Labels and rounds of the quick budget: the whole way in a minute or two, not the answer."""
HISTORY = 10
"""Entries that a Transformer sees, and length of the sequences from which a recurrent network starts."""


def policy_of(
    setup: FlexibleSetup,
    seed: int,
    budget: Budget,
    workers: int | None,
    architecture: Architecture = "ffn",
) -> FlexiblePolicy:
    """The policy that a budget makes; networks other than feed-forward ones see a history."""
    network = NetworkSettings(architecture)
    policy = FlexiblePolicy(
        seed, FIRST_LOOK if budget == "quick" else DAGGER, TRAINING, setup=setup, workers=workers
    )
    if architecture != "ffn":
        policy = replace(policy, network=network, inputs=flexible_inputs(history=HISTORY))
    if network.recurrent:
        policy = replace(policy, dagger=replace(policy.dagger, goals=0))
    return policy


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
