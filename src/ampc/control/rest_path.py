"""A motion from rest to rest through shapes at rest: what a slow, careful arm follows to its goal."""

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
    """Time of each of the two smooth ramps to and from that speed [s]; near the period of the slowest vibration,
    so that little of it is excited."""
    fallback_speed: float = 1.0
    """Speed used for joints whose model states no limit [rad/s]."""


class RestPath:
    """Actuated joints in a straight line from start to goal; passive ones at the shape at rest that belongs.

    Progress p(t) is a constant speed smoothed twice by a moving average of half a ramp, so that velocity,
    acceleration and their first derivative are continuous; torques are those that hold the shapes still.
    """

    def __init__(
        self, chain: YawChain, robot: Robot, start: FloatArray, goal: FloatArray, motion: MotionSettings
    ) -> None:
        """Plan a path.

        Args:
            chain: The arm, with the stiffness that it is to have.
            robot: The same arm; its limits are used.
            start: Actuated joint positions at the start (m,) [rad].
            goal: Actuated joint positions at the goal (m,) [rad].
            motion: Speed.

        Raises:
            SolverError: The arm is too soft to have a shape at rest on the way.
        """
        progress = np.linspace(0.0, 1.0, _WAYPOINTS)[:, None]
        self.q = rest_shapes(chain, start + progress * (goal - start))
        """Waypoints (K, n) [rad]."""
        plane = PlanarStatics(chain.parameters)
        torque = np.column_stack(
            [
                [plane.yaw_torque(yaw) for yaw in self.q[:, 0]],
                plane.holding_torque(plane.angles(self.q[:, 1:])),
            ]
        )
        self.torque = torque[:, chain.actuated]
        """Motor torques that hold them (K, m) [N m]."""
        self._slope = np.gradient(self.q, progress[:, 0], axis=0)
        self._cruise = travel_time(robot, start, goal, motion)
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
        later = time - self._cruise
        position = (_smooth(time, self._half_ramp, 3) - _smooth(later, self._half_ramp, 3)) / self._cruise
        return position, (
            _smooth(time, self._half_ramp, 2) - _smooth(later, self._half_ramp, 2)
        ) / self._cruise


def travel_time(robot: Robot, start: FloatArray, goal: FloatArray, motion: MotionSettings) -> float:
    """Time that the slowest actuated joint needs at constant speed [s]; positive also where nothing moves."""
    limits = robot.velocity_limits[robot.actuated]
    speed = motion.speed_share * np.where(np.isfinite(limits), limits, motion.fallback_speed)
    return max(float(np.max(np.abs(goal - start) / speed)), 1e-3)


def _smooth(time: float, half: float, order: int) -> float:
    """Integral (order 3) of a ramp that rises to slope 1 in 2 half, or that slope (order 2)."""
    terms = ((1.0, 0.0), (-2.0, half), (1.0, 2.0 * half))
    total = sum(weight * max(time - delay, 0.0) ** order for weight, delay in terms)
    return total / (2.0 * half**2 * (3.0 if order == 3 else 1.0))


def _interpolate(rows: FloatArray, progress: float) -> FloatArray:
    position = min(max(progress, 0.0), 1.0) * (len(rows) - 1)
    i = min(int(position), len(rows) - 2)
    share = position - i
    return np.asarray((1.0 - share) * rows[i] + share * rows[i + 1])
