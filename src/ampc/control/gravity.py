"""How the torque against gravity changes with the positions of the joints."""

from collections.abc import Callable

import numpy as np

from ampc.arrays import FloatArray

_STEP = 1e-4
"""Of the joint positions [rad]."""


def gravity_derivative(torque: Callable[[FloatArray], FloatArray], q: FloatArray) -> FloatArray:
    """Derivative of the torque against gravity by the joint positions (m, n) [N m/rad], by differences.

    Args:
        torque: Torque of the motors against gravity (m,) [N m] at joint positions (n,).
        q: Joint positions (n,) [rad].
    """
    steps = _STEP * np.eye(len(q))
    return np.array([(torque(q + step) - torque(q - step)) / (2.0 * _STEP) for step in steps]).T
