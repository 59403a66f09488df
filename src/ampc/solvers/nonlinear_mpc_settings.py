"""Settings of the nonlinear MPC: grid, cost and constraints, in numbers that no robot stands in."""

import math
from dataclasses import dataclass, field

from ampc.chain.options import Scheme
from ampc.errors import SettingsError


@dataclass(frozen=True)
class GridSettings:
    """Times at which the plan has its nodes; the torque is constant between two of them.

    The grid is one or more parts of equal steps: ``counts = (8, 17)`` and ``lengths = (0.004, 0.014)`` are 8
    steps of 4 ms and then 17 of 14 ms.
    """

    counts: tuple[int, ...] = (125,)
    """Number of steps in each part."""
    lengths: tuple[float, ...] = (0.004,)
    """Length of the steps in each part [s]; that of the first should be the control period."""
    substeps: tuple[int, ...] = (2,)
    """Equal parts that the integrator divides each step into, for each part of the grid."""
    scheme: Scheme = "gauss-legendre"
    """Integrator: ``gauss-legendre`` for models of up to about 5 segments, ``radau`` for stiffer ones."""

    def __post_init__(self) -> None:
        """Refuse a grid without steps."""
        if not (len(self.counts) == len(self.lengths) == len(self.substeps) >= 1):
            raise SettingsError(
                f"grid: counts, lengths and substeps need one entry for each part, got {self.counts}, "
                f"{self.lengths} and {self.substeps}"
            )
        if min(self.counts) < 1 or min(self.substeps) < 1:
            raise SettingsError(
                f"grid: counts and substeps have to be 1 or more, not {self.counts} and {self.substeps}"
            )
        if not all(0.0 < length < math.inf for length in self.lengths):
            raise SettingsError(f"grid: lengths have to be positive numbers of seconds, not {self.lengths}")
        if self.scheme not in ("gauss-legendre", "radau"):
            raise SettingsError(f"grid: scheme has to be 'gauss-legendre' or 'radau', not {self.scheme!r}")

    @property
    def duration(self) -> float:
        """Length of the horizon [s]."""
        return sum(count * length for count, length in zip(self.counts, self.lengths, strict=True))


@dataclass(frozen=True)
class CostWeights:
    """Diagonal weights of half the squared deviations; of stages per second, of the end of the horizon once.

    Every weight is a tuple of one number for all joints of its kind, or of one for each.
    """

    position_active: tuple[float, ...] = (300.0,)
    """Position of joints with a motor, from the reference [1/rad^2]."""
    position_passive: tuple[float, ...] = (0.01,)
    """Position of joints without one, from the reference [1/rad^2]."""
    velocity_active: tuple[float, ...] = (0.1,)
    """Velocity of joints with a motor [s^2/rad^2]."""
    velocity_passive: tuple[float, ...] = (10.0,)
    """Velocity of joints without one [s^2/rad^2]."""
    end_effector: float = 1000.0
    """Distance of the end effector from the goal [1/m^2]."""

    def __post_init__(self) -> None:
        """Refuse negative weights."""
        for name in ("position_active", "position_passive", "velocity_active", "velocity_passive"):
            _require_weights(name, getattr(self, name))
        _require_weights("end_effector", (self.end_effector,))


@dataclass(frozen=True)
class Penalty:
    """Cost of exceeding a soft limit by s: ``l1 s + l2 s^2 / 2``; of stages per second, at the end once.

    With l1 above the constraint's multiplier the limit is met exactly where it can be. Both 0: no limit.
    """

    l1: float = 0.0
    """Linear weight."""
    l2: float = 0.0
    """Quadratic weight."""

    def __post_init__(self) -> None:
        """Refuse negative weights."""
        _require_weights("penalty", (self.l1, self.l2))

    @property
    def active(self) -> bool:
        """Whether exceeding the limit costs anything."""
        return self.l1 > 0.0 or self.l2 > 0.0


@dataclass(frozen=True)
class NonlinearMPCSettings:
    """The optimal control problem of the nonlinear MPC.

    Torque limits are hard. Limits of speed, position and distance are soft, at every node but the first,
    whose state is given. See `ampc.solvers.optimal_control` for the problem in formulas. The defaults are
    an expert that reaches its goals by following a joint reference; grid and limits are those of
    Mamedov et al. (arXiv 2212.02941).
    """

    grid: GridSettings = field(default_factory=GridSettings)
    """Nodes of the plan."""
    stage: CostWeights = field(default_factory=CostWeights)
    """Weights of the states between the first and the last node."""
    terminal: CostWeights = field(
        default_factory=lambda: CostWeights((30.0,), (0.01,), (1.0,), (10.0,), end_effector=100.0)
    )
    """Weights of the last state."""
    torque: tuple[float, ...] = (1.0,)
    """Weight of the torque's deviation from its reference [1/(N m)^2], one or one for each motor."""

    speed: Penalty = field(default_factory=lambda: Penalty(1e3, 1e6))
    """Of joints with a motor above their speed limit; s in rad/s."""
    speed_factor: float = 0.93
    """Share of the robot's speed limits that the plan uses."""
    position: Penalty = field(default_factory=lambda: Penalty(1e3, 1e6))
    """Of joints outside their position limits, where the robot has any; s in rad."""
    obstacle: Penalty = field(default_factory=lambda: Penalty(1e4, 1e5))
    """Of points nearer to an obstacle than their margin; s in m."""
    margins: tuple[float, ...] = (0.01, 0.005)
    """Distances kept from obstacles by the robot's obstacle points, the end effector first [m]; the last
    entry holds for all further points."""
    approach: Penalty = field(default_factory=lambda: Penalty(100.0, 1000.0))
    """Of points that approach an obstacle faster than ``approach_slope`` times the distance that is left;
    s in m/s."""
    approach_slope: float = 6.0
    """[1/s]."""
    rest: Penalty = field(default_factory=lambda: Penalty(10.0, 100.0))
    """Of joints with a motor that move at the end of the horizon; s in rad/s."""
    rest_passive: Penalty = field(default_factory=lambda: Penalty(10.0, 100.0))
    """Of joints without a motor that move at the end of the horizon; s in rad/s."""

    def __post_init__(self) -> None:
        """Refuse what makes the problem unbounded or meaningless."""
        if not all(0.0 < weight < math.inf for weight in self.torque) or not self.torque:
            raise SettingsError(f"torque weights have to be positive, not {self.torque}")
        if not 0.0 < self.speed_factor < math.inf:
            raise SettingsError(f"speed_factor has to be positive, not {self.speed_factor}")
        if not self.margins or not all(math.isfinite(margin) for margin in self.margins):
            raise SettingsError(f"margins has to hold finite lengths in m, not {self.margins}")
        if not 0.0 <= self.approach_slope < math.inf:
            raise SettingsError(f"approach_slope has to be 0 or more, not {self.approach_slope}")


def _require_weights(name: str, values: tuple[float, ...]) -> None:
    if not values or not all(0.0 <= value < math.inf for value in values):
        raise SettingsError(f"{name} needs finite weights of 0 or more, not {values}")
