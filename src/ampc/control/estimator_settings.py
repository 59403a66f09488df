"""What the extended Kalman filter assumes: noise levels, model error, and what else is estimated."""

import math
from dataclasses import dataclass

from ampc.chain.ekf import Augmentation
from ampc.errors import SettingsError


@dataclass(frozen=True)
class EstimatorSettings:
    """What the extended Kalman filter assumes about sensors, model error and the start."""

    augmentation: Augmentation = "modulus"
    """What is estimated besides the state: ``modulus``, the logarithm of Young's modulus relative to the
    model's, nothing if the arm has no passive springs; ``bias``, a constant offset of the end-effector
    sensor, which also absorbs what the model gets wrong; or ``none``."""
    position_noise: float = 1.7320508e-3
    """Standard deviation of measured joint positions [rad]."""
    velocity_noise: float = 4.472136e-2
    """Standard deviation of measured joint velocities [rad/s]."""
    end_effector_noise: float = 1e-2
    """Standard deviation of each coordinate of the measured end effector [m]."""
    position_drift: float = 4e-3
    """Random walk of each joint position that the model does not know [rad/sqrt(s)]."""
    velocity_drift: float = 0.5
    """Random walk of each joint velocity [rad/s/sqrt(s)]; stands for all model error."""
    modulus_drift: float = 2e-3
    """Random walk of the logarithm of Young's modulus [1/sqrt(s)]."""
    bias_drift: float = 1e-3
    """Random walk of the end effector's bias [m/sqrt(s)]."""
    initial_position: float = 5e-3
    """Standard deviation of the passive joints' initial positions about the shape at rest [rad], besides what
    an uncertain modulus makes of that shape."""
    initial_velocity: float = 1e-2
    """Standard deviation of the passive joints' initial velocities [rad/s]."""
    initial_modulus: float = 0.1
    """Standard deviation of the initial logarithm of Young's modulus."""
    initial_bias: float = 2e-2
    """Standard deviation of the initial bias [m]."""
    largest_log_modulus: float = 0.4
    """The logarithm of Young's modulus is kept within plus or minus this."""
    gate: float = 30.0
    """Measurements further than this many standard deviations from their prediction are taken for a fault of
    the sensor and skipped."""

    def __post_init__(self) -> None:
        for name in ("position_noise", "velocity_noise", "end_effector_noise", "gate", "largest_log_modulus"):
            require_number(name, getattr(self, name), positive=True)
        for name in ("position_drift", "velocity_drift", "modulus_drift", "bias_drift"):
            require_number(name, getattr(self, name), positive=False)
        for name in ("initial_position", "initial_velocity", "initial_modulus", "initial_bias"):
            require_number(name, getattr(self, name), positive=False)


def require_number(name: str, value: float, *, positive: bool) -> None:
    """Refuse a setting that is not finite, or negative, or zero where that is nothing.

    Raises:
        SettingsError: If it is.
    """
    if not math.isfinite(value) or value < 0.0 or (positive and value == 0.0):
        what = "positive" if positive else "zero or more"
        raise SettingsError(f"{name} is {value}; it has to be finite and {what}")
