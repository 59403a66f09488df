"""What the sensors of an arm say."""

from dataclasses import dataclass

from ampc.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Measurement:
    """Readings of one control step. Entries may be non-finite: a sensor can fail."""

    time: float
    """Time since the start of the task [s]."""
    q: FloatArray
    """Measured positions of the actuated joints (m,) [rad]."""
    dq: FloatArray
    """Measured velocities of the actuated joints (m,) [rad/s]."""
    end_effector: FloatArray | None = None
    """Measured end-effector position, world frame (3,) [m]; None where the robot has no such sensor."""
