"""Settings that all algorithms share which learn by driving."""

import math
from dataclasses import dataclass
from typing import Literal

from ampc.errors import SettingsError


@dataclass(frozen=True)
class ExperienceSettings:
    """How much an agent drives, on what, and how it is judged meanwhile."""

    steps: int = 2_000_000
    """Control steps of single arms, of all episodes together; rounded up to whole rounds."""
    arms: int = 16
    """Arms that are driven side by side; an episode of each is a round."""
    decision_time: float = 0.02
    """Time for which an action is held [s]; at least one control step. It becomes the control period of the
    policy: asked more often, it would answer the noise of every estimate."""
    reward: Literal["distance", "expert-cost"] = "distance"
    """What is avoided: ``distance`` from the goal [m], or ``expert-cost``, what the nonlinear MPC minimises,
    in thousands a second (flexible links only); not of rewards that are learned."""
    violation_penalty: float = 0.0
    """Cost of every control step in which an obstacle point is inside an obstacle [m of distance, or
    thousands a second]; not of rewards that are learned."""
    shaping: float = 3.0
    """Reward for every radian that the motors come nearer to the joint reference [m/rad], given back where
    they leave it: potential-based, so that the best policy remains the best, see `Shaping`; 0 for none. Of
    all rewards but ``expert-cost``."""
    filtered: bool = False
    """Drive through the safety filter, while learning and where the policy is judged (flexible links only);
    the policy itself is saved without one."""
    evaluate_every: int = 20
    """Rounds between two evaluations for the learning curve."""
    evaluation_tasks: int = 32
    """Tasks of such an evaluation."""
    evaluation_seed: int = 1900
    """Seed of these tasks; studies must judge by others."""
    keep_best: bool = False
    """End with the policy of the evaluation with the highest reward, and not with the last one: for agents
    that may lose what they had."""
    checkpoint_seconds: float = 120.0
    """Time between two checkpoints [s]: what a kill may cost."""
    threads: int = 1
    """Threads of the training; the plants have one for each core."""

    def __post_init__(self) -> None:
        for name in ("steps", "arms", "evaluate_every", "evaluation_tasks", "threads"):
            if getattr(self, name) < 1:
                raise SettingsError(f"experience.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("decision_time", "violation_penalty", "shaping", "checkpoint_seconds"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise SettingsError(f"experience.{name} is {value}; it must be finite and not negative")

    def held(self, control_period: float) -> int:
        """Control steps for which an action is held."""
        return max(1, round(self.decision_time / control_period))


@dataclass(frozen=True)
class NetworkShape:
    """The hidden layers of actor and critics."""

    hidden_size: int = 128
    """Width; 256 take twice the time."""
    layers: int = 2
    """Number."""

    def __post_init__(self) -> None:
        for name in ("hidden_size", "layers"):
            if getattr(self, name) < 1:
                raise SettingsError(f"network.{name} is {getattr(self, name)}; it must be at least 1")
