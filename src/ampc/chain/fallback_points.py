"""Motion of a chain's points in NumPy: the same equations as src/points.h."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.parameters import ChainParameters


class PointKinematics:
    """Positions, velocities and their derivatives at one state."""

    def __init__(self, parameters: ChainParameters) -> None:
        """Points of the given chain."""
        self._par = parameters

    def motion(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions and velocities (k, 3) at x (2n,)."""
        par = self._par
        dr, dh, rate, W = self._levers(x)
        r, h = dr.sum(axis=1), dh.sum(axis=1)
        heights = np.stack([r, par.cos_tilt * h, par.sin_tilt * h], axis=1)
        r_rate, h_rate = -dh @ rate, dr @ rate
        speeds = np.stack(
            [r_rate - par.cos_tilt * h * W, par.cos_tilt * h_rate + r * W, par.sin_tilt * h_rate], axis=1
        )
        turn = self._yaw(x)
        return par.base + heights @ turn.T, speeds @ turn.T

    def jacobians(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of positions by q (k, 3, n) and of velocities by x (k, 3, 2n)."""
        par, n = self._par, self._par.n_bodies + 1
        dr, dh, rate, W = self._levers(x)
        position, velocity = self.motion(x)

        def from_tip(values: FloatArray) -> FloatArray:
            """A joint moves its own body and all after it."""
            return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]

        r, h = from_tip(-dh), from_tip(dr)
        r_rate, h_rate = from_tip(-dr * rate), from_tip(-dh * rate)
        turn = self._yaw(x)
        d_position = np.zeros((len(dr), 3, n))
        d_position[:, 0, 0] = -(position[:, 1] - par.base[1])
        d_position[:, 1, 0] = position[:, 0] - par.base[0]
        in_plane = np.stack([r, par.cos_tilt * h, par.sin_tilt * h], axis=1)
        d_position[:, :, 1:] = turn @ in_plane
        d_velocity = np.zeros((len(dr), 3, 2 * n))
        d_velocity[:, 0, 0], d_velocity[:, 1, 0] = -velocity[:, 1], velocity[:, 0]
        in_plane = np.stack(
            [r_rate - par.cos_tilt * h * W, par.cos_tilt * h_rate + r * W, par.sin_tilt * h_rate], axis=1
        )
        d_velocity[:, :, 1:n] = turn @ in_plane
        d_velocity[:, :, n:] = d_position
        return d_position, d_velocity

    def _levers(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        par, n = self._par, self._par.n_bodies + 1
        theta = np.cumsum(x[1:n]) + par.offset
        C, S = np.cos(theta), np.sin(theta)
        along = par.point_along * C - par.point_across * S
        rise = par.point_along * S + par.point_across * C
        return along, rise, np.cumsum(x[n + 1 :]), float(x[n])

    def _yaw(self, x: FloatArray) -> FloatArray:
        angle = x[0] + self._par.heading
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
