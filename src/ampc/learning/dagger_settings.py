"""Settings of DAgger: how many labels, in how many rounds, and who drives in them."""

from dataclasses import dataclass, field
from typing import Literal

from ampc.episodes.shadow import Mixing
from ampc.errors import SettingsError
from ampc.learning.sobolev_settings import SobolevSettings

BetaSchedule = Literal["constant", "linear", "exponential"]


@dataclass(frozen=True)
class DaggerSettings:
    """The algorithm's own settings; how a round is trained is said by `TrainingSettings`."""

    rounds: int = 4
    """Rounds in which the learner drives, after round 0, the demonstrations."""
    labels: int = 40_000
    """Labels that the expert gives at most, those of the demonstrations included."""
    demonstration_share: float = 0.25
    """Share of the labels that are demonstrations; the rounds have equal parts of the rest."""
    schedule: BetaSchedule = "linear"
    """How the share of the driving that is the expert's, beta, goes on from the first round's: ``constant``;
    ``linear``, to 0 in the last round; ``exponential``, by the same factor in every round."""
    beta: float = 0.0
    """Beta of the first round and, where the schedule is exponential, that factor."""
    betas: tuple[float, ...] = ()
    """Beta of every round, in place of a schedule."""
    mixing: Mixing = "episode"
    """Whether who drives is drawn once for each episode or for each step."""
    ask_every: int = 1
    """The expert is asked at every n-th step that the learner makes: for rates at which neighbouring steps
    have the same label."""
    goals: int = 0
    """Goals on which the expert is asked about an arm at rest, and for its derivative there, from which
    labels of the situations around are made, see `ampc.learning.goal_labels`; each counts as a label. For
    arms with flexible links, and not for recurrent networks, which learn from whole episodes."""
    doubtful_share: float = 0.0
    """Share of the labels of a round that the expert gives where an ensemble disagrees most, the others being
    spread evenly; the number of labels is the same. It is asked when an episode is over."""
    members: int = 4
    """Small networks in that ensemble; each learns from all labels so far."""
    derivative_share: float = 0.0
    """Share of the labels of a round that come with the expert's derivative by the state, which `sobolev`
    trains on. For arms with flexible links, and not for recurrent networks."""
    sobolev: SobolevSettings = field(default_factory=SobolevSettings)
    """How these derivatives enter the loss."""
    warm_start: bool = True
    """Begin a round's training with the weights of the round before, not with fresh ones."""
    epochs: int = 20
    """Largest number of epochs of every round before the last, which has those of the training settings."""

    def __post_init__(self) -> None:
        for name, least in (("rounds", 0), ("goals", 0), ("labels", 1), ("epochs", 1), ("ask_every", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"dagger.{name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("doubtful_share", "derivative_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"dagger.{name} is {getattr(self, name)}; it must lie in [0, 1]")
        if self.members < 2:
            raise SettingsError(f"dagger.members is {self.members}; one network alone cannot disagree")
        if not 0.0 < self.demonstration_share <= 1.0:
            raise SettingsError(
                f"dagger.demonstration_share is {self.demonstration_share}; it must lie in (0, 1]"
            )
        if self.betas and len(self.betas) != self.rounds:
            raise SettingsError(f"dagger.betas has {len(self.betas)} entries for {self.rounds} rounds")
        for beta in (self.beta, *self.betas):
            if not 0.0 <= beta <= 1.0:
                raise SettingsError(f"dagger.beta is {beta}; it must be a probability from 0 to 1")

    def beta_of(self, number: int) -> float:
        """Beta of a round, counted from 1; that of round 0 is 1."""
        if number == 0:
            return 1.0
        if self.betas:
            return self.betas[number - 1]
        match self.schedule:
            case "constant":
                return self.beta
            case "linear":
                return self.beta * (self.rounds - number) / max(1, self.rounds - 1)
            case "exponential":
                return self.beta**number

    def labels_of(self, number: int, given: int) -> int:
        """Labels that a round may ask for, when those before it have had ``given``."""
        if self.rounds == 0:
            return self.labels
        if number == 0:
            return round(self.demonstration_share * self.labels)
        return (self.labels - given) // (self.rounds - number + 1)
