"""Notices an arm that has come to rest away from its goal."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StuckSettings:
    """When the arm counts as stuck, so that another branch is tried."""

    distance: float = 0.01
    """The end effector is further than this from its goal [m],"""
    speed: float = 0.05
    """no joint with a motor moves faster than this [rad/s],"""
    time: float = 0.4
    """and both for this long [s]."""


class StuckDetector:
    """Counts how long the arm has been still and away from its goal."""

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
        self._still = 0.0

    def update(self, distance: float, speed: float) -> bool:
        """Whether the arm is stuck; it counts anew after that.

        Args:
            distance: Of the end effector from the goal [m].
            speed: Of the fastest joint with a motor [rad/s].
        """
        settings = self._settings
        away = distance > settings.distance and speed < settings.speed
        self._still = self._still + self._period if away else 0.0
        if self._still < settings.time:
            return False
        self._still = 0.0
        return True
