"""Ranges from which the plant of each task is drawn."""

from dataclasses import dataclass, fields

import numpy as np

from ampc.errors import SettingsError
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation


@dataclass(frozen=True)
class VariationSettings:
    """Lower and upper end of every field of `PlantVariation`; the default is the nominal plant.

    Factors on links and joints are drawn for each on its own, everything evenly between its two ends. With
    ``beyond`` set, everything is drawn outside of its range instead, and evenly there: training and test
    ranges are then one setting, told apart by this one.
    """

    payload: tuple[float, float] = (0.0, 0.0)
    """Point mass at the end effector [kg]."""
    mass_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on each link's mass; inertia scales along."""
    inertia_scale: tuple[float, float] = (1.0, 1.0)
    """Further factor on each link's rotational inertia."""
    com_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on each link's centre-of-mass offset."""
    length_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on each link's joint-to-joint offset."""
    damping_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on each joint's viscous damping."""
    position_noise: tuple[float, float] = (0.0, 0.0)
    """Standard deviation of joint position measurements [rad]."""
    velocity_noise: tuple[float, float] = (0.0, 0.0)
    """Standard deviation of joint velocity measurements [rad/s]."""
    input_delay: tuple[float, float] = (0.0, 0.0)
    """Time from the command of a torque to its effect [s]."""
    stiffness_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on the stiffness of all joints without motors, drawn once for the arm."""
    end_effector_noise: tuple[float, float] = (0.0, 0.0)
    """Standard deviation of end-effector measurements [m]."""
    beyond: float | None = None
    """None to draw inside the ranges. Else how many times as far from its nominal value as an end of its
    range a quantity may lie: 1.5 makes of +-30 % all that is off by 30 to 45 %, of 0 to 2 kg 2 to 3 kg. What
    has its nominal value alone in its range keeps it."""

    def __post_init__(self) -> None:
        for name in _RANGES:
            low, high = getattr(self, name)
            if not 0.0 <= low <= high < np.inf:
                raise SettingsError(
                    f"{name} must be a range [low, high] with 0 <= low <= high, got [{low}, {high}]"
                )
        if self.beyond is None:
            return
        if not 1.0 < self.beyond < np.inf:
            raise SettingsError(f"beyond must be a factor above 1, or left out, got {self.beyond}")
        for name in _RANGES:
            lowest = min(low for low, _ in self._parts(name))
            if lowest < 0.0 or (lowest == 0.0 and _NOMINAL[name] != 0.0):
                raise SettingsError(
                    f"beyond = {self.beyond} takes {name} down to {lowest:.3g}, but it must stay positive; "
                    "choose a smaller factor or a narrower range"
                )

    @property
    def nominal(self) -> bool:
        """Whether every task gets the nominal plant."""
        return all(getattr(self, name) == (value, value) for name, value in _NOMINAL.items())

    def sample(self, rng: np.random.Generator, robot: Robot) -> PlantVariation:
        """Draw one variation.

        The same number of random numbers is used whatever the ranges, so that widening one range leaves the
        others' draws alone.
        """
        values: dict[str, float | tuple[float, ...]] = {}
        for name in _RANGES:
            parts = self._parts(name)
            if PlantVariation.is_per_joint(name):
                scales = tuple(_draw(rng, parts) for _ in range(robot.n_joints))
                values[name] = () if parts == [(1.0, 1.0)] else scales
            else:
                values[name] = _draw(rng, parts)
        return PlantVariation(**values)  # type: ignore[arg-type]

    def _parts(self, name: str) -> list[tuple[float, float]]:
        """The one or two intervals that a quantity is drawn from."""
        low, high = getattr(self, name)
        nominal = _NOMINAL[name]
        if self.beyond is None or low == high == nominal:
            return [(low, high)]
        below = (nominal + self.beyond * (low - nominal), low)
        above = (high, nominal + self.beyond * (high - nominal))
        return [part for part in (below, above) if part[0] < part[1]]


def _draw(rng: np.random.Generator, parts: list[tuple[float, float]]) -> float:
    """A number drawn evenly from disjoint intervals, by one random number."""
    lengths = [high - low for low, high in parts]
    place = float(rng.uniform(0.0, sum(lengths)))
    for (low, high), length in zip(parts[:-1], lengths[:-1], strict=True):
        if place < length:
            return min(low + place, high)
        place -= length
    return min(parts[-1][0] + place, parts[-1][1])


_RANGES = tuple(field.name for field in fields(PlantVariation))
_NOMINAL = {name: 1.0 if name.endswith("_scale") else 0.0 for name in _RANGES}

VARIATIONS: dict[str, VariationSettings] = {
    "nominal": VariationSettings(),
    "payload": VariationSettings(payload=(0.0, 2.0)),
    "randomised": VariationSettings(mass_scale=(0.7, 1.3), inertia_scale=(0.7, 1.3), com_scale=(0.95, 1.05)),
    "damping": VariationSettings(damping_scale=(0.5, 2.0)),
    "noise": VariationSettings(position_noise=(2e-3, 2e-3), velocity_noise=(0.2, 0.2)),
    "delay": VariationSettings(input_delay=(0.05, 0.1)),
    "lengths": VariationSettings(length_scale=(0.95, 1.05)),
}
"""Ranges that studies are made of, by name. ``randomised`` is m, l and I as the dynamics see them,
``lengths`` is l as the kinematics see it; ``delay`` is one to two control periods of 50 ms."""
