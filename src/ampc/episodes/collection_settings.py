"""Settings of a collection of demonstrations."""

import math
from dataclasses import dataclass
from typing import Literal

from ampc.episodes.rollout import StopRule
from ampc.errors import SettingsError
from ampc.tasks import Region
from ampc.tasks.flexible import FlexibleRegion

AnyRegion = Literal[Region, FlexibleRegion]
"""Regions of all kinds of arms."""


@dataclass(frozen=True)
class CollectionSettings:
    """How many demonstrations, from where, and by how many processes."""

    episodes: int = 5000
    """Number of episodes; more than a finished dataset has extends it."""
    seed: int = 0
    """Seed of the tasks; those of an evaluation must have another."""
    regions: tuple[AnyRegion, ...] = ("interior",)
    """Regions that the episodes take in turn; name one several times to weigh it. The other regions are then
    out of the distribution of the data."""
    max_duration: float = 3.0
    """Longest episode [s]."""
    settle_tolerance: float = 0.01
    """Deviation of the joint positions from the reference [rad] that counts as settled; see `StopRule`."""
    hold: float = 0.3
    """Time that is still recorded after the arm has settled [s]: how to hold still is learned from it."""
    workers: int | None = None
    """Processes; None for one a core, 1 for none beside this one."""
    shard_episodes: int = 50
    """Episodes that are stored together; at most so many for each worker are lost by a kill."""
    max_labels: int | None = None
    """Begin no episode that could bring the number of rows above this; None for no bound."""
    first_task: int = 0
    """Index of the first task of the seed; with another one, data of the same seed share no task."""
    fixed_length: bool = False
    """Let all episodes have the longest duration, whether the arm settles or not."""
    true_state: bool = False
    """Let the expert act on the arm's true state, where its labels are then free of measurement noise. What
    the data say the arm has measured stays what its sensors said."""

    def __post_init__(self) -> None:
        for name in ("episodes", "workers", "shard_episodes", "max_labels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"collection.{name} is {value}; it must be at least 1")
        if self.first_task < 0:
            raise SettingsError(f"collection.first_task is {self.first_task}; tasks are counted from 0")
        for name in ("max_duration", "settle_tolerance"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(
                    f"collection.{name} is {getattr(self, name)}; it must be positive and finite"
                )
        if not 0.0 <= self.hold < math.inf:
            raise SettingsError(f"collection.hold is {self.hold}; it must be a time in seconds, not negative")
        if not self.regions:
            raise SettingsError("collection.regions is empty; name at least one, such as 'interior'")

    @property
    def stop(self) -> StopRule | None:
        """When an episode ends before its time, if it may."""
        return None if self.fixed_length else StopRule(self.settle_tolerance, self.hold)
