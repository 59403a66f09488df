"""What a policy has to cope with besides the goal, and who teaches it that."""

from dataclasses import dataclass, replace

from ampc.control.disturbance_observer import NOISY_SENSORS
from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import ControllerKind, ControllerSettings, EpisodeSetup
from ampc.experiments.rigid.dagger_policies import DaggerPolicy
from ampc.experiments.rigid.protocol import DATA_SEED, EVALUATION_SEED
from ampc.experiments.rigid.trial import TaskSet
from ampc.learning.dagger import Teaching
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.policies.spec import InputSettings, NetworkSettings
from ampc.solvers import JointMPCSettings
from ampc.tasks import TaskSettings, VariationSettings
from ampc.tasks.variation import VARIATIONS

BEYOND = 1.5
"""How many times as far from nominal as the training range the range beyond it reaches."""
INFORMED: ControllerKind = "mpc-informed"
"""Expert that is told the plant; what all are compared with."""
OBSERVER: ControllerKind = "mpc-observer"
"""MPC with a disturbance observer."""
TUNED = f"{OBSERVER}, tuned"
"""The same where an engineer who knows what varies has tuned it, on development tasks."""
NETWORK = NetworkSettings("ffn", 128, 2)
"""As good here as the default, three times larger, and trained in half the time."""


@dataclass(frozen=True)
class Condition:
    """Plants to cope with, each task's drawn on its own and never told."""

    name: str
    """Name in tables."""
    variation: VariationSettings
    """What the plants are drawn from, in training and, on other tasks, in evaluation."""
    teacher: ControllerKind = INFORMED
    """Expert that labels."""
    true_state: bool = False
    """Whether the expert sees the true state: labels free of noise."""
    tuned: ControllerSettings | None = None
    """MPC with an observer tuned for this condition; None where the default one is."""
    required: float | None = None
    """Success that this project asks for."""

    def baselines(self) -> dict[str, ControllerSettings]:
        """Controllers without learning, by name; the first is told the plant."""
        kinds: tuple[ControllerKind, ...] = (INFORMED, "mpc", OBSERVER)
        found = {str(kind): ControllerSettings(kind=kind, name=kind) for kind in kinds}
        if self.tuned is not None:
            found[TUNED] = replace(self.tuned, name=TUNED)
        return found

    def tasks(self, beyond: bool = False) -> TaskSettings:
        """Tasks in the training range or, where there is a range, outside of it."""
        variation = replace(self.variation, beyond=BEYOND) if beyond else self.variation
        return TaskSettings(variation=variation)

    def task_set(self, name: str, count: int, beyond: bool = False) -> TaskSet:
        """Evaluation tasks."""
        return TaskSet(name, count, EVALUATION_SEED, settings=self.tasks(beyond))

    def taught(self, seed: int, inputs: InputSettings, dagger: DaggerSettings, epochs: int) -> DaggerPolicy:
        """A policy that was taught under this condition.

        Many steps matter more here than many labels, hence the small batches.
        """
        setup = EpisodeSetup(controller=ControllerSettings(kind=self.teacher))
        collection = CollectionSettings(seed=DATA_SEED + seed, true_state=self.true_state)
        training = TrainingSettings(epochs=epochs, batch_size=256, patience=epochs, seed=seed)
        return DaggerPolicy(Teaching(setup, self.tasks(), collection), training, dagger, inputs, NETWORK)


CONDITIONS = {
    condition.name: condition
    for condition in (
        Condition("clean", VariationSettings(), teacher="mpc"),
        Condition(
            "noise",
            VARIATIONS["noise"],
            teacher="mpc",
            true_state=True,
            tuned=ControllerSettings(kind=OBSERVER, observer=NOISY_SENSORS),
            required=0.95,
        ),
        Condition(
            "delay",
            VARIATIONS["delay"],
            tuned=ControllerSettings(
                kind=OBSERVER,
                mpc=JointMPCSettings(velocity_weight=10.0),
                observer=replace(NOISY_SENSORS, input_delay=0.075),
            ),
        ),
        Condition(
            "payload",
            VARIATIONS["payload"],
            tuned=ControllerSettings(kind=OBSERVER, mpc=JointMPCSettings(velocity_weight=3.0)),
            required=0.995,
        ),
        Condition("randomised", VARIATIONS["randomised"], required=0.995),
    )
}
"""The conditions of the studies `history` and `randomisation`."""

DESCRIPTION = (
    "Conditions: white noise of 2 mrad and 0.2 rad/s (standard deviations); an unknown input delay of 50 to "
    "100 ms, one to two control periods; an unknown payload of 0 to 2 kg at the end effector; masses +-30 %, "
    "rotational inertias a further +-30 % and centre-of-mass offsets +-5 %, each link on its own. Every task "
    "has its own draw, which no controller but the informed MPC is told. The tuned MPC with an "
    "observer knows the condition, not the draw: the sensors' noise, the mean delay, or (calmer) that "
    "disturbances are large."
)
