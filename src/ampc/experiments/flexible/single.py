"""One policy of an arm with flexible links, from teaching to figures: what ``ampc distill`` does for it."""

from dataclasses import replace
from typing import Any, Literal

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell
from ampc.experiments.flexible.distillation import EXPERT, NOTES, TAUGHT, findings, trials
from ampc.experiments.flexible.label_policies import GuardedPolicy
from ampc.experiments.flexible.policies import DAGGER, NETWORK, TRAINING, FlexiblePolicy
from ampc.experiments.flexible.taught import WalledPolicy, guarded
from ampc.experiments.flexible.trial import Contestant, FlexibleTrial
from ampc.experiments.flexible.walls import among_walls
from ampc.experiments.study import Study
from ampc.policies.settings import Architecture, NetworkSettings, flexible_inputs
from ampc.tasks import WallSettings

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
    walls: WallSettings | None = None,
    filtered: bool = False,
) -> FlexiblePolicy:
    """The policy that a budget makes.

    Args:
        setup: Plant and expert.
        seed: Seed of its tasks, weights and batches.
        budget: How many labels.
        workers: Processes that collect; None for one a core.
        architecture: Its network; others than feed-forward ones see a history.
        walls: Walls that are drawn for each task, which the policy is told the direction of; None for the
            robot's in all of them.
        filtered: Whether learners drive behind the safety filter while they are taught.
    """
    network = NetworkSettings(architecture)
    dagger = FIRST_LOOK if budget == "quick" else DAGGER
    if network.recurrent:
        dagger = replace(dagger, goals=0)
    history, directions = 1 if architecture == "ffn" else HISTORY, walls is not None
    settings: dict[str, Any] = {
        "seed": seed,
        "dagger": dagger,
        "training": TRAINING,
        "network": NETWORK if architecture == "ffn" else network,
        "inputs": flexible_inputs(history=history, directions=directions),
        "setup": guarded(setup) if filtered else setup,
        "workers": workers,
    }
    if walls is not None:
        return WalledPolicy(**settings, walls=walls)
    return (GuardedPolicy if filtered else FlexiblePolicy)(**settings)


def single_study(policy: FlexiblePolicy, tasks: int) -> Study:
    """A policy beside its expert on some tasks of each region, on both plants; among walls if it met some.

    Args:
        policy: The policy, which will be taught first.
        tasks: Tasks of each region.
    """
    both = [Contestant(EXPERT, policy.setup), Contestant(TAUGHT, policy.setup, policy)]
    walls = policy.walls if isinstance(policy, WalledPolicy) else None

    def cells(quick: bool) -> dict[str, Cell]:
        found = trials(both, tasks, max(1, tasks // 2))
        if walls is None:
            return found
        own = {name: trial for name, trial in found.items() if isinstance(trial, FlexibleTrial)}
        return {name: among_walls(trial, walls) for name, trial in own.items()}

    return Study(
        "evaluation",
        "A policy of the arm with flexible links beside its expert",
        "How close, how safe and how fast is it?",
        cells,
        lambda cells, store: replace(findings(cells, store), notes=_notes(walls)),
    )


def _notes(walls: WallSettings | None) -> tuple[str, ...]:
    if walls is None:
        return NOTES[:1]
    near, far = (100.0 * each for each in walls.distance)
    first, last = walls.direction
    drawn = (
        f"Each task has an upright wall of its own, {near:g} to {far:g} cm from the axis of joint 1, in a "
        f"direction from {first:.2f} to {last:.2f} rad; goals near the wall turn with it."
    )
    return (*NOTES[:1], drawn)
