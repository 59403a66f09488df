"""Constants of the kinematics of a yaw joint that carries a planar chain, as plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlanarChain:
    """Where the obstacle points of such an arm are, the end effector first.

    Body i of N has the angle ``theta_i = offset_i + q_1 + ... + q_i``. Point k lies at
    ``sum_i (along_ki + j across_ki) exp(j theta_i)`` of a plane that turns with q_0 about the vertical.
    """

    base: tuple[float, ...]
    """Position of joint 1, world frame (3,) [m]."""
    heading: float
    """Direction of the plane's horizontal axis about world z at q_0 = 0 [rad]."""
    sin_tilt: float
    """Sine of the angle between the chain's joint axes and the vertical."""
    cos_tilt: float
    """Its cosine; 0 where they are level."""
    offset: tuple[float, ...]
    """Angles at q = 0 (N,) [rad]."""
    along: tuple[tuple[float, ...], ...]
    """Levers along the bodies (k, N) [m]."""
    across: tuple[tuple[float, ...], ...]
    """Levers along their in-plane normals (k, N) [m]."""
