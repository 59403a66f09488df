"""A motion from rest to rest through shapes at rest: what a careful arm follows to its goal."""

from dataclasses import dataclass
from math import factorial

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.statics import rest_shapes
from ampc.robots import Robot

_WAYPOINTS = 21


@dataclass(frozen=True)
class MotionSettings:
    """How fast a path from rest to rest is travelled."""

    speed_share: float = 0.95
    """Share of the joints' speed limits that the fastest joint uses."""
    ramp: float = 0.5
    """Time of each of the two smooth ramps to and from that speed [s]; near the period of the slowest
    vibration, so that little of it is excited."""
    unlimited_speed: float = 1.0
    """Speed limit of joints whose model states none [rad/s]."""


@dataclass(frozen=True, eq=False)
class Route:
    """Positions of the actuated joints from start to goal: a line, bent sideways by a parabola."""

    start: FloatArray
    """Where it begins (m,) [rad]."""
    goal: FloatArray
    """Where it ends (m,) [rad]."""
    bow: FloatArray
    """How far its middle lies from the straight line (m,) [rad]."""

    def at(self, progress: FloatArray) -> FloatArray:
        """Positions (K, m) [rad] at shares (K,) of the way."""
        share = progress[:, None]
        return np.asarray(
            self.start + share * (self.goal - self.start) + 4.0 * share * (1.0 - share) * self.bow
        )

    def travel_time(self, robot: Robot, motion: MotionSettings) -> float:
        """Time that the slowest joint needs at constant rate of progress [s]; never zero."""
        limits = robot.velocity_limits[robot.actuated]
        speed = motion.speed_share * np.where(np.isfinite(limits), limits, motion.unlimited_speed)
        # Bows are steepest at the ends, where the rate is still low.
        steepest = np.abs(self.goal - self.start) + 2.5 * np.abs(self.bow)
        return max(float(np.max(steepest / speed)), 1e-3)


class RestPath:
    """Actuated joints along a route; passive ones at the shape at rest that belongs to it.

    Progress p(t) is a constant rate smoothed twice by a moving average of half a ramp, so that velocity and
    acceleration are continuous.
    """

    def __init__(self, chain: YawChain, robot: Robot, route: Route, motion: MotionSettings) -> None:
        """Plan a path.

        Args:
            chain: The arm, with the stiffness that it is to have.
            robot: The same arm; its limits are used.
            route: Where to go.
            motion: Speed.

        Raises:
            SolverError: The arm is too soft to have a shape at rest on the way.
        """
        progress = np.linspace(0.0, 1.0, _WAYPOINTS)
        self.q = rest_shapes(chain, route.at(progress))
        """Waypoints (K, n) [rad]."""
        self._slope = np.gradient(self.q, progress, axis=0)
        self._curve = np.gradient(self._slope, progress, axis=0)
        self._cruise = route.travel_time(robot, motion)
        self._half_ramp = 0.5 * motion.ramp
        self.duration = self._cruise + motion.ramp
        """Time from start to goal [s]."""

    def at(self, time: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Joint positions, velocities and accelerations (n,) at a time [s]; at the goal beyond the end."""
        progress, rate, change = self.progress(time)
        slope = _interpolate(self._slope, progress)
        return (
            _interpolate(self.q, progress),
            rate * slope,
            change * slope + rate**2 * _interpolate(self._curve, progress),
        )

    def progress(self, time: float) -> tuple[float, float, float]:
        """Share of the path behind at a time [s], its rate [1/s] and the rate's change [1/s^2]."""
        if time >= self.duration:
            return 1.0, 0.0, 0.0
        half, cruise = self._half_ramp, self._cruise
        position, rate, change = (
            (_smooth(time, half, order) - _smooth(time - cruise, half, order)) / cruise for order in (3, 2, 1)
        )
        return position, rate, change


def _smooth(time: float, half: float, order: int) -> float:
    """A ramp of slope 1 whose start is smoothed over 2 half (order 3), its slope (2) or curvature (1)."""
    terms = ((1.0, 0.0), (-2.0, half), (1.0, 2.0 * half))
    total = sum(weight * max(time - delay, 0.0) ** order for weight, delay in terms)
    return total / (half**2 * factorial(order))


def _interpolate(rows: FloatArray, progress: float) -> FloatArray:
    position = min(max(progress, 0.0), 1.0) * (len(rows) - 1)
    i = min(int(position), len(rows) - 2)
    share = position - i
    return np.asarray((1.0 - share) * rows[i] + share * rows[i + 1])
