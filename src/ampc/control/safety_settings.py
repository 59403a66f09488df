"""Settings of the predictive safety filter."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ampc.control.estimator_settings import EstimatorSettings
from ampc.errors import SettingsError
from ampc.solvers.nonlinear_mpc_settings import CostWeights, GridSettings, NonlinearMPCSettings, Penalty


def filter_problem() -> NonlinearMPCSettings:
    """The problem that finds the nearest torque from which a stop is possible."""
    return NonlinearMPCSettings(
        grid=GridSettings((6, 12), (0.004, 0.018), (1, 1), "radau"),
        stage=CostWeights((0.0,), (0.0,), (0.01,), (0.01,), end_effector=0.0),
        terminal=CostWeights((0.0,), (0.0,), (30.0,), (0.3,), end_effector=0.0),
        torque=(1.0,),
        speed=Penalty(1e5, 1e5),
        speed_factor=0.9,
        obstacle=Penalty(1e5, 1e6),
        margins=(0.02, 0.015),
        approach=Penalty(1e5, 1e6),
        approach_slope=8.0,
        rest=Penalty(1.0, 30.0),
        rest_passive=Penalty(1.0, 1.0),
    )


@dataclass(frozen=True)
class CertificateSettings:
    """What a roll-out has to satisfy so that its first torque may be applied."""

    margins: tuple[float, ...] = (0.004, 0.004)
    """Distances that the robot's obstacle points keep from obstacles, the end effector first [m]; the last
    entry holds for all further points. They stand for what estimate and model get wrong of a calm arm."""
    agitated: tuple[float, ...] = (0.016, 0.012)
    """The same for an arm whose torques have jumped lately, see `agitation`."""
    agitation: float = 3.0
    """Sum of unpredicted speeds, as it fades, from which on the agitated margins hold [rad/s]; in between
    they grow with its square."""
    memory: float = 0.2
    """Time constant with which that sum fades [s]."""
    jolt: tuple[float, ...] = (0.0, 0.1, 0.25)
    """Speed that a motor may have beyond the predicted one, per change of its torque in this control period
    and the one before [rad/s/(N m)]; the last entry holds for all further motors."""
    growth: tuple[float, ...] = (0.1, 0.1)
    """By which the margins grow with the way that the points go from now on [m/m]: predictions err the more
    the more moves. One for each point, as above."""
    free_way: float = 0.02
    """Way that does not count in this [m], so that an arm that is nearer than its margin can leave."""
    largest_growth: float = 0.03
    """By how much they grow at most [m]."""
    speed_factor: float = 0.97
    """Share of the robot's speed limits that motors may use."""
    brake_speed_factor: float = 1.05
    """Factor on that share where the brake acts: hard braking jolts the light piece of a flexible link next
    to its motor for a few ms."""
    kept: float = 0.5
    """Share of all margins that a stop has to keep which was certified before: the rest is for what
    predictions get wrong from one step to the next."""
    rest_speed: float = 0.5
    """Speed of every joint that counts as rest [rad/s]."""
    brake: GridSettings = field(
        default_factory=lambda: GridSettings((7, 41), (0.004, 0.014), (1, 1), "radau")
    )
    """Steps in which braking is rolled out after the first control period. The brake's torque is held in
    each: in steps that are longer than a folded arm takes to brake, the roll-out would oscillate."""
    tail: GridSettings = field(default_factory=lambda: GridSettings((36,), (0.014,), (1,), "radau"))
    """The same after a plan."""

    def __post_init__(self) -> None:
        """Refuse what is no margin, share or speed."""
        if not self.margins or not all(math.isfinite(margin) for margin in self.margins):
            raise SettingsError(f"certificate.margins has to hold finite lengths in m, not {self.margins}")
        if len(self.agitated) != len(self.margins) or not (
            np.isfinite(self.agitated).all() and np.greater_equal(self.agitated, self.margins).all()
        ):
            raise SettingsError(
                "certificate.agitated needs a length for each of certificate.margins, none smaller, not "
                f"{self.agitated}"
            )
        for name in ("growth", "jolt", "free_way", "largest_growth"):
            values = np.atleast_1d(getattr(self, name))
            if not (len(values) and np.isfinite(values).all() and (values >= 0.0).all()):
                raise SettingsError(f"certificate.{name} has to be 0 or more, not {getattr(self, name)}")
        for name in ("speed_factor", "brake_speed_factor", "kept", "rest_speed", "agitation", "memory"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(f"certificate.{name} has to be positive, not {getattr(self, name)}")


@dataclass(frozen=True)
class BrakeSettings:
    """The feedback that stops an arm."""

    effort: float = 0.01
    """Cost of torque beside the energy of motion and bending that is left, over time [s/(N m)^2 J]: the less,
    the harder the arm brakes."""
    bending: float = 0.3
    """Weight of the energy of bending beside that of motion: the less, the more links are bent to stop, and
    the shorter is the way to rest."""
    yaw_rate: float = 25.0
    """Rate at which the yaw joint's speed falls as long as the torque suffices [1/s]."""
    hold_rate: float = 5.0
    """Rate at which motors that are held creep back to their place [1/s]."""
    stopped: float = 0.1
    """Speed of all motors below which a braking arm is held where it is [rad/s]."""
    fade: float = 0.016
    """Time constant with which the brake takes over from the torque before [s]: a jump would jolt the light
    piece of a flexible link next to its motor."""

    def __post_init__(self) -> None:
        """Refuse weights, rates and times that are none."""
        for name in ("effort", "bending", "yaw_rate", "hold_rate", "stopped"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(f"brake.{name} has to be positive, not {getattr(self, name)}")
        if not 0.0 <= self.fade < math.inf:
            raise SettingsError(f"brake.fade has to be 0 or more, not {self.fade}")


@dataclass(frozen=True)
class SafetyFilterSettings:
    """How a proposed torque is verified and, if need be, replaced."""

    problem: NonlinearMPCSettings = field(default_factory=filter_problem)
    """The optimal control problem; the first step of its grid has to be the control period."""
    certificate: CertificateSettings = field(default_factory=CertificateSettings)
    """What is safe."""
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    """The state estimator."""
    proposed_weight: float = 2.0
    """Weight of the first torque's deviation from the proposed one [1/(N m)^2]."""
    iterations: int = 1
    """Iterations of the optimisation."""
    further_iterations: int = 1
    """More of them where the plan is not certified."""
    bisections: int = 4
    """Steps of the search between the backup's torque and the proposed one, where no plan is certified."""
    brake: BrakeSettings = field(default_factory=BrakeSettings)
    """How the arm stops without a plan."""
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
        if self.iterations < 1:
            raise SettingsError(f"iterations has to be 1 or more, not {self.iterations}")
        for name in ("further_iterations", "bisections"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} has to be 0 or more, not {getattr(self, name)}")
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
