"""Ranges from which the plant of each task is drawn."""

from dataclasses import dataclass, fields

import numpy as np

from ampc.errors import SettingsError
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation


@dataclass(frozen=True)
class VariationSettings:
    """Lower and upper end of every field of `PlantVariation`; the default is the nominal plant.

    Factors on links and joints are drawn for each on its own, everything evenly between its two ends.
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

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = getattr(self, field.name)
            if not 0.0 <= low <= high < np.inf:
                raise SettingsError(
                    f"{field.name} must be a range [low, high] with 0 <= low <= high, got [{low}, {high}]"
                )

    @property
    def nominal(self) -> bool:
        """Whether every task gets the nominal plant."""
        return self == VariationSettings()

    def sample(self, rng: np.random.Generator, robot: Robot) -> PlantVariation:
        """Draw one variation.

        The same number of random numbers is used whatever the ranges, so that widening one range leaves the
        others' draws alone.
        """
        values: dict[str, float | tuple[float, ...]] = {}
        for field in fields(self):
            low, high = getattr(self, field.name)
            if PlantVariation.is_per_joint(field.name):
                scales = tuple(float(scale) for scale in rng.uniform(low, high, robot.n_joints))
                values[field.name] = () if low == high == 1.0 else scales
            else:
                values[field.name] = float(rng.uniform(low, high))
        return PlantVariation(**values)  # type: ignore[arg-type]
