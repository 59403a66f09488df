"""How a step is integrated."""

from dataclasses import dataclass
from typing import Literal

from ampc.errors import SettingsError

Scheme = Literal["gauss-legendre", "radau"]


@dataclass(frozen=True)
class StepSettings:
    """An implicit Runge-Kutta step with two stages and constant torque."""

    dt: float
    """Length of the step [s]."""
    scheme: Scheme = "gauss-legendre"
    """``gauss-legendre``: order 4, for models of up to about 5 segments; ``radau``: IIA, order 3 and
    L-stable, for stiffer ones."""
    substeps: int = 2
    """Equal parts that the step is divided into."""
    tolerance: float = 1e-10
    """Largest last change of a velocity in Newton's method, relative to 1 rad/s + the largest velocity."""
    max_iterations: int = 20
    """Of Newton's method, in each substep."""

    def __post_init__(self) -> None:
        """Refuse what cannot be integrated."""
        if not 0.0 < self.dt < float("inf"):
            raise SettingsError(f"dt is {self.dt}; it has to be a positive number of seconds")
        if self.scheme not in ("gauss-legendre", "radau"):
            raise SettingsError(f"scheme is {self.scheme!r}; it has to be 'gauss-legendre' or 'radau'")
        if self.substeps < 1 or self.max_iterations < 1:
            raise SettingsError("substeps and max_iterations have to be at least 1")
        if not self.tolerance >= 0.0:
            raise SettingsError(f"tolerance is {self.tolerance}; it has to be 0 or more")
