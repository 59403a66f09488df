"""Settings of supervised training, and its named presets."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ampc.errors import SettingsError

Algorithm = Literal["bc", "dagger", "both"]
"""Behaviour cloning, DAgger, or first the one and then the other, for comparison."""

TrainingPreset = Literal["paper", "literal", "short"]


@dataclass(frozen=True)
class TrainingSettings:
    """How a policy is fitted to demonstrations; the defaults are the preset ``paper``."""

    epochs: int = 100
    """Largest number of passes over the training samples."""
    batch_size: int = 256
    """Samples in one step. Recurrent networks train on whole episodes, as many at a time as hold
    `sequence_batch_size` frames."""
    sequence_batch_size: int = 1024
    """Frames in one step of a recurrent network."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """How the step size goes on: it stays, or falls to zero over `epochs` along half a cosine."""
    weight_decay: float = 1e-4
    """Strength of the L2 term, as `decay` understands it."""
    decay: Literal["l2", "decoupled"] = "decoupled"
    """``l2``: Adam's ``weight_decay``, which adds ``weight_decay * w`` to the gradient of the loss (the
    penalty weight_decay/2 |w|^2); ``decoupled``: AdamW's, which scales the weights by
    ``1 - rate * weight_decay`` in every step."""
    knee: float | None = None
    """Error of a command, as a share of its limit, from which on the loss grows no longer with its square
    but linearly (pseudo-Huber), so that large commands do not drown the small ones at rest; None for the
    mean squared error."""
    acceleration: float = 0.0
    """Weight of the squared error of the acceleration that an error of the torque causes, ``M(q)^-1`` times
    it at the motors' joints, beside the squared error of the torque; each joint's in units of what its torque
    limit does at the median inertia. For commands that are torques; the knee is on top of the sum."""
    patience: int = 20
    """Epochs without a smaller validation loss after which training stops."""
    validation_share: float = 0.1
    """Share of the episodes that is kept for validation."""
    max_samples: int | None = None
    """Use only the first whole episodes that together have at least that many samples; None for all."""
    hold: float = 1.0
    """Time by which sequences of recurrent networks are extended [s], by repeating the last frame of episodes
    that end at rest; see docs/training.md."""
    seed: int = 0
    """Seed of weights, split and order of samples."""
    threads: int = 1
    """Threads of one training."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "sequence_batch_size", "patience", "threads"):
            if getattr(self, name) < 1:
                raise SettingsError(f"training.{name} must be at least 1, not {getattr(self, name)}")
        if self.max_samples is not None and self.max_samples < 1:
            raise SettingsError(f"training.max_samples must be at least 1, not {self.max_samples}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise SettingsError(f"training.learning_rate must be positive, not {self.learning_rate}")
        for name in ("weight_decay", "hold", "acceleration"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise SettingsError(f"training.{name} must not be negative, not {getattr(self, name)}")
        if self.knee is not None and not (math.isfinite(self.knee) and self.knee > 0.0):
            raise SettingsError(f"training.knee must be positive, or None, not {self.knee}")
        if not 0.0 < self.validation_share < 1.0:
            raise SettingsError(
                f"training.validation_share must lie between 0 and 1, not {self.validation_share}"
            )
        if self.seed < 0:
            raise SettingsError(f"training.seed must not be negative, not {self.seed}")


def training_preset(name: TrainingPreset) -> TrainingSettings:
    """Named settings.

    Args:
        name: ``paper``: its protocol, with the L2 term decoupled and the step size falling; ``literal``: its
            protocol to the letter; ``short``: for a first look, a minute for a feed-forward network.

    Raises:
        SettingsError: For another name.
    """
    match name:
        case "paper":
            return TrainingSettings()
        case "literal":
            return TrainingSettings(schedule="constant", decay="l2")
        case "short":
            return TrainingSettings(epochs=60, learning_rate=2e-3, max_samples=100_000)
    raise SettingsError(f"unknown training preset {name!r}; there are paper, literal and short")


def policy_names(architectures: Iterable[str], algorithm: Algorithm) -> dict[str, tuple[str, str]]:
    """Names of a run's policies, seeds apart: architecture and algorithm (``bc`` or ``dagger``) of each."""
    return {
        architecture if learner == "bc" else f"{architecture}-{learner}": (architecture, learner)
        for architecture in architectures
        for learner in ("bc", "dagger")
        if algorithm in (learner, "both")
    }
