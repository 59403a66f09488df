"""Settings of the nonlinear MPC controller, tuned and published."""

import math
from dataclasses import dataclass, field
from typing import Literal

from ampc.control.estimator_settings import EstimatorSettings
from ampc.control.guidance import GuidanceSettings
from ampc.control.stuck import StuckSettings
from ampc.errors import SettingsError
from ampc.solvers.nonlinear_mpc_settings import CostWeights, NonlinearMPCSettings, Penalty


def tuned_problem() -> NonlinearMPCSettings:
    """The problem with which the flexible arm reaches its goals fastest while it keeps its distances.

    The weight of the passive joints' velocity keeps the motors from jumping to full speed within a period,
    which a model with few segments gets wrong. Margins are those of the model error in motion.
    """
    return NonlinearMPCSettings(
        stage=CostWeights((300.0,), (0.01,), (0.1,), (30.0,), end_effector=3000.0),
        torque=(0.3,),
        speed_factor=0.92,
        margins=(0.02, 0.015),
        approach=Penalty(1e3, 1e4),
    )


def calm_estimator() -> EstimatorSettings:
    """The estimator with velocities half as free as usual.

    Distances stay the same, and the torque, which follows the noise of estimated velocities, varies by a
    third less.
    """
    return EstimatorSettings(velocity_drift=0.25)


@dataclass(frozen=True)
class NonlinearMPCControllerSettings:
    """Plan, estimator and what happens when no plan is made."""

    problem: NonlinearMPCSettings = field(default_factory=tuned_problem)
    """The optimal control problem."""
    estimator: EstimatorSettings = field(default_factory=calm_estimator)
    """The state estimator."""
    iterations: int = 1
    """Iterations of the solver in each control period."""
    deadline: float | None = None
    """Time after which a plan comes too late [s]; None for no limit, so that results do not depend on the
    speed of the machine. Plans from scratch, of an arm at rest, are not held to it."""
    route_margin: float = 0.03
    """Distance from obstacles below which a way to the goal counts as longer [m]."""
    start_time: float = 0.048
    """Time in which torque goes over from that against gravity to that of a plan from scratch [s]. At once,
    an arm would leave faster than a model with few segments expects, and for a sample or two a motor that
    drives little would be beyond its speed limit."""
    nearest_margin: float = 0.004
    """Margins are lowered to what a goal near an obstacle leaves, but not below this [m]."""
    stuck: StuckSettings = field(default_factory=StuckSettings)
    """When another branch is tried."""

    def __post_init__(self) -> None:
        """Refuse what is no number of iterations or time."""
        if self.iterations < 1:
            raise SettingsError(f"iterations has to be 1 or more, not {self.iterations}")
        if self.deadline is not None and not 0.0 < self.deadline < math.inf:
            raise SettingsError(f"deadline is {self.deadline}; give a positive time in seconds, or None")

    @property
    def guidance(self) -> GuidanceSettings:
        """What it shares with other controllers of such arms."""
        return GuidanceSettings(self.estimator, self.route_margin, self.stuck, self.start_time)


Preset = Literal["tuned", "published"]


def preset(name: Preset) -> NonlinearMPCControllerSettings:
    """Settings by name: ``tuned``, the defaults, or ``published``, the cost of arXiv 2212.02941.

    The published cost weights the end effector nearly alone, has no margins, no limit on the speed of
    approach, and does not ask for rest at the end of the horizon.
    """
    if name == "tuned":
        return NonlinearMPCControllerSettings()
    off = Penalty()
    return NonlinearMPCControllerSettings(
        problem=NonlinearMPCSettings(
            stage=CostWeights((0.01,), (0.01,), (0.1,), (10.0,), end_effector=3000.0),
            terminal=CostWeights((0.1,), (0.01,), (1.0,), (10.0,), end_effector=0.0),
            torque=(0.1, 1.0, 1.0),
            speed_factor=1.0,
            margins=(0.0,),
            approach=off,
            rest=off,
            rest_passive=off,
        ),
        nearest_margin=0.0,
    )
