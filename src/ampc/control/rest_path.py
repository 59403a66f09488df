"""A motion from rest to rest through shapes at rest: what a careful arm follows to its goal."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.chain.statics import rest_shapes
from ampc.robots import Robot

_WAYPOINTS = 21


@dataclass(frozen=True)
class MotionSettings:
    """How fast a path from rest to rest is travelled."""

    speed_share: float = 0.8
    """Share of the joints' speed limits that the fastest joint uses."""
    ramp: float = 0.6
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
        steepest = np.abs(self.goal - self.start) + 4.0 * np.abs(self.bow)
        return max(float(np.max(steepest / speed)), 1e-3)


class RestPath:
    """Actuated joints along a route; passive ones at the shape at rest that belongs to it.

    Progress p(t) is a constant rate smoothed twice by a moving average of half a ramp, so that velocity and
    acceleration are continuous; torques are those that hold the shapes still.
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
        plane = PlanarStatics(chain.parameters)
        yaw_torque = [plane.yaw_torque(yaw) for yaw in self.q[:, 0]]
        torque = np.column_stack([yaw_torque, plane.holding_torque(plane.angles(self.q[:, 1:]))])
        self.torque = torque[:, chain.actuated]
        """Motor torques that hold them (K, m) [N m]."""
        self._slope = np.gradient(self.q, progress, axis=0)
        self._cruise = route.travel_time(robot, motion)
        self._half_ramp = 0.5 * motion.ramp
        self.duration = self._cruise + motion.ramp
        """Time from start to goal [s]."""

    def at(self, time: float) -> tuple[FloatArray, FloatArray]:
        """State [q, dq] (2n,) and torque (m,) at a time [s]; beyond the end, those at the goal."""
        progress, rate = self.progress(time)
        return (
            np.concatenate([_interpolate(self.q, progress), rate * _interpolate(self._slope, progress)]),
            _interpolate(self.torque, progress),
        )

    def progress(self, time: float) -> tuple[float, float]:
        """Share of the path behind at a time [s], and its rate [1/s]."""
        if time >= self.duration:
            return 1.0, 0.0
        position, rate = (
            (_smooth(time, self._half_ramp, order) - _smooth(time - self._cruise, self._half_ramp, order))
            / self._cruise
            for order in (3, 2)
        )
        return position, rate


def _smooth(time: float, half: float, order: int) -> float:
    """A ramp of slope 1 whose start is smoothed over 2 half (order 3), or its slope (order 2)."""
    terms = ((1.0, 0.0), (-2.0, half), (1.0, 2.0 * half))
    total = sum(weight * max(time - delay, 0.0) ** order for weight, delay in terms)
    return total / (half**2 * (6.0 if order == 3 else 2.0))


def _interpolate(rows: FloatArray, progress: float) -> FloatArray:
    position = min(max(progress, 0.0), 1.0) * (len(rows) - 1)
    i = min(int(position), len(rows) - 2)
    share = position - i
    return np.asarray((1.0 - share) * rows[i] + share * rows[i + 1])
