"""Statics of a planar chain that a yaw joint carries: shapes, gravity and springs in the chain's plane.

Points of the plane are complex numbers, the real part along the arm and the imaginary part upwards. With the
absolute angle ``theta_i`` of body i, a point of the chain lies at ``sum_i c_i exp(j theta_i)``, and the
potential energy of gravity is the imaginary part of such a sum. All methods are batched.
"""

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import FloatArray, IntArray
from ampc.chain.parameters import ChainParameters

ComplexArray = NDArray[np.complex128]


class PlanarStatics:
    """What of a chain matters at rest.

    Attributes:
        actuated: Bodies whose joints have motors, counted from 0 (m - 1,).
        passive: The others (n - m,).
        points: Coefficients of the obstacle points in exp(j theta), end effector first (k, N) [m].
        links: The arm itself: coefficients of the end effector (N,) [m].
        relaxed: Planar joint positions at which all springs are at ease and motors at zero (N,) [rad].
    """

    def __init__(self, parameters: ChainParameters) -> None:
        bodies = np.arange(parameters.n_bodies)
        self.actuated: IntArray = parameters.actuated[parameters.actuated > 0] - 1
        self.passive: IntArray = np.setdiff1d(bodies, self.actuated)
        self.points: ComplexArray = parameters.point_along + 1j * parameters.point_across
        self.links: ComplexArray = self.points[0]
        self.relaxed: FloatArray = parameters.rest - np.diff(parameters.offset, prepend=0.0)
        self.relaxed[self.actuated] = 0.0
        self._parameters = parameters
        self._weight = parameters.gravity * parameters.sin_tilt * parameters.gravity_moment
        self._stiffness = parameters.joint_stiffness
        n = parameters.n_bodies
        self._springs = np.diag(self._stiffness) - np.diag(self._stiffness[1:], -1)
        self._distal = np.triu(np.ones((n, n)))

    def angles(self, q: FloatArray) -> FloatArray:
        """Absolute angles theta (..., N) [rad] of planar joint positions (..., N) [rad]."""
        return np.asarray(self._parameters.offset + np.cumsum(q, axis=-1))

    def joints(self, theta: FloatArray) -> FloatArray:
        """Inverse of `angles`."""
        return np.diff(theta - self._parameters.offset, axis=-1, prepend=0.0)

    def holding_torque(self, theta: FloatArray) -> FloatArray:
        """Torque that holds the planar joints against gravity and springs (..., N) [N m]."""
        gravity = (self._weight * np.cos(theta)) @ self._distal.T
        stretch = np.diff(theta, axis=-1, prepend=0.0) - self._parameters.rest
        return np.asarray(gravity + self._stiffness * stretch)

    def holding_torque_jacobian(self, theta: FloatArray) -> FloatArray:
        """Derivative of `holding_torque` by theta (..., N, N) [N m/rad]."""
        return np.asarray(self._springs - self._distal * (self._weight * np.sin(theta))[..., None, :])

    def yaw_torque(self, yaw: float) -> float:
        """Torque that holds joint 1 against its spring, if it has one [N m]."""
        return self._parameters.yaw_stiffness * (yaw - self._parameters.yaw_rest)

    def positions(self, yaw: FloatArray, theta: FloatArray) -> FloatArray:
        """Obstacle points, end effector first, world frame (..., k, 3) [m]; yaw (...) and theta (..., N)."""
        planar = np.exp(1j * theta) @ self.points.T
        heading = np.exp(1j * (self._parameters.heading + yaw))[..., None]
        level = heading * (planar.real + 1j * self._parameters.cos_tilt * planar.imag)
        height = np.broadcast_to(self._parameters.sin_tilt * planar.imag, level.shape)
        return np.asarray(self._parameters.base + np.stack([level.real, level.imag, height], axis=-1))

    def targets(self, goal: FloatArray) -> list[tuple[float, complex]]:
        """Yaw angles that put the plane through a goal (3,) [m], each with the goal's place in the plane.

        There are two, the arm facing the goal and bending over backwards; none for a goal so near the yaw
        axis that the tilted plane passes it by.
        """
        parameters = self._parameters
        reach = goal - parameters.base
        up = reach[2] / parameters.sin_tilt
        beside = parameters.cos_tilt * up
        square = float(reach[0] ** 2 + reach[1] ** 2 - beside**2)
        if square < 0.0:
            return []
        found = []
        for along in (np.sqrt(square), -np.sqrt(square)):
            yaw = np.angle(complex(reach[0], reach[1])) - np.angle(complex(along, beside))
            found.append((float(yaw - parameters.heading), complex(along, up)))
        return found
