"""End-effector position and Jacobian in one pass, for the inner loop of inverse kinematics."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.kinematic_chain import KinematicChain


class PositionKernel:
    """`KinematicChain.end_effector` and `KinematicChain.jacobian` together, with few NumPy calls.

    Runs from the tip to the base. The transform of joint i is
    ``L_i(q) = R_i (I + sin q K_i + (1 - cos q) K_i^2)`` with K_i the cross-product matrix of its axis. Each
    joint turns the tip point and the Jacobian columns of the joints behind it by L_i, and adds its own column
    ``dL_i/dq point``.
    """

    def __init__(self, chain: KinematicChain) -> None:
        cross = np.cross(chain.axes[:, None, :], np.eye(3)[None]).transpose(0, 2, 1)
        self._constant = chain.rotations
        self._sine = chain.rotations @ cross
        self._versine = chain.rotations @ cross @ cross
        self._offsets = chain.offsets
        self._tool = chain.tool

    def __call__(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions (B, 3) [m] and Jacobians (B, 3, n) [m/rad] of joint positions (B, n) [rad]."""
        n = q.shape[1]
        sine, cosine = np.sin(q)[:, :, None, None], np.cos(q)[:, :, None, None]
        turn = self._constant + sine * self._sine + (1.0 - cosine) * self._versine
        derivative = cosine * self._sine + sine * self._versine
        # Columns of the joints behind, last of all the tip point.
        columns = np.empty((len(q), 3, n + 1))
        columns[:, :, n] = self._tool
        for i in range(n - 1, -1, -1):
            own = derivative[:, i] @ columns[:, :, n:]
            columns[:, :, i + 1 :] = turn[:, i] @ columns[:, :, i + 1 :]
            columns[:, :, i] = own[:, :, 0]
            columns[:, :, n] += self._offsets[i]
        return columns[:, :, n], columns[:, :, :n]
