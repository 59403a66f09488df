"""Policies that imitate the nonlinear MPC of the arm with flexible links, as cells."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ampc.control.nonlinear_mpc_settings import preset
from ampc.control.stuck import StuckSettings
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.files import POLICY_FILE
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.plants import PUBLISHED_NOISE
from ampc.policies.settings import InputSettings, NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.tasks.flexible import FlexibleTaskSettings
from ampc.tasks.variation import VariationSettings

FIRST_SEED = 3000
"""Seed of the tasks that the first policy learns on; those of the next one follow."""

TRAINING_TASKS = FlexibleTaskSettings(
    variation=VariationSettings(
        position_noise=(PUBLISHED_NOISE.position_noise,) * 2,
        velocity_noise=(PUBLISHED_NOISE.velocity_noise,) * 2,
        end_effector_noise=(PUBLISHED_NOISE.end_effector_noise,) * 2,
        stiffness_scale=(0.85, 1.1),
    )
)
"""Tasks that policies learn on: links softer and stiffer than controllers are told, so that they meet an
estimator that adapts."""

DURATION = 2.0
"""Length of the episodes that are learned from [s]."""
TRAINING = TrainingSettings(
    epochs=40, batch_size=512, learning_rate=2e-3, patience=40, knee=0.01, acceleration=0.25
)
CLONING = DaggerSettings(rounds=0, labels=50_000)
"""Behaviour cloning of 100 episodes, as many as the published one had."""
DAGGER = DaggerSettings(
    rounds=8,
    labels=100_000,
    demonstration_share=0.1,
    schedule="exponential",
    beta=0.5,
    mixing="step",
    ask_every=6,
    goals=2000,
    epochs=10,
)
"""20 demonstrations, 2,000 goals with the derivative of the expert's torque there, then eight rounds of some
130 episodes; in the first, expert and policy take turns step by step, so that a policy that cannot drive yet
stays where it has to learn. The expert is asked at every sixth step, since what it says 4 ms later is nearly
the same and another episode is not."""
NETWORK = NetworkSettings("ffn", 128, 3)
LOOP = FlexibleSetup(nmpc=replace(preset("tuned"), stuck=StuckSettings(distance=0.03)))
"""The loop in which policies are judged: that of the expert, but an arm that rests a centimetre from its goal
is not sent another way there, since a policy may be no nearer."""


def teaching(seed: int, setup: FlexibleSetup | None = None, duration: float = DURATION) -> Teaching:
    """Where the labels of the policy with that seed come from."""
    collection = CollectionSettings(
        seed=FIRST_SEED + seed,
        regions=("random", "near-wall"),
        max_duration=duration,
        fixed_length=True,
        workers=1,
        shard_episodes=10,
    )
    return Teaching(setup or FlexibleSetup(nmpc=preset("tuned")), TRAINING_TASKS, collection)


@dataclass(frozen=True)
class FlexiblePolicy(Cell):
    """A network taught by the nonlinear MPC."""

    seed: int
    """Seed of its tasks, weights and batches."""
    dagger: DaggerSettings = DAGGER
    """Labels and rounds; without rounds it is behaviour cloning."""
    training: TrainingSettings = TRAINING
    """How the last round is trained; the seed is replaced."""
    network: NetworkSettings = NETWORK
    """The network."""
    inputs: InputSettings = field(default_factory=flexible_inputs)
    """What it sees."""
    setup: FlexibleSetup = field(default_factory=lambda: FlexibleSetup(nmpc=preset("tuned")))
    """Plant and expert."""
    duration: float = DURATION
    """Length of the episodes [s]."""
    workers: int | None = 1
    """Processes that collect; None for one a core."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Teach and export."""
        model = self.setup.build_model()
        spec = PolicySpec.for_robot(
            model,
            self.setup.plant.control_period,
            tuple(float(limit) for limit in np.abs(model.torque_limits).max(axis=1)),
            "gravity-compensation",
            self.inputs,
            self.network,
        )
        lessons = teaching(self.seed, self.setup, self.duration)
        lessons = replace(lessons, collection=replace(lessons.collection, workers=self.workers))
        training = replace(self.training, seed=self.seed)
        console = Console(quiet=True) if self.workers == 1 else None
        policy = dagger(lessons, spec, training, self.dagger, folder, console)
        parity = export_onnx(policy, folder / POLICY_FILE)
        labels = [
            int(Dataset.open(folder / "rounds" / str(number) / "dataset").label_counts.sum())
            for number in range(self.dagger.rounds + 1)
        ]
        trained = policy.spec.training
        return {
            "labels": sum(labels) + (0 if spec.recurrent else self.dagger.goals),
            "labels by round": labels,
            "validation loss": trained["validation_loss"],
            "parity": parity.raw_command,
        }
