"""Notices an arm that has come to rest away from its goal."""

import math
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray


@dataclass(frozen=True)
class StuckSettings:
    """When the arm counts as stuck, so that another branch is tried."""

    distance: float = 0.01
    """The end effector is further than this from its goal [m],"""
    room: float = 0.01
    """and has not moved further than this [m]"""
    time: float = 0.4
    """for this long [s]."""


NEVER_STUCK = StuckSettings(distance=math.inf)
"""No arm ever counts as stuck: the way that was chosen at the start remains."""


class StuckDetector:
    """Counts how long the end effector has been in one place away from its goal.

    It looks at places, not speeds: estimated speeds of light links are noisy.
    """

    def __init__(self, settings: StuckSettings, period: float) -> None:
        """Start counting.

        Args:
            settings: What counts as stuck.
            period: Time between two updates [s].
        """
        self._settings, self._period = settings, period
        self.forget()

    def forget(self) -> None:
        """Start over."""
        self.place: FloatArray = np.full(3, np.inf)
        """Where the end effector has been (3,) [m]"""
        self.still = 0.0
        """for this long [s]."""

    def update(self, end_effector: FloatArray, goal: FloatArray) -> bool:
        """Whether the arm is stuck, given end effector and goal (3,) [m]; it counts anew after that."""
        settings = self._settings
        away = np.linalg.norm(end_effector - goal) > settings.distance
        if not away or np.linalg.norm(end_effector - self.place) > settings.room:
            self.place, self.still = end_effector.copy(), 0.0
            return False
        self.still += self._period
        if self.still < settings.time - 1e-9:
            return False
        self.forget()
        return True
