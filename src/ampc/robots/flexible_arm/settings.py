"""The numbers of a three-joint arm whose two long links are thin, elastic strips."""

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ampc.errors import SettingsError
from ampc.settings import load_settings

FLEXIBLE_ARM = "flexible-arm"
"""Name under which the published arm is built in."""


@dataclass(frozen=True)
class ObstacleSettings:
    """A half-space that end effector and elbow must stay out of."""

    name: str
    """Name of the obstacle, such as ``wall``; letters, digits and underscores."""
    normal: tuple[float, float, float]
    """Normal of its plane, pointing into free space, world frame; of any length."""
    point: tuple[float, float, float]
    """A point of its plane, world frame [m]."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise SettingsError(f"obstacle name {self.name!r} must be letters, digits and underscores")
        if not all(map(math.isfinite, (*self.normal, *self.point))) or not any(self.normal):
            raise SettingsError(
                f"obstacle {self.name!r} needs a normal that is not zero and a point, of finite numbers; got "
                f"normal {list(self.normal)}, point {list(self.point)}"
            )


@dataclass(frozen=True)
class FlexibleArmSettings:
    """A yaw joint on a rigid base, and two flexible links in a nearly vertical plane that it turns.

    Joint 1 turns the base about world +z at the origin. Joint 2 sits on top of the base, joint 3 at the end
    of link 2; both turn about the same horizontal axis. Links 2 and 3 are strips of rectangular section, flat
    side up, that bend in the plane of the arm only. The defaults are the arm of Mamedov et al., *Safe
    Imitation Learning of Nonlinear Model Predictive Control for Flexible Robots* (arXiv 2212.02941).
    """

    name: str = "flexible-arm"
    """Name of the arm; the number of passive joints per link is appended to it."""
    n_seg: int = 3
    """Passive joints in each flexible link: 0 for rigid links, 3 for controllers, 10 for a plant."""

    link_length: tuple[float, float] = (0.5, 0.5)
    """Lengths of links 2 and 3 [m]."""
    width: float = 0.05
    """Width of the strips [m]."""
    thickness: float = 0.002
    """Thickness of the strips, in the direction in which they bend [m]."""
    density: float = 7870.0
    """Density of the strips [kg/m3]."""
    youngs_modulus: float = 190e9
    """Young's modulus of the strips [Pa]."""
    normal_damping: float = 0.8511e9
    """Normal damping coefficient of the strips: stress per rate of strain [Pa s]."""

    base_height: float = 0.15
    """Height of joint 2 above the origin [m]."""
    base_mass: float = 2.0
    """Mass of the base that joint 1 turns [kg]."""
    base_com: tuple[float, float, float] = (0.0, 0.0, 0.12)
    """Its centre of mass [m]."""
    base_inertia: tuple[float, float, float] = (0.0061, 0.0061, 0.01125)
    """Its principal moments of inertia about x, y and z through the centre of mass [kg m2]."""
    roll: float = 1.57
    """Angle by which joint 2's axis is turned about +x, away from +z [rad]. The published arm has 1.57 and
    not pi/2, which tilts its plane by 0.8 mrad; it is kept so that numbers compare."""
    gravity: float = 9.81
    """Acceleration of gravity, along -z [m/s2]."""

    torque_limits: tuple[float, float, float] = (20.0, 10.0, 10.0)
    """Largest torque of joints 1, 2 and 3, in either direction [N m]."""
    velocity_limits: tuple[float, float, float] = (2.5, 3.5, 3.5)
    """Largest speed of joints 1, 2 and 3 [rad/s]."""
    home: tuple[float, float, float] = (math.pi / 2, 1.2, -1.8)
    """Positions of joints 1, 2 and 3 at home [rad]."""
    obstacles: tuple[ObstacleSettings, ...] = (
        ObstacleSettings("wall", (0.0, 1.0, 0.0), (0.0, -0.15, 0.5)),
        ObstacleSettings("ground", (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
    )
    """Half-spaces that the end effector and the elbow must stay out of."""

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingsError("flexible arm: name is empty; give the arm one")
        if not 0 <= self.n_seg <= 50:
            raise SettingsError(
                f"flexible arm: n_seg is {self.n_seg}; it must be a whole number from 0 (rigid links) to 50"
            )
        for name, unit in _POSITIVE.items():
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(math.isfinite(number) and number > 0.0 for number in numbers):
                shown = list(value) if isinstance(value, tuple) else value
                raise SettingsError(f"flexible arm: {name} is {shown}; it must be positive, in {unit}")
        for name, unit in _NOT_NEGATIVE.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise SettingsError(f"flexible arm: {name} is {value}; it must not be negative, in {unit}")
        for name in ("base_com", "home"):
            if not all(map(math.isfinite, getattr(self, name))):
                raise SettingsError(f"flexible arm: {name} is {list(getattr(self, name))}; it must be finite")
        if not 0.0 < self.roll < math.pi:
            raise SettingsError(
                f"flexible arm: roll is {self.roll} rad; it must lie between 0 and pi, so that joint 2 can "
                "raise the arm"
            )
        if max(self.base_inertia) > sum(self.base_inertia) / 2.0:
            raise SettingsError(
                f"flexible arm: base_inertia is {list(self.base_inertia)} kg m2; no body has a moment that "
                "exceeds the sum of the other two"
            )
        if self.thickness > self.width:
            raise SettingsError(
                f"flexible arm: thickness {self.thickness} m exceeds width {self.width} m; the strips bend "
                "over their thin side, so exchange the two"
            )
        names = [obstacle.name for obstacle in self.obstacles]
        if len(set(names)) != len(names):
            raise SettingsError(f"flexible arm: obstacles need different names, got {', '.join(names)}")

    @property
    def bending_stiffness(self) -> float:
        """Young's modulus times second moment of area, E I [N m2]."""
        return self.youngs_modulus * self.second_moment

    @property
    def second_moment(self) -> float:
        """Second moment of area of the section, width thickness^3 / 12 [m4]."""
        return self.width * self.thickness**3 / 12.0


_POSITIVE = {
    "link_length": "m",
    "width": "m",
    "thickness": "m",
    "density": "kg/m3",
    "youngs_modulus": "Pa",
    "base_height": "m",
    "base_mass": "kg",
    "base_inertia": "kg m2",
    "torque_limits": "N m",
    "velocity_limits": "rad/s",
}
_NOT_NEGATIVE = {"normal_damping": "Pa s", "gravity": "m/s2"}


def settings_of_source(source: str | Path) -> FlexibleArmSettings | None:
    """Settings that a robot's source stands for, or None if it is not one of a flexible arm.

    Args:
        source: ``flexible-arm``, or path of a ``.toml`` or ``.json`` file of `FlexibleArmSettings`; with
            ``-N`` appended for N passive joints per link.

    Raises:
        SettingsError: The file cannot be read, or a setting in it is wrong.
    """
    parts = split_source(source)
    if parts is None:
        return None
    base, n_seg = parts
    if base == FLEXIBLE_ARM:
        settings = FlexibleArmSettings()
    else:
        settings = load_settings(FlexibleArmSettings, Path(base).expanduser())
    return settings if n_seg is None else dataclasses.replace(settings, n_seg=n_seg)


def split_source(source: str | Path) -> tuple[str, int | None] | None:
    """A flexible arm's source without, and with its number of passive joints; None for other sources."""
    match = re.fullmatch(rf"({re.escape(FLEXIBLE_ARM)}|.+\.(?:toml|json))(?:-(\d+))?", str(source))
    return None if match is None else (match[1], None if match[2] is None else int(match[2]))
