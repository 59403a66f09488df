"""What the studies of learned policies have in common: seeds, data, training and tasks.

Seeds of training, of demonstrations and of evaluation tasks are apart from each other and from the seeds
1000 to 1999, which are free for development.
"""

from dataclasses import replace
from typing import cast

from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import ControllerKind, ControllerSettings
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.experiments.rigid.policies import ClonedPolicy, PolicyCell
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.learning.settings import TrainingSettings
from ampc.policies.spec import InputSettings, NetworkSettings
from ampc.tasks import REGIONS, Region

EXPERT: ControllerKind = "mpc"
"""The expert's name in all studies."""
SEEDS = (0, 1, 2)
"""Seeds of training."""
DATA_SEED = 100
"""Demonstrations for the training seed s have the seed 100 + s."""
EVALUATION_SEED = 31
"""Seed of the tasks that everything is judged on; nothing is trained or tuned on them."""
EPISODES = 1500
"""Demonstrated episodes of a policy: about 42,000 labels."""
EPOCHS = 50
"""Passes over them, with batches of 1024 and a step size that falls to zero within them."""
TASKS = 300
"""Tasks in each set."""


def seeds(quick: bool) -> tuple[int, ...]:
    """Seeds of training."""
    return SEEDS[:1] if quick else SEEDS


def demonstrations(
    seed: int, quick: bool, regions: tuple[Region, ...] = ("interior",), episodes: int = EPISODES
) -> Demonstrations:
    """The expert's demonstrations for one training seed."""
    count = min(200, episodes) if quick else episodes
    return Demonstrations(CollectionSettings(episodes=count, seed=DATA_SEED + seed, regions=regions))


def training(seed: int, quick: bool, epochs: int = EPOCHS) -> TrainingSettings:
    """The training protocol: cheaper than the paper's, and as good on the clean plant."""
    epochs = 20 if quick else epochs
    return TrainingSettings(epochs=epochs, batch_size=1024, patience=epochs, seed=seed)


def cloned(
    data: Demonstrations,
    seed: int,
    quick: bool,
    inputs: InputSettings | None = None,
    network: NetworkSettings | None = None,
    epochs: int = EPOCHS,
) -> ClonedPolicy:
    """A policy fitted to demonstrations under the common protocol."""
    return ClonedPolicy(
        data, training(seed, quick, epochs), inputs or InputSettings(), network or NetworkSettings()
    )


def region_sets(quick: bool, regions: tuple[Region, ...] = REGIONS) -> tuple[TaskSet, ...]:
    """Evaluation tasks of each region."""
    return tuple(TaskSet(region, 20 if quick else TASKS, EVALUATION_SEED, region) for region in regions)


def controllers(sets: tuple[TaskSet, ...], kinds: tuple[str, ...] = (EXPERT,)) -> dict[str, Trial]:
    """Trials of controllers that are not learned, by their kind."""
    made = [ControllerSettings(kind=cast(ControllerKind, kind), name=kind) for kind in kinds]
    return {each.kind: Trial(sets, each) for each in made}


def trial_of(policy: PolicyCell, sets: tuple[TaskSet, ...]) -> Trial:
    """Trial of a policy on the arm and at the rate that it was trained for."""
    setup = policy.setup
    return Trial(sets, replace(setup.controller, kind="policy", name=None), policy, setup.plant, setup.robot)


def with_seed(name: str, seed: int) -> str:
    """Name of one of several seeds of a method."""
    return f"{name} seed {seed}"


def group_of(name: str) -> str:
    """The method that a cell is a seed of; the name itself for a controller without seeds."""
    return name.partition(" seed ")[0]
