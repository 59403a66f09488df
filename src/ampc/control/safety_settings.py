"""Settings of the predictive safety filter."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from ampc.control.estimator import EstimatorSettings
from ampc.errors import SettingsError
from ampc.solvers.nonlinear_mpc_settings import CostWeights, GridSettings, NonlinearMPCSettings, Penalty


def filter_problem() -> NonlinearMPCSettings:
    """The problem that finds the nearest torque from which a stop is possible."""
    return NonlinearMPCSettings(
        grid=GridSettings((8, 17), (0.004, 0.014), (2, 4), "radau"),
        stage=CostWeights((30.0,), (0.0,), (0.01,), (0.01,), end_effector=0.0),
        terminal=CostWeights((9.0,), (0.0,), (30.0,), (0.3,), end_effector=0.0),
        torque=(0.01,),
        speed=Penalty(1e5, 1e5),
        speed_factor=0.9,
        obstacle=Penalty(1e5, 1e6),
        margins=(0.02, 0.015),
        approach=Penalty(1e5, 1e6),
        approach_slope=8.0,
        rest=Penalty(1e3, 1e3),
        rest_passive=Penalty(100.0, 100.0),
    )


@dataclass(frozen=True)
class CertificateSettings:
    """What a roll-out has to satisfy so that its first torque may be applied."""

    margins: tuple[float, ...] = (0.01, 0.0075)
    """Distances that the robot's obstacle points keep from obstacles, the end effector first [m]; the last
    entry holds for all further points. They stand for what estimate and model get wrong."""
    growth: float = 0.0
    """By which the margins grow with the time from now [m/s]."""
    largest_growth: float = 0.0
    """By how much they grow at most [m]."""
    speed_factor: float = 1.0
    """Share of the robot's speed limits that motors may use under the torque that is applied next."""
    brake_speed_factor: float = 1.3
    """The same for what would come after it: where the brake takes over, the torque jumps, and the light
    piece of a link next to its motor answers with a short jolt."""
    rest_speed: float = 0.5
    """Speed of every joint at the end that counts as rest [rad/s]; points may then
    approach an obstacle by at most ``approach_slope`` times the distance that is left."""
    brake: GridSettings = field(
        default_factory=lambda: GridSettings((7, 41), (0.004, 0.014), (1, 1), "radau")
    )
    """Steps in which braking is rolled out after the first control period. The brake's torque is held in
    each: in steps that are longer than a folded arm takes to brake, the roll-out would oscillate."""
    tail: GridSettings = field(default_factory=lambda: GridSettings((24,), (0.014,), (1,), "radau"))
    """The same after a plan."""

    def __post_init__(self) -> None:
        """Refuse what is no margin, share or speed."""
        if not self.margins or not all(math.isfinite(margin) for margin in self.margins):
            raise SettingsError(f"certificate.margins has to hold finite lengths in m, not {self.margins}")
        for name in ("growth", "largest_growth"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"certificate.{name} has to be 0 or more, not {getattr(self, name)}")
        for name in ("speed_factor", "brake_speed_factor", "rest_speed"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(f"certificate.{name} has to be positive, not {getattr(self, name)}")


@dataclass(frozen=True)
class SafetyFilterSettings:
    """How a proposed torque is verified and, if need be, replaced."""

    problem: NonlinearMPCSettings = field(default_factory=filter_problem)
    """The optimal control problem; the first step of its grid has to be the control period."""
    certificate: CertificateSettings = field(default_factory=CertificateSettings)
    """What is safe."""
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    """The state estimator."""
    proposed_weight: float = 0.2
    """Weight of the first torque's deviation from the proposed one [1/(N m)^2]."""
    iterations: int = 1
    """Iterations of the optimisation."""
    further_iterations: int = 1
    """More of them where the plan is not certified."""
    brake_weights: tuple[float, float, float] = (100.0, 1.0, 1.0)
    """Of the LQR that brakes: motors' positions [1/rad^2], velocities [s^2/rad^2], torque [1/(N m)^2]."""
    stopped: float = 0.1
    """Speed of all motors below which a braking arm is held where it is [rad/s]."""
    deadline: float | None = None
    """Time after which no further iteration is begun [s]; None for no limit, so that results do not depend on
    the speed of the machine."""
    verify: bool = True
    """Whether a proposed torque passes untouched if braking after it is certified; without, every torque is
    optimised."""
    backup: bool = True
    """Whether plans have to be certified, and the last certified stop is followed where none is; without, the
    optimisation's torque is applied as it is."""

    def __post_init__(self) -> None:
        """Refuse weights, counts and times that are none."""
        if not 0.0 < self.proposed_weight < math.inf:
            raise SettingsError(f"proposed_weight has to be positive, not {self.proposed_weight}")
        if self.iterations < 1 or self.further_iterations < 0:
            raise SettingsError(
                f"iterations has to be 1 or more and further_iterations 0 or more, not {self.iterations} and "
                f"{self.further_iterations}"
            )
        if self.deadline is not None and not 0.0 < self.deadline < math.inf:
            raise SettingsError(f"deadline is {self.deadline}; give a positive time in seconds, or None")


SafetyPreset = Literal["tuned", "published"]


def safety_preset(name: SafetyPreset) -> SafetyFilterSettings:
    """Settings by name: ``tuned``, the defaults, or ``published``, the filter of arXiv 2212.02941.

    The published filter, meant for a model of one segment, optimises in every step over 25 steps of 10 ms,
    has no margins, certifies nothing and has no backup.
    """
    if name == "tuned":
        return SafetyFilterSettings()
    off = Penalty()
    problem = replace(
        filter_problem(),
        grid=GridSettings((25,), (0.01,), (2,)),
        stage=CostWeights((0.1,), (0.1,), (0.01,), (0.02,), end_effector=0.0),
        terminal=CostWeights((0.1,), (0.1,), (1.0,), (0.02,), end_effector=0.0),
        torque=(1e-5,),
        speed=Penalty(1e3, 0.0),
        speed_factor=1.0,
        margins=(0.0,),
        approach=off,
        rest=off,
    )
    return SafetyFilterSettings(
        problem, proposed_weight=1.0, iterations=1, further_iterations=0, verify=False, backup=False
    )
