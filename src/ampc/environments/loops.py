"""Many closed loops side by side, commanded together: what an agent that learns by trying drives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ampc.arrays import FloatArray
from ampc.environments.score import TrueMotion
from ampc.robots import Robot
from ampc.tasks import Task


@dataclass(frozen=True, slots=True)
class Views:
    """What policies of B arms see, as `ampc.policies.policy.Policy` takes it."""

    states: FloatArray
    """Measured or estimated states (B, S), see `ampc.policies.spec.PolicySpec.n_state`."""
    references: FloatArray
    """Joint references (B, n) [rad]; zero where there is none."""
    goals: FloatArray
    """End-effector goals, world frame (B, 3) [m]."""


class ManyLoops(Protocol):
    """B plants, each with all of a controller but the policy: the same parts that deployed policies have.

    A command is in the unit that a policy's is in. It is decided on the last views and acts for a control
    period, as it would in the loop of `ampc.episodes.rollout`.
    """

    count: int
    """Number of arms B."""
    control_period: float
    """Time for which a command is held [s]."""
    robot: Robot
    """The simulated arm, whose limits and points are judged."""

    def begin(self, tasks: Sequence[Task]) -> Views:
        """Start a task on every arm."""

    def step(self, commands: FloatArray) -> Views:
        """Let commands (B, m) act for one control period."""

    def motion(self) -> TrueMotion:
        """What has really happened in it."""

    def close(self) -> None:
        """Free what the arms hold."""
