"""Small networks beside the learner, whose disagreement says where labels are worth most."""

import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.arrays import IntArray
from ampc.learning.behaviour_cloning import fit_policy, make_policy
from ampc.learning.settings import TrainingSettings
from ampc.learning.windows import Frames
from ampc.policies.settings import NetworkSettings
from ampc.policies.spec import PolicySpec

NETWORK = NetworkSettings("ffn", hidden_size=64, layers=2)
EPOCHS = 4
"""A member has to know where labels are, not to drive."""
_SEEDS_APART = 1000
"""Distance between the seeds of two members."""


def train_ensemble(
    spec: PolicySpec,
    frames: Frames,
    training_episodes: IntArray,
    validation_episodes: IntArray,
    training: TrainingSettings,
    members: int,
    folder: Path,
    provenance: dict[str, Any],
) -> tuple[Path, ...]:
    """Train policies that differ in weights and batches alone, or go on where an earlier call was stopped.

    Args:
        spec: The learner; members see what it sees.
        frames: All labels so far.
        training_episodes: Episodes to train on.
        validation_episodes: Episodes that say which weights to keep.
        training: How the learner is trained; epochs and seed are replaced.
        members: How many.
        folder: Receives a folder for each.
        provenance: What a training that goes on must agree in.

    Returns:
        Folders of the saved policies.
    """
    own = dataclasses.replace(spec, network=NETWORK.resolved(), training={})
    folders = tuple(folder / str(member) for member in range(members))
    for member, place in enumerate(folders):
        seed = training.seed + _SEEDS_APART * (member + 1)
        settings = dataclasses.replace(training, epochs=EPOCHS, seed=seed)
        policy = make_policy(own, frames, training_episodes, seed)
        fit_policy(
            policy, frames, training_episodes, validation_episodes, settings, place,
            {**provenance, "member": member}, Console(quiet=True),
        )  # fmt: skip
    return folders
